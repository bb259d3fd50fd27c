"""Drafts: kept whole, private, one for each console, and found again."""

from __future__ import annotations

import stat

from bngtui.candidate import Candidate
from bngtui.editor.drafts import Draft, Drafts, state_home


def draft(text="weight 3\n", host="lb1"):
    return Draft(
        host=host,
        file="/etc/bng/bng.conf",
        language="balanceng",
        base=4,
        base_text="weight 1\n",
        text=text,
        saved="2026-03-01T12:00:00Z",
        note="why",
    )


def drafts(folder, host="lb1"):
    return Drafts(host, "/etc/bng/bng.conf", folder)


def test_what_was_kept_is_found_by_the_next_console(tmp_path):
    first = drafts(tmp_path / "a" / "b")
    assert first.open() is None
    first.save(draft())
    (kept,) = (tmp_path / "a" / "b").glob("*.draft")
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600
    first.close()
    second = drafts(tmp_path / "a" / "b")
    assert second.open() == draft()
    second.drop()
    second.close()
    assert drafts(tmp_path / "a" / "b").open() is None


def test_a_draft_that_somebody_works_on_is_not_offered(tmp_path):
    first, second = drafts(tmp_path), drafts(tmp_path)
    first.open()
    first.save(draft("first\n"))
    assert second.open() is None
    second.save(draft("second\n"))
    assert sorted(path.read_bytes().count(b"first") for path in tmp_path.glob("*.draft")) == [0, 1]
    first.close()
    assert drafts(tmp_path).open().text == "first\n"
    second.close()


def test_every_engine_has_its_own(tmp_path):
    first = drafts(tmp_path)
    first.open()
    first.save(draft())
    first.close()
    assert drafts(tmp_path, host="lb2").open() is None


def test_a_damaged_draft_is_none(tmp_path):
    first = drafts(tmp_path)
    first.open()
    first.save(draft())
    first.close()
    for path in tmp_path.glob("*.draft"):
        path.write_bytes(path.read_bytes()[:20])
    assert drafts(tmp_path).open() is None


def test_a_folder_that_cannot_be_written_is_said_and_stops_nobody(tmp_path):
    (tmp_path / "file").write_text("")
    broken = drafts(tmp_path / "file" / "below")
    assert broken.open() is None
    assert "The draft is not kept" in broken.trouble
    broken.save(draft())
    broken.drop()
    broken.close()


def test_where_drafts_are(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    assert state_home() == tmp_path / "bngtui" / "drafts"
    monkeypatch.setenv("XDG_STATE_HOME", "relative")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert state_home() == tmp_path / ".local" / "state" / "bngtui" / "drafts"


def test_the_name_says_the_language():
    assert Candidate("/etc/bng/bng.conf", "balanceng", 1, "", "").name == "bng.conf"
    assert Candidate("/etc/bng/bng.conf", "toml", 1, "", "").name == "candidate.toml"
    assert Candidate("/etc/bng/bng.toml", "balanceng", 1, "", "").name == "candidate.conf"
