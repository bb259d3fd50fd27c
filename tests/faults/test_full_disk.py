"""The disk of the state folder is full, gone or read-only while a change is under way, or when the engine starts."""

import os
import shutil
import signal

import pytest

from tests.helpers.disks import Fixed, as_seen_by
from tests.helpers.scene import SEED, Refused, state_of, until

TEXT = SEED.read_text()
HASH = TEXT.replace("targets 1,2", "targets 1,2\n          method hash", 1)


def method(scene):
    return scene.server(1).method


def in_memory_alone(scene):
    return [message for message in scene.alarms() if "in memory alone" in message]


def history(scene):
    return [(r["number"], r["running"], r["confirmed"], r["reverted"]) for r in scene.ask("history")]


@pytest.mark.parametrize("how", ["full", "removed"])
def test_a_trial_is_taken_back_and_everything_else_goes_on(scene, disk, how):
    scene.start()
    scene.ask("apply", text=HASH, file="x.conf", confirm_within_s=2)
    assert method(scene) == "hash"
    if how == "removed":
        shutil.rmtree(disk.path / "revisions")
    disk.fill()
    (worker,) = scene.workers()
    until(lambda: method(scene) == "rr", 4, "the trial is taken back")
    os.kill(worker, signal.SIGKILL)
    until(lambda: scene.workers() and worker not in scene.workers(), 5, "the worker is replaced")
    until(lambda: in_memory_alone(scene), 7, "it is told that the history is in memory alone")
    assert scene.state().config.pending is None
    assert history(scene) == [(2, False, False, True), (1, True, True, False)]
    assert scene.traffic(64).complete

    disk.free()
    until(lambda: not in_memory_alone(scene), 7, "it mends itself")
    os.kill(scene.pid, signal.SIGKILL)
    until(lambda: state_of(scene.pid) in {None, "Z"}, 3, "the engine is gone")
    scene.balancer.process.wait()
    scene.start()
    assert method(scene) == "rr"
    assert history(scene) == [(2, False, False, True), (1, True, True, False)]


def test_a_change_is_confirmed_by_the_file_whatever_the_history_has_room_for(scene, disk):
    scene.start()
    scene.ask("apply", text=HASH, file="x.conf", confirm_within_s=60)
    disk.fill()
    assert scene.ask("confirm")["revision"] == 2
    assert scene.balancer.config.read_text() == HASH
    until(lambda: in_memory_alone(scene), 7, "it is told that the history is in memory alone")
    assert history(scene) == [(2, True, True, False), (1, False, True, False)]
    os.kill(scene.pid, signal.SIGKILL)
    scene.balancer.process.wait()
    scene.start()  # on a disk that is still full
    assert method(scene) == "hash"
    assert history(scene) == [(2, True, True, False), (1, False, True, False)]
    disk.free()
    until(lambda: not in_memory_alone(scene), 7, "it mends itself")
    assert b'"confirmed":true' in (disk.path / "revisions" / "000002.revision").read_bytes()


def test_a_file_that_cannot_be_written_leaves_the_change_under_trial(scene, disk):
    scene.start()
    scene.ask("apply", text=HASH, file="x.conf", confirm_within_s=4)
    with Fixed(scene.pid, scene.balancer.config):
        with pytest.raises(Refused, match="cannot be written: Device or resource busy"):
            scene.ask("confirm")
        assert scene.state().config.pending.revision == 2
        with pytest.raises(Refused, match="revision 2 runs on"):
            scene.ask("apply", text=TEXT + "// a comment\n", file="x.conf")
        until(lambda: method(scene) == "rr", 6, "the trial is taken back")
    assert scene.balancer.config.read_text() == TEXT
    assert history(scene)[0] == (3, False, False, True)


def test_a_disk_that_is_full_refuses_a_change_before_anything_of_it_runs(scene, disk):
    scene.start()
    disk.fill()
    with pytest.raises(Refused, match="No space left on device; nothing was changed"):
        scene.ask("apply", text=HASH, file="x.conf")
    assert (method(scene), scene.balancer.config.read_text()) == ("rr", TEXT)
    scene.admin("disable", 2)  # what an operator says holds at once, kept or not
    assert not scene.target(2).operational
    assert any("operational state is not kept for the next start" in m for m in scene.alarms())
    disk.free()
    until(lambda: not scene.alarms(), 7, "it mends itself")
    scene.stop()
    scene.start()
    assert scene.target(2).admin == "disabled"


def odd(state):
    """Leave in the folder what people, scripts and other programs do."""
    (state / "revisions").mkdir()
    (state / "revisions" / "000001.revision").write_bytes(b'{"note":' + b"[" * 500_000)
    os.mkfifo(state / "revisions" / "000002.revision")
    (state / "revisions" / "notes.txt").write_text("mine")
    os.mkfifo(state / "operational.json")


def nested(state):
    (state / "operational.json").write_text('{"targets":' + "[" * 500_000)
    (state / "revisions").write_text("not a folder")


@pytest.mark.parametrize("how", ["full", "read-only", "odd", "nested"])
def test_a_fresh_start_forwards_whatever_the_state_folder_is(scene, disk, how):
    if how == "full":
        disk.fill()
    elif how == "read-only":
        disk.read_only()
    else:
        (odd if how == "odd" else nested)(disk.path)
    scene.start()
    assert scene.traffic(64).complete
    if how in {"full", "read-only"}:
        until(lambda: in_memory_alone(scene), 7, "it is told that the history is in memory alone")
        assert history(scene) == [(1, True, True, False)]
        if how == "read-only":
            as_seen_by(scene.pid, "mount", "-o", "remount,rw", str(disk.path))
        disk.read_only(False)
        disk.free()
        until(lambda: not scene.alarms(), 7, "it mends itself")
    aside = {path.name for path in disk.path.rglob("*.unreadable")}
    if how == "odd":
        assert aside == {
            "000001.revision.unreadable",
            "000002.revision.unreadable",
            "operational.json.unreadable",
        }
        until(lambda: any("put aside" in m for m in scene.alarms()), 7, "the history's warnings are alarms")
        assert "notes.txt: is not a revision" in scene.balancer.ctl("show", "alarms").stdout.replace(
            "\n", " "
        )
    elif how == "nested":
        assert aside == {"revisions.unreadable", "operational.json.unreadable"}
    if how in {"odd", "nested"}:
        assert scene.event(0, "operational.json", "put aside")
    numbers = [r["number"] for r in scene.ask("history")]
    assert scene.ask("apply", text=HASH, file="x.conf")["revision"] == numbers[0] + 1


def test_where_nothing_changes_the_history_keeps_what_matters(scene, disk):
    scene.start()
    scene.ask("apply", text=HASH, file="x.conf")
    before = scene.ask("history")
    for _ in range(60):
        assert scene.balancer.config.read_text() == HASH
        assert scene.ask("apply", text=HASH, file="x.conf")["changes"] == []
    os.kill(scene.pid, signal.SIGHUP)
    until(lambda: scene.event(0, "revision 2 runs on: nothing changed"), 5, "a reload is answered")
    assert scene.ask("history") == before
