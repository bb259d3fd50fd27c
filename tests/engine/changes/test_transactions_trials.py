"""Back and forth: rollbacks, changes under trial, and two at once."""

from __future__ import annotations

import asyncio
import errno
import threading

import pytest

from engine.api.ops import ApplyArgs, RollbackArgs
from engine.changes.disk_thread import DiskThread
from engine.config.atomic import write_atomic
from engine.domain.actor import TIMER, Actor
from engine.domain.errors import OpError
from tests.helpers.changes import ACTOR, HASH, NAMED, SEED, states


async def test_a_rollback_has_the_parent_whose_text_it_is(transactions, start):
    await transactions.apply(ApplyArgs(text=HASH), ACTOR, 0)
    await transactions.rollback(RollbackArgs(), ACTOR, 1)
    assert [s.parent for s in transactions.store.list()] == [1, None, None]
    assert transactions.history()[0].note == "rollback to revision 1"
    again = start()
    assert again.running.revision == 3
    with pytest.raises(OpError, match="no earlier revision"):
        await again.rollback(RollbackArgs(), ACTOR, 2)


async def test_a_note_is_never_taken_for_a_parent(transactions):
    await transactions.apply(ApplyArgs(text=HASH), ACTOR, 0)
    await transactions.apply(ApplyArgs(text=NAMED, note="rollback to revision 1"), ACTOR, 0)
    await transactions.rollback(RollbackArgs(), ACTOR, 1)
    assert transactions.running.text == HASH


async def test_a_rollback_of_a_file_that_an_older_version_wrote_goes_on_from_its_parent(transactions, start):
    for text in (HASH, NAMED):
        await transactions.apply(ApplyArgs(text=text), ACTOR, 0)
    await transactions.rollback(RollbackArgs(), ACTOR, 1)
    path = transactions.store.folder / "000004.revision"
    path.write_bytes(path.read_bytes().replace(b'"parent":2,', b""))
    again = start()
    await again.rollback(RollbackArgs(), ACTOR, 2)
    assert again.running.text == SEED


async def test_one_back_steps_over_what_was_never_confirmed(transactions):
    await transactions.apply(ApplyArgs(text=HASH), ACTOR, 0)
    await transactions.apply(ApplyArgs(text=NAMED, confirm_within_s=5), ACTOR, 0)
    await transactions.tick(5)
    await transactions.apply(ApplyArgs(text=SEED), ACTOR, 6)
    await transactions.rollback(RollbackArgs(), ACTOR, 7)
    assert transactions.running.text == HASH


async def test_a_number_is_run_again_even_during_a_trial(transactions):
    await transactions.apply(ApplyArgs(text=HASH), ACTOR, 0)
    await transactions.apply(ApplyArgs(text=NAMED, confirm_within_s=60), ACTOR, 1)
    applied = await transactions.rollback(RollbackArgs(revision=1), ACTOR, 2)
    assert (applied.revision, transactions.trial, transactions.running.text) == (4, None, SEED)


async def test_a_rollback_may_be_a_trial_itself(transactions, file):
    await transactions.apply(ApplyArgs(text=HASH), ACTOR, 0)
    applied = await transactions.rollback(RollbackArgs(confirm_within_s=10), ACTOR, 1)
    assert applied.pending.seconds_left == 10
    assert file.read_text() == HASH
    await transactions.tick(11)
    assert transactions.running.text == HASH


async def test_ending_a_trial_tells_who_ended_it_and_what_changes(transactions):
    runner = transactions.runner
    await transactions.apply(ApplyArgs(text=HASH, confirm_within_s=60), ACTOR, 0)
    other = Actor("bob", 7, 8)
    applied = await transactions.rollback(RollbackArgs(), other, 1)
    assert [c.message for c in applied.changes] == ["method hash → rr"]
    assert runner.said[-1] == ("warning", "revision 2 taken back: revision 1 runs again")
    assert (runner.actors, runner.told[-1]) == ([ACTOR, other], other)
    await transactions.apply(ApplyArgs(text=HASH, confirm_within_s=60), ACTOR, 0)
    await transactions.tick(60)
    assert runner.said[-1] == ("warning", "revision 3 was not confirmed in time: revision 1 runs again")
    assert (runner.actors[-1], runner.told[-1]) == (TIMER, None)


async def test_a_trial_that_cannot_be_ended_is_refused_to_who_asked(transactions):
    await transactions.apply(ApplyArgs(text=HASH, confirm_within_s=60), ACTOR, 100)
    transactions.runner.refuse = "the host owns the virtual address"
    with pytest.raises(OpError, match="owns the virtual address") as refused:
        await transactions.rollback(RollbackArgs(), ACTOR, 101)
    assert refused.value.code == "refused"
    assert transactions.trial.deadline == 165
    assert transactions.runner.said[-1][0] == "error"


async def test_a_tick_waits_while_a_change_is_under_way(transactions):
    await transactions.apply(ApplyArgs(text=HASH, confirm_within_s=60), ACTOR, 0)
    async with transactions._lock:
        await asyncio.wait_for(transactions.tick(60), 1)
    assert transactions.trial is not None
    await transactions.tick(60)
    assert transactions.trial is None


async def test_two_changes_at_once_take_turns(transactions):
    both = await asyncio.gather(
        transactions.apply(ApplyArgs(text=HASH, base=1), ACTOR, 0),
        transactions.apply(ApplyArgs(text=NAMED, base=1), ACTOR, 0),
        return_exceptions=True,
    )
    assert both[0].revision == 2
    assert both[1].code == "conflict"


async def test_a_change_without_a_trial_ends_one(transactions, file):
    await transactions.apply(ApplyArgs(text=HASH, confirm_within_s=60), ACTOR, 0)
    await transactions.apply(ApplyArgs(text=NAMED), ACTOR, 1)
    await transactions.tick(1000)
    assert transactions.running.text == file.read_text() == NAMED


async def test_a_change_that_cannot_be_confirmed_stays_under_trial(transactions, file, monkeypatch):
    def full(path, data):
        raise OSError(errno.ENOSPC, "No space left on device", str(path))

    await transactions.apply(ApplyArgs(text=HASH, confirm_within_s=60), ACTOR, 0)
    with monkeypatch.context() as patch:
        patch.setattr("engine.changes.transactions.write_atomic", full)
        with pytest.raises(OpError, match="cannot be written: No space left"):
            await transactions.confirm(ACTOR)
    assert transactions.trial is not None
    assert (await transactions.confirm(ACTOR)).revision == 2
    assert transactions.runner.said[-1] == ("info", "revision 2 confirmed")


async def test_a_mark_that_the_disk_refuses_is_owed_and_the_change_is_made(
    transactions, file, start, monkeypatch
):
    def full(path, _data, **_):
        raise OSError(errno.ENOSPC, "No space left on device", str(path))

    await transactions.apply(ApplyArgs(text=HASH, confirm_within_s=60), ACTOR, 0)
    with monkeypatch.context() as patch:
        patch.setattr("engine.changes.revisions.write_atomic", full)
        assert (await transactions.confirm(ACTOR)).revision == 2
        await transactions.tick(1000)
        assert (file.read_text(), transactions.running.text, transactions.trial) == (HASH, HASH, None)
        assert states(transactions)[0] == (2, True, True, False)
        assert "No space left on device" in await transactions.mend_records()
        assert start().running.revision == 2
    assert await transactions.mend_records() == ""
    assert start().store.get(2).confirmed


async def test_a_trial_is_taken_back_whether_or_not_that_can_be_written(transactions, start, monkeypatch):
    def full(path, _data, **_):
        raise OSError(errno.ENOSPC, "No space left on device", str(path))

    await transactions.apply(ApplyArgs(text=HASH, confirm_within_s=60), ACTOR, 0)
    with monkeypatch.context() as patch:
        patch.setattr("engine.changes.revisions.write_atomic", full)
        for now in (60, 61, 100):
            await transactions.tick(now)
        assert (transactions.running.text, transactions.trial, len(transactions.runner.configs)) == (
            SEED,
            None,
            2,
        )
        assert states(transactions)[0] == (2, False, False, True)
        assert start().running.revision == 1
    assert await transactions.mend_records() == ""
    assert start().store.get(2).reverted


async def test_what_cannot_be_written_and_not_be_taken_back_is_under_trial(transactions, file, monkeypatch):
    def full(path, _data):
        transactions.runner.refuse = "the host owns the virtual address"
        raise OSError(errno.ENOSPC, "No space left on device", str(path))

    with monkeypatch.context() as patch:
        patch.setattr("engine.changes.transactions.write_atomic", full)
        with pytest.raises(OpError, match=r"cannot be written: No space left.*going back failed"):
            await transactions.apply(ApplyArgs(text=HASH), ACTOR, 100)
    assert (transactions.running.text, transactions.trial.deadline) == (HASH, 105)
    assert states(transactions) == [(2, True, False, False), (1, False, True, False)]
    await transactions.tick(105)
    assert transactions.trial.deadline == 110
    transactions.runner.refuse = None
    await transactions.tick(110)
    assert (transactions.running.text, file.read_text(), transactions.trial) == (SEED, SEED, None)
    assert states(transactions) == [(2, False, False, True), (1, True, True, False)]


async def test_a_text_under_trial_that_comes_again_confirms_it_or_has_it_go_on(transactions, file):
    await transactions.apply(ApplyArgs(text=HASH, confirm_within_s=60), ACTOR, 0)
    applied = await transactions.apply(ApplyArgs(text=HASH, confirm_within_s=60), ACTOR, 50)
    assert (applied.revision, applied.pending.seconds_left, transactions.trial.deadline) == (2, 60, 110)
    assert file.read_text() == SEED
    assert (await transactions.apply(ApplyArgs(text=HASH), ACTOR, 60)).pending is None
    assert file.read_text() == HASH
    assert states(transactions) == [(2, True, True, False), (1, False, True, False)]


async def test_a_trial_that_another_change_ends_is_not_told_again_after_a_restart(transactions, start):
    await transactions.apply(ApplyArgs(text=HASH, confirm_within_s=60), ACTOR, 0)
    await transactions.apply(ApplyArgs(text=NAMED), ACTOR, 1)
    assert states(transactions)[:2] == [(3, True, True, False), (2, False, False, True)]
    assert start().recalled == []


async def test_a_refused_switch_is_not_followed_by_another(transactions):
    transactions.runner.refuse = "no"
    with pytest.raises(OpError):
        await transactions.apply(ApplyArgs(text=HASH), ACTOR, 0)
    assert transactions.runner.actors == [ACTOR]
    assert transactions.runner.said == [("error", "not applied, revision 1 runs on: no")]


async def test_what_runs_and_what_a_trial_goes_back_to_are_never_pruned(transactions, start):
    transactions.store.keep = 2
    await transactions.apply(ApplyArgs(text=HASH, confirm_within_s=60), ACTOR, 0)
    for text in (NAMED, HASH, NAMED):
        await transactions.apply(ApplyArgs(text=text, confirm_within_s=60), ACTOR, 0)
    kept = {s.number for s in transactions.store.list()}
    assert {1, transactions.running.revision} <= kept
    await transactions.tick(60)
    assert transactions.running.text == SEED
    assert start().running.revision == 1


async def test_a_trial_that_runs_is_kept_when_the_change_after_it_is_refused(transactions):
    transactions.store.keep = 2
    await transactions.apply(ApplyArgs(text=HASH, confirm_within_s=60), ACTOR, 0)
    transactions.runner.refuse = "no"
    with pytest.raises(OpError):
        await transactions.apply(ApplyArgs(text=NAMED, confirm_within_s=60), ACTOR, 1)
    assert transactions.revision(2).text == transactions.running.text == HASH


async def test_a_disk_that_hangs_holds_up_no_change_for_long_and_ends_with_one_story(
    transactions, file, start, monkeypatch
):
    """Whatever hangs is done at last: the file that was written too late is written back."""
    transactions.writer = DiskThread(0.1)
    gate, hung = threading.Event(), []

    def hang(path, data, **more):
        hung.append(path.name)
        gate.wait(10)
        return write_atomic(path, data, **more)

    with monkeypatch.context() as patch:
        patch.setattr("engine.changes.transactions.write_atomic", hang)
        with pytest.raises(OpError, match="cannot be written: the disk does not answer; revision 1 runs on"):
            await transactions.apply(ApplyArgs(text=HASH), ACTOR, 0)
        assert (transactions.running.text, transactions.trial, hung) == (SEED, None, ["bng.conf"])
        assert states(transactions) == [(2, False, False, True), (1, True, True, False)]
        with pytest.raises(OpError, match="cannot be stored: the disk does not answer; nothing was changed"):
            await transactions.apply(ApplyArgs(text=NAMED), ACTOR, 0)
        assert "the disk does not answer" in await transactions.mend_records()
    gate.set()
    assert await transactions.writer.drain(5)
    assert file.read_text() == HASH  # too late
    assert await transactions.mend_records() == ""
    assert file.read_text() == SEED
    assert (start().running.revision, start().store.get(2).reverted) == (1, True)


async def test_a_trial_is_taken_back_in_time_while_the_disk_hangs(transactions, monkeypatch):
    transactions.writer = DiskThread(0.1)
    gate = threading.Event()
    await transactions.apply(ApplyArgs(text=HASH, confirm_within_s=60), ACTOR, 0)
    with monkeypatch.context() as patch:
        patch.setattr("engine.changes.revisions.write_atomic", lambda *_, **__: gate.wait(10))
        with pytest.raises(OpError, match="the disk does not answer"):
            await transactions.apply(ApplyArgs(text=NAMED), ACTOR, 1)
        await transactions.tick(60)
        assert transactions.running.text == SEED
        assert states(transactions)[-2:] == [(2, False, False, True), (1, True, True, False)]
        gate.set()
        assert await transactions.writer.drain(5)
    assert await transactions.mend_records() == ""
