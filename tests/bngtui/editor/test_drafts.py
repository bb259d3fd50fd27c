"""Drafts: kept whole, private, one for each console, and found again."""

from __future__ import annotations

import stat

import msgspec
import pytest

from bngtui.candidate import Candidate
from bngtui.editor import drafts as module
from bngtui.editor.drafts import SLOTS, Draft, Drafts, state_home


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


@pytest.mark.parametrize(
    "damaged",
    [
        lambda data: data[:20],
        lambda data: data.replace(b"lb1", b"l\xff1"),
        lambda _: b'{"host": ' + b"[" * 100_000,
    ],
)
def test_a_damaged_draft_is_none(tmp_path, damaged):
    first = drafts(tmp_path)
    first.open()
    first.save(draft())
    first.close()
    (path,) = tmp_path.glob("*.draft")
    data = damaged(path.read_bytes())
    assert data != path.read_bytes()
    path.write_bytes(data)
    assert drafts(tmp_path).open() is None


def test_a_folder_that_cannot_be_written_is_said_and_stops_nobody(tmp_path):
    (tmp_path / "file").write_text("")
    broken = drafts(tmp_path / "file" / "below")
    assert broken.open() is None
    assert "The draft is not kept" in broken.trouble
    broken.save(draft())
    broken.drop()
    broken.close()


def test_two_consoles_that_begin_at_once_have_a_place_each(tmp_path):
    first, second = drafts(tmp_path), drafts(tmp_path)
    assert first.open() is second.open() is None
    first.save(draft("first\n"))
    second.save(draft("second\n"))
    assert (first.trouble, second.trouble) == ("", "")
    first.close()
    second.close()
    again = [drafts(tmp_path), drafts(tmp_path)]
    assert [one.open().text for one in again] == ["first\n", "second\n"]


def test_the_last_place_is_used_and_one_console_more_is_told(tmp_path):
    consoles = [drafts(tmp_path) for _ in range(SLOTS + 1)]
    assert [one.open() for one in consoles] == [None] * (SLOTS + 1)
    for number, one in enumerate(consoles):
        one.save(draft(f"{number}\n"))
    assert len(list(tmp_path.glob("*.draft"))) == SLOTS
    assert [bool(one.trouble) for one in consoles] == [False] * SLOTS + [True]
    assert consoles[-1].trouble == f"The draft is not kept: {SLOTS} consoles of yours edit this text already"
    consoles[-1].drop()
    assert len(list(tmp_path.glob("*.draft"))) == SLOTS
    consoles[SLOTS - 1].close()
    assert drafts(tmp_path).open().text == f"{SLOTS - 1}\n"


def test_what_is_kept_can_be_read_again_and_what_is_too_large_is_told(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "MAX_DRAFT_MIB", 1)
    console = drafts(tmp_path)
    console.open()
    room = (1 << 20) - len(msgspec.json.encode(draft("")))
    console.save(draft("é" * (room // 2) + "x" * (room % 2)))
    assert console.trouble == ""
    (kept,) = tmp_path.glob("*.draft")
    assert kept.stat().st_size == 1 << 20
    console.close()
    console = drafts(tmp_path)
    assert console.open() is not None
    console.save(draft("é" * (room // 2) + "x" * (room % 2 + 1)))
    assert console.trouble == "The draft is not kept: it takes more than 1 MiB"
    console.save(draft())
    assert console.trouble == ""
    console.save(draft("\ud800"))
    assert "half a character" in console.trouble
    console.close()
    kept.write_bytes(kept.read_bytes() + b" " * (1 << 20))
    assert drafts(tmp_path).open() is None


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
