"""The history is whole: what was accepted is there byte for byte, whoever is killed and whatever else is there."""

import contextlib
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import time

import pytest

from engine.changes.revisions import RevisionStore
from engine.domain.actor import Actor

WHO = {
    "time": "2026-01-02T03:04:05Z",
    "actor": Actor("ann", 1000, 42),
    "note": "more weight",
    "language": "balanceng",
}


@pytest.fixture
def store(tmp_path):
    return RevisionStore(tmp_path / "revisions")


TEXTS = [
    b"",
    b"one\n",
    b"no end",
    b"a\r\nb\r\n",
    b"\xef\xbb\xbfbom\n",
    b"\xff\xfe not utf-8\n\n",
    b"\n\n{}\n",
    b"x" * 300_000,
]


@pytest.mark.parametrize("text", TEXTS, ids=range(len(TEXTS)))
def test_what_is_stored_comes_back_byte_for_byte_after_a_restart(store, text):
    stored = store.add(text, **WHO)
    again = RevisionStore(store.folder).get(stored.number)
    assert again == stored
    assert (again.text, again.time, again.uid, again.user, again.note) == (
        text,
        WHO["time"],
        1000,
        "ann",
        "more weight",
    )
    assert (again.language, again.confirmed, again.reverted) == ("balanceng", True, False)


def test_the_newest_comes_first_and_numbers_grow(store):
    for n in range(1, 5):
        assert store.add(b"%d" % n, **WHO).number == n
    assert [s.number for s in store.list()] == [4, 3, 2, 1]
    assert store.get(9) is None
    assert store.warnings == []


def test_notes_of_any_kind_stay_on_their_line(store):
    note = 'two\nlines, "quotes", ünïcode \x00'
    stored = store.add(b"text", **{**WHO, "note": note})
    assert RevisionStore(store.folder).get(stored.number).note == note
    assert len(store.add(b"text", **{**WHO, "note": "n" * 5_000}).note) == 1_000


def test_confirmed_and_dropped_are_remembered(store):
    first = store.add(b"first", **WHO)
    second = store.add(b"second", **WHO, confirmed=False)
    assert store.latest_confirmed() == first
    assert store.confirm(second.number).confirmed
    assert RevisionStore(store.folder).latest_confirmed().text == b"second"
    third = store.add(b"third", **WHO, confirmed=False)
    assert store.drop(third.number).reverted
    again = RevisionStore(store.folder)
    assert again.latest_confirmed().number == second.number
    assert [(s.number, s.confirmed, s.reverted) for s in again.list()] == [
        (3, False, True),
        (2, True, False),
        (1, True, False),
    ]
    for refuse in (store.confirm, store.drop):
        with pytest.raises(LookupError, match="no revision 77"):
            refuse(77)


def test_the_oldest_are_pruned_and_never_the_confirmed_one_nor_a_protected_one(tmp_path):
    store = RevisionStore(tmp_path, keep=4)
    running = store.add(b"running", **WHO)
    for _ in range(10):
        store.add(b"trial", **WHO, confirmed=False)
    assert [s.number for s in store.list()] == [11, 10, 9, running.number]
    store.confirm(11)
    store.add(b"new", **WHO, confirmed=False, protect=[running.number])
    assert [s.number for s in store.list()] == [12, 11, 10, running.number]
    store.add(b"new", **WHO)
    assert [s.number for s in store.list()] == [13, 12, 11, 10]


def test_fifty_are_kept(store):
    for n in range(60):
        store.add(b"%d" % n, **WHO)
    assert [s.number for s in store.list()] == list(range(60, 10, -1))


def test_numbers_grow_on_after_pruning_a_restart_and_a_loss(tmp_path):
    store = RevisionStore(tmp_path, keep=2)
    for _ in range(5):
        store.add(b"text", **WHO)
    assert RevisionStore(tmp_path, keep=2).add(b"text", **WHO).number == 6
    (tmp_path / "000006.revision").write_bytes(b"torn")
    assert RevisionStore(tmp_path, keep=2).add(b"text", **WHO).number == 7


def damaged(data):
    head, _, text = data.partition(b"\n")
    return {
        "empty": b"",
        "no json": b"hello\nworld",
        "cut short": data[:-2],
        "other text": head + b"\n" + text.replace(b"t", b"T"),
        "other number": data.replace(b'"number":1', b'"number":4'),
        "other version": data.replace(b'"format":1', b'"format":2'),
        "a field less": data.replace(b'"user":"ann",', b""),
        "not utf-8": b'{"note":"\xff"}\n',
    }


@pytest.mark.parametrize("how", damaged(b""))
def test_a_damaged_file_is_stepped_over_and_put_aside_at_the_next_start(store, how):
    store.add(b"text", **WHO)
    store.add(b"good", **WHO)
    path = store.folder / "000001.revision"
    left = damaged(path.read_bytes())[how]
    path.write_bytes(left)
    aside = path if how == "other version" else path.with_name("000001.revision.unreadable")

    def seen(looking, name):
        assert [s.number for s in looking.list()] == [2]
        assert looking.get(1) is None
        assert len(looking.warnings) == 1
        assert looking.warnings[0].startswith(f"{name}: ")
        assert name.read_bytes() == left

    seen(store, path)
    again = RevisionStore(store.folder)
    seen(again, aside)
    aside.unlink()
    assert (again.list()[0].text, again.warnings) == (b"good", [])


def test_what_is_put_aside_keeps_its_number(store):
    store.add(b"text", **WHO)
    (store.folder / "000007.revision").write_bytes(b"torn")
    (store.folder / "000007.revision.unreadable").write_bytes(b"torn before")
    again = RevisionStore(store.folder)
    assert (store.folder / "000007.revision.unreadable-2").read_bytes() == b"torn"
    assert again.add(b"text", **WHO).number == 8


@pytest.mark.parametrize("kind", ["pipe", "nested", "folder", "link"])
def test_whatever_is_in_the_place_of_a_revision_the_store_starts(store, kind):
    path = store.folder / "000003.revision"
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "nested":
        path.write_bytes(b'{"note":' + b"[" * 200_000)
    elif kind == "folder":
        path.mkdir()
    else:
        path.symlink_to("/dev/zero")
    again = RevisionStore(store.folder)
    assert again.list() == []
    assert "put aside" in again.warnings[0]
    assert again.add(b"text", **WHO).number == 4


def test_what_is_in_the_place_of_the_folder_is_put_aside(tmp_path):
    (tmp_path / "revisions").write_text("mine")
    store = RevisionStore(tmp_path / "revisions")
    assert store.add(b"text", **WHO).number == 1
    assert (tmp_path / "revisions.unreadable").read_text() == "mine"


# -- a disk that refuses


def broken(store):
    """Have a file in the place of the folder's parent: whatever is written, is refused."""
    store.folder.parent.rename(store.folder.parent.with_name("away"))
    store.folder.parent.write_text("in the way")


def mended(store):
    store.folder.parent.unlink()
    store.folder.parent.with_name("away").rename(store.folder.parent)


@pytest.fixture
def deep(tmp_path):
    return RevisionStore(tmp_path / "state" / "revisions")


def test_a_mark_that_the_disk_refuses_is_owed_and_holds(deep):
    for text in (b"one", b"two"):
        deep.add(text, **WHO, confirmed=False)
    deep.hold([1, 2])
    broken(deep)
    deep.confirm(1)
    deep.drop(2)
    assert [(s.number, s.confirmed, s.reverted) for s in deep.list()] == [(2, False, True), (1, True, False)]
    assert "the story of revisions 1, 2 is in memory alone: " in deep.owed
    deep.mend()
    assert deep.owed
    mended(deep)
    deep.mend()
    assert deep.owed == ""
    again = RevisionStore(deep.folder)
    assert [(s.number, s.confirmed, s.reverted) for s in again.list()] == [(2, False, True), (1, True, False)]


def test_what_is_new_may_be_owed_where_it_has_to_exist(tmp_path):
    (tmp_path / "state").write_text("in the way")
    store = RevisionStore(tmp_path / "state" / "revisions")
    with pytest.raises(OSError, match="Not a directory"):
        store.add(b"text", **WHO)
    stored = store.add(b"text", **WHO, or_owe=True)
    assert (store.get(1), store.latest_confirmed()) == (stored, stored)
    assert "story of revision 1 is in memory alone" in store.owed
    (tmp_path / "state").unlink()
    store.mend()
    assert RevisionStore(store.folder).get(1) == stored


def test_what_is_owed_never_replaces_another_revision_of_its_number(deep):
    deep.add(b"old", **WHO)
    broken(deep)
    blind = RevisionStore(deep.folder)
    blind.add(b"new", **WHO, or_owe=True)
    mended(deep)
    blind.mend()
    assert "there is another revision of that number" in blind.owed
    assert RevisionStore(deep.folder).get(1).text == b"old"


def test_mending_writes_nothing_that_the_disk_has(deep):
    for text in (b"one", b"two"):
        deep.add(text, **WHO, confirmed=False)
    deep.hold([1, 2])
    before = {path: path.stat().st_ino for path in deep.folder.glob("*.revision")}
    deep.mend()
    assert {path: path.stat().st_ino for path in deep.folder.glob("*")} == before
    (deep.folder / "000002.revision").unlink()
    deep.mend()
    assert (deep.folder / "000001.revision").stat().st_ino == before[deep.folder / "000001.revision"]
    assert RevisionStore(deep.folder).get(2).text == b"two"


def test_what_is_held_comes_back_whoever_removes_or_damages_it(store):
    held, other = store.add(b"held", **WHO), store.add(b"other", **WHO)
    store.hold([1])
    shutil.rmtree(store.folder)
    assert (store.get(1), store.get(2)) == (held, None)
    store.mend()
    assert [s.number for s in RevisionStore(store.folder).list()] == [1]
    (store.folder / "000001.revision").write_bytes(b"torn")
    store.mend()
    assert RevisionStore(store.folder).get(1) == held
    assert other.number == 2
    assert store.add(b"new", **WHO).number == 3


def test_what_else_is_in_the_folder_is_left_alone_and_named(store):
    store.add(b"text", **WHO)
    (store.folder / "README").write_text("mine")
    (store.folder / "1.revision").write_text("mine")
    (store.folder / "000002.revision").mkdir()
    (store.folder / "000003.revision").symlink_to("nowhere")
    assert [s.number for s in store.list()] == [1]
    assert [w.split("/")[-1].split(":")[0] for w in store.warnings] == [
        "000002.revision",
        "1.revision",
        "README",
    ]
    assert store.add(b"text", **WHO).number == 4
    assert (store.folder / "README").read_text() == "mine"


@pytest.mark.parametrize(("length", "kept"), [(999, 999), (1_000, 1_000), (1_001, 1_000)])
def test_a_note_longer_than_a_thousand_characters_is_cut(store, length, kept):
    note = store.add(b"text", **{**WHO, "note": "n" * length}).note
    assert len(note) == kept
    assert note.endswith("...") == (length > 1_000)


def test_files_and_folder_are_nobody_elses_business(store):
    store.add(b"text", **WHO)
    assert store.folder.stat().st_mode & 0o777 == 0o700
    assert (store.folder / "000001.revision").stat().st_mode & 0o777 == 0o600


def test_a_file_has_one_name(store):
    """A number with more digits than it needs is not the file of that number."""
    store.add(b"text", **WHO)
    (store.folder / "000001.revision").rename(store.folder / "0000001.revision")
    assert store.list() == []
    assert [w.split("/")[-1] for w in store.warnings] == ["0000001.revision: is not a revision"]
    (store.folder / "1000000.revision").write_bytes(b"")
    assert store.add(b"text", **WHO).number == 1_000_001
    assert (store.folder / "1000001.revision").exists()


def test_what_a_killed_writer_left_is_not_told(store):
    (store.folder / ".bng-0123.tmp").write_bytes(b"half")
    assert (store.list(), store.warnings) == ([], [])


def test_a_file_too_large_to_be_a_revision_is_not_read(store):
    most = 64 * 1024 * 1024
    for number, size in ((1, most), (2, most + 1)):
        with (store.folder / f"{number:06}.revision").open("wb") as file:
            file.truncate(size)
    assert store.list() == []
    small, large = store.warnings
    assert "too large" not in small
    assert "is too large (67108865 bytes)" in large


def test_a_file_is_read_once_and_anew_when_it_has_changed(store):
    store.add(b"text", **WHO)
    first = store.get(1)
    assert store.get(1) is first
    path = store.folder / "000001.revision"
    path.write_bytes(path.read_bytes().replace(b"ann", b"bob"))
    assert store.get(1).user == "bob"
    path.unlink()
    assert store.get(1) is None


def test_what_is_marked_already_is_not_written_again(store):
    store.add(b"text", **WHO, confirmed=False)
    path = store.folder / "000001.revision"

    def written(mark):
        before = path.stat().st_ino
        marked = mark(1)
        return path.stat().st_ino != before, marked.confirmed, marked.reverted

    assert written(store.confirm) == (True, True, False)
    assert written(store.confirm) == (False, True, False)
    assert written(store.drop) == (True, False, True)
    assert written(store.drop) == (False, False, True)
    assert written(store.confirm) == (True, True, False)


def test_a_dropped_revision_is_not_the_latest_confirmed_one(store):
    assert store.latest_confirmed() is None
    store.add(b"first", **WHO)
    store.add(b"second", **WHO)
    store.drop(2)
    assert store.latest_confirmed().number == 1
    # Nothing marks one so, but a file may say it.
    path = store.folder / "000002.revision"
    path.write_bytes(path.read_bytes().replace(b'"confirmed":false', b'"confirmed":true'))
    assert RevisionStore(store.folder).latest_confirmed().number == 1


@pytest.mark.parametrize("keep", [0, 1, 2])
def test_at_least_two_are_kept(tmp_path, keep):
    store = RevisionStore(tmp_path, keep=keep)
    for _ in range(4):
        store.add(b"text", **WHO)
    assert [s.number for s in store.list()] == [4, 3]


def test_exactly_as_many_as_are_kept_are_not_pruned(tmp_path):
    store = RevisionStore(tmp_path, keep=3)
    for _ in range(3):
        store.add(b"text", **WHO)
    assert len(store.list()) == 3


def test_protected_ones_that_are_gone_take_no_room(tmp_path):
    store = RevisionStore(tmp_path, keep=3)
    for _ in range(4):
        store.add(b"text", **WHO, protect=[77, 78])
    assert [s.number for s in store.list()] == [4, 3, 2]


def test_more_protected_ones_than_are_kept_all_stay(tmp_path):
    store = RevisionStore(tmp_path, keep=2)
    for _ in range(4):
        store.add(b"text", **WHO, confirmed=False, protect=[1, 2, 3])
    assert [s.number for s in store.list()] == [4, 3, 2, 1]
    store.add(b"text", **WHO, confirmed=False, protect=[1])
    assert [s.number for s in store.list()] == [5, 1]


def test_one_that_cannot_be_removed_does_not_keep_the_new_one_from_being_stored(tmp_path):
    store = RevisionStore(tmp_path, keep=2)
    (tmp_path / "000001.revision").mkdir()  # unlink refuses a folder
    for _ in range(3):
        store.add(b"text", **WHO)
    assert [s.number for s in store.list()] == [4, 3]


# -- parents


def test_a_parent_is_kept_and_none_is_none(store):
    assert store.add(b"text", **WHO).parent is None
    assert store.add(b"text", **WHO, parent=1).parent == 1
    store.drop(2)
    assert [s.parent for s in RevisionStore(store.folder).list()] == [1, None]


@pytest.mark.parametrize(
    ("note", "parent"),
    [
        ("rollback to revision 7", 7),
        ("rollback to revision 7 again", None),
        ("a rollback to revision 7", None),
        ("rollback to revision ²", None),
        ("rollback to revision " + "9" * 500, None),
        ("rollback to revision ", None),
    ],
)
def test_of_a_file_that_an_older_version_wrote_the_note_tells_the_parent(store, note, parent):
    new = store.add(b"text", **{**WHO, "note": note})
    assert new.parent is None, "today a note is a note"
    path = store.folder / "000001.revision"
    path.write_bytes(path.read_bytes().replace(b'"parent":null,', b""))
    assert store.get(1).parent == parent
    marked = store.drop(1)
    assert RevisionStore(store.folder).get(1) == marked
    assert marked.parent == parent


# -- killed at any instant

LOOP = """
import os, sys
from pathlib import Path
from engine.config.atomic import write_atomic
from engine.changes.revisions import RevisionStore
from engine.domain.actor import Actor

folder = Path(sys.argv[1])
text = lambda n: b"%08d\\n" % n * 500

def work():  # as a transaction does: remember, write the file, confirm
    store = RevisionStore(folder / "revisions", keep=5)
    while True:
        n = store.add(b"", time="t", actor=Actor("u", 0), note="", language="toml", confirmed=False).number + 1
        stored = store.add(text(n), time="t", actor=Actor("u", 0), note=str(n), language="toml", confirmed=False)
        write_atomic(folder / "bng.conf", text(stored.number))
        store.confirm(stored.number)

for line in sys.stdin:
    pid = os.fork()
    if not pid:
        work()
    print(pid, flush=True)
    os.waitpid(pid, 0)
    print("ended", flush=True)
"""


def test_killed_at_200_instants_the_file_and_the_history_are_whole(tmp_path):
    chance = random.Random(3)
    loop = subprocess.Popen(
        [sys.executable, "-c", LOOP, tmp_path], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    highest, written, moved = 0, set(), 0
    most = 0.3  # the first one shows how long a round takes here
    turn = 0
    try:
        # On a busy host a writer may be killed before it got to work: then it takes more of them.
        while turn < 200 or (turn < 1000 and (moved <= 50 or len(written) <= 20)):
            loop.stdin.write("go\n")
            loop.stdin.flush()
            pid = int(loop.stdout.readline())
            time.sleep(chance.uniform(0, most) if turn else most)
            os.kill(pid, signal.SIGKILL)
            assert loop.stdout.readline() == "ended\n"
            store = RevisionStore(tmp_path / "revisions", keep=5)
            history = store.list()
            assert store.warnings == []
            for stored in history:
                if stored.text:
                    assert stored.text == b"%08d\n" % stored.number * 500
                    assert stored.note == str(stored.number)
            newest = history[0].number if history else 0
            assert newest >= highest
            moved += newest > highest
            highest = newest
            if not turn:
                most = min(0.3, 6 * 0.3 / max(1, newest))  # two revisions a round: up to three rounds
            turn += 1
            with contextlib.suppress(FileNotFoundError):
                text = (tmp_path / "bng.conf").read_bytes()
                number = int(text[:8])
                assert text == b"%08d\n" % number * 500
                confirmed = store.latest_confirmed()
                # The file is what was confirmed last, or what was about to be.
                assert number >= (confirmed.number if confirmed else 0)
                written.add(number)
    finally:
        loop.stdin.close()
        loop.wait(timeout=10)
        loop.stdout.close()
    assert moved > 50, "the writers hardly ever got to work before they were killed"
    assert len(written) > 20
    for folder in (tmp_path, tmp_path / "revisions"):
        left = [p for p in folder.iterdir() if re.match(r"\.bng-", p.name)]
        assert len(left) <= 2, "what earlier writers left is removed by the next one"
