"""Files of the console's host: whatever was typed for a name, the operator is told and the editor stays."""

from __future__ import annotations

import pytest

from bngtui.dialogs.line_input import complete_path
from bngtui.editor.host_files import FileError, exists, read, write

UNUSABLE = ["x" * 300, "~no-such-user-here/x", "a\0b", "\ud800", "/" + "a/" * 3000, ""]


@pytest.mark.parametrize("path", UNUSABLE)
def test_a_name_that_no_file_can_have_is_told(path, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert exists(path) == (path == "")  # which is the folder itself
    with pytest.raises(FileError, match="Not read: "):
        read(path)
    with pytest.raises(FileError, match="Not written: "):
        write(path, "text")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("path", [path for path in UNUSABLE if path])
def test_such_a_name_has_no_completion(path, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert complete_path(f"{path}/y") == (f"{path}/y", [])


def test_a_file_is_written_and_read(tmp_path):
    write(f"{tmp_path}/one.toml", "a = 1\n")
    assert read(f"{tmp_path}/one.toml") == ("a = 1\n", "toml")


def test_what_is_no_text_is_told_with_its_place(tmp_path):
    (tmp_path / "one").write_bytes(b"abc\xff")
    with pytest.raises(FileError, match=r"is not text in UTF-8 \(byte 4\)"):
        read(f"{tmp_path}/one")
