"""The file that says what was added."""

import shutil

from engine.io.host.record import Record
from engine.io.host.state import Owned, Placed

OWNED = Owned(
    {Placed(3, "10.0.0.2", 8): False, Placed(2, "172.16.1.252", 24): True},
    frozenset({"10.0.0.9", "10.0.0.10"}),
)


def test_what_is_written_is_read(tmp_path):
    path = tmp_path / "added.json"
    Record(path).write(OWNED)
    assert Record(path).read() == OWNED
    assert sorted(p.name for p in tmp_path.iterdir()) == ["added.json"]


def test_without_a_file_nothing_was_added_and_nothing_is_said(tmp_path, caplog):
    assert Record(tmp_path / "added.json").read() == Owned()
    assert caplog.text == ""


def test_a_file_that_cannot_be_read_is_said(tmp_path, caplog):
    path = tmp_path / "added.json"
    wrong = [b"", b"{", b'{"addresses": [["eth0", "10.0.0.1", 8]]}']
    for content in (*wrong, b'{"routes": ["\xff"]}', b'{"routes": ' + b"[" * 100_000):
        caplog.clear()
        path.write_bytes(content)
        assert Record(path).read() == Owned()
        assert str(path) in caplog.text
    path.unlink()
    path.mkdir()
    assert Record(path).read() == Owned()


def test_it_is_written_only_where_something_has_changed(tmp_path):
    path = tmp_path / "added.json"
    record = Record(path)
    record.write(OWNED)
    path.write_text("x")
    record.write(Owned(dict(OWNED.addresses), OWNED.routes))
    assert path.read_text() == "x"
    record.write(Owned())
    assert Record(path).read() == Owned()


def test_what_prevents_writing_is_said_once_and_tried_again(tmp_path, caplog):
    path = tmp_path / "gone" / "added.json"
    path.parent.write_text("in the way")
    record = Record(path)
    record.write(OWNED)
    record.write(OWNED)
    assert caplog.text.count("cannot be written") == 1
    path.parent.unlink()
    record.write(OWNED)
    assert Record(path).read() == OWNED


def test_a_folder_that_somebody_removes_is_made_again(tmp_path):
    path = tmp_path / "run" / "added.json"
    record = Record(path)
    record.write(OWNED)
    shutil.rmtree(path.parent)
    record.write(OWNED)
    assert Record(path).read() == OWNED


def test_removed_it_is_written_anew(tmp_path):
    path = tmp_path / "added.json"
    record = Record(path)
    record.write(OWNED)
    record.remove()
    assert not path.exists()
    record.remove()
    record.write(OWNED)
    assert Record(path).read() == OWNED
