"""What a change may not do to others' work without a word: to a file they wrote, to their change on trial."""

from __future__ import annotations

import pytest

from engine.api.ops import ApplyArgs, CommandArgs, Consent, RollbackArgs
from engine.changes.configuration import recall
from engine.changes.revisions import RevisionStore
from engine.changes.transactions import Transactions
from engine.config.language.toml import dump as dump_toml
from engine.config.load import load
from engine.domain.actor import SIGHUP, Actor
from engine.domain.errors import OpError
from tests.helpers.changes import ACTOR, HASH, NAMED, SEED

BOB = Actor("bob", 1001, 43)
THEIRS = SEED + "// from a tool\n"
YES = Consent(overwrite=True)


async def apply(transactions, **args):
    return await transactions.apply(ApplyArgs(text=NAMED, **args), ACTOR, 34)


WRITES = {
    "apply": apply,
    "on trial": lambda t, **more: apply(t, confirm_within_s=60, **more),
    "command": lambda t, **more: t.command(CommandArgs(text="target 1 weight 3", **more), ACTOR, 34),
    "rollback": lambda t, **more: t.rollback(RollbackArgs(revision=1, **more), ACTOR, 34),
    "save": lambda t, **more: t.save(ACTOR, 34, Consent(**more)),
}


# -- the file -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("how", WRITES)
async def test_a_file_that_somebody_changed_is_not_overwritten_unseen(transactions, file, how):
    file.write_text(THEIRS)
    with pytest.raises(OpError, match=r"changed by somebody else at \d\d:\d\d UTC and would be") as refused:
        await WRITES[how](transactions)
    assert refused.value.code == "file-differs"
    assert file.read_text() == THEIRS
    assert (transactions.running.revision, transactions.trial) == (1, None)
    assert len(transactions.history()) == 1, "nothing was begun"
    await WRITES[how](transactions, overwrite=True)
    if how != "on trial":
        assert file.read_text() != THEIRS
        assert transactions.disk.alarm() is None


async def test_what_was_agreed_to_at_the_start_of_a_trial_is_not_asked_again_at_its_end(transactions, file):
    file.write_text(THEIRS)
    await apply(transactions, confirm_within_s=60, overwrite=True)
    await transactions.confirm(ACTOR)
    assert file.read_text() == NAMED


async def test_what_somebody_writes_during_a_trial_is(transactions, file):
    await apply(transactions, confirm_within_s=60)
    file.write_text(THEIRS)
    with pytest.raises(OpError) as refused:
        await transactions.confirm(ACTOR)
    assert refused.value.code == "file-differs"
    assert transactions.trial is not None
    await transactions.confirm(ACTOR, consent=YES)
    assert file.read_text() == NAMED


async def test_a_file_with_the_text_that_is_applied_is_taken_as_it_is(transactions, file):
    file.write_text(HASH)
    assert (await transactions.apply(ApplyArgs(text=HASH), ACTOR, 0)).revision == 2
    assert transactions.disk.alarm() is None


async def test_a_file_that_is_gone_is_written_again(transactions, file):
    file.unlink()
    await apply(transactions)
    assert file.read_text() == NAMED


async def test_a_broken_file_is_an_alarm_until_file_and_engine_agree(transactions, file):
    file.write_text("nonsense {")
    with pytest.raises(OpError, match="error:"):
        await transactions.reload_file(SIGHUP, 0)
    await transactions.watch_file()
    alarm = transactions.disk.alarm()
    assert alarm.severity == "error"
    assert "bng.conf:1:1: error: " in alarm.message
    status = transactions.status(0).file
    assert status.readable
    assert status.trouble in alarm.message
    file.write_text(HASH)
    await transactions.reload_file(SIGHUP, 0)
    assert transactions.disk.alarm() is None
    assert transactions.status(0).file is None


async def test_the_difference_can_be_seen(transactions, file):
    assert transactions.file_diff().unified == ""
    file.write_text(HASH)
    await transactions.watch_file()
    found = transactions.file_diff()
    assert found.base == 1
    assert "+          method hash" in found.unified
    assert [change.message for change in found.changes] == ["method rr → hash"]
    file.unlink()
    await transactions.watch_file()
    with pytest.raises(OpError, match="cannot be read: No such file"):
        transactions.file_diff()


async def test_a_file_in_the_other_language_is_no_difference(tmp_path, transactions):
    path = tmp_path / "bng.toml"
    path.write_text(dump_toml(load(SEED, "x.conf").config))
    store = RevisionStore(tmp_path / "others")
    for text in (SEED, HASH):
        running, _ = recall(store, path.read_bytes(), load(path.read_bytes(), str(path)))
        made = Transactions(transactions.runner, store, path, running)
        await made.watch_file()
        assert made.disk.alarm() is None
        await made.apply(ApplyArgs(text=text, file="x.conf"), ACTOR, 0)
        await made.watch_file()
        assert made.disk.alarm() is None


# -- a trial --------------------------------------------------------------------------------------------------------


async def trial(transactions, actor=BOB):
    await transactions.apply(ApplyArgs(text=HASH, confirm_within_s=60), actor, 0)


@pytest.mark.parametrize("how", [*WRITES, "reload"])
async def test_the_trial_of_somebody_else_does_not_end_without_a_word(transactions, file, how):
    await trial(transactions)
    change = WRITES.get(how, lambda t: t.reload_file(SIGHUP, 34))
    with pytest.raises(
        OpError, match=r"revision 2 of bob\(1001\) pid 43 is on trial for 26 s more"
    ) as refused:
        await change(transactions)
    assert refused.value.code == "on-trial"
    assert transactions.trial.revision == transactions.running.revision == 2
    assert file.read_text() == SEED


@pytest.mark.parametrize("how", ["apply", "on trial", "command"])
async def test_it_is_kept_by_who_names_it(transactions, how):
    await trial(transactions)
    with pytest.raises(OpError):
        await WRITES[how](transactions, keep_trial=1)
    await WRITES[how](transactions, keep_trial=2)
    second = next(one for one in transactions.history() if one.number == 2)
    event = transactions.runner.said[-1][1]
    if how == "on trial":
        assert (second.end, second.confirmed, second.reverted) == (None, False, False)
        assert event.endswith("; revision 2 of bob(1001) pid 43 is on trial with it")
    else:
        assert (second.end, second.ended_by) == ("kept-with", "alice(1000) pid 42")
        assert (second.confirmed, second.reverted) == (True, False)
        assert event.endswith("; revision 2 of bob(1001) pid 43 was on trial and is kept with it")


async def test_saving_during_the_trial_of_somebody_else_confirms_it_where_that_is_said(transactions, file):
    await trial(transactions)
    await transactions.save(ACTOR, 1, Consent(keep_trial=2))
    assert file.read_text() == HASH
    assert transactions.runner.said[-1] == ("info", "revision 2 confirmed")


async def history(transactions):
    return [(one.number, one.end, one.ended_by) for one in transactions.history()]


async def test_the_history_tells_how_each_trial_ended(transactions, start):
    await trial(transactions)
    await transactions.confirm(ACTOR)
    await transactions.apply(ApplyArgs(text=NAMED, confirm_within_s=60), BOB, 0)
    await transactions.rollback(RollbackArgs(), ACTOR, 1)
    await transactions.apply(ApplyArgs(text=NAMED, confirm_within_s=60), BOB, 2)
    await transactions.tick(62)
    transactions.runner.refuse = "no"
    with pytest.raises(OpError):
        await transactions.apply(ApplyArgs(text=NAMED), BOB, 63)
    transactions.runner.refuse = None
    await transactions.apply(ApplyArgs(text=SEED, confirm_within_s=60), BOB, 64)
    await transactions.apply(ApplyArgs(text=NAMED, confirm_within_s=60), BOB, 65)
    wanted = [
        (6, "superseded", "bob(1001) pid 43"),
        (5, "not-applied", None),
        (4, "timed-out", None),
        (3, "taken-back", "alice(1000) pid 42"),
        (2, "confirmed", "alice(1000) pid 42"),
        (1, None, None),
    ]
    assert await history(transactions) == [(7, None, None), *wanted]
    assert await history(start()) == [(7, "engine-ended", None), *wanted]


@pytest.mark.parametrize("end", ["confirm", "time", "superseded", "superseded for good"])
async def test_a_trial_that_is_kept_with_another_shares_its_end(transactions, end):
    await trial(transactions)
    await apply(transactions, confirm_within_s=60, keep_trial=2)
    if end == "confirm":
        await transactions.confirm(BOB)
        wanted = [(3, "confirmed", "bob(1001) pid 43"), (2, "confirmed", "bob(1001) pid 43")]
    elif end == "time":
        await transactions.tick(94)
        wanted = [(3, "timed-out", None), (2, "timed-out", None)]
        assert transactions.running.text == SEED
    else:
        within_s = 60 if end == "superseded" else None
        await transactions.apply(ApplyArgs(text=THEIRS, confirm_within_s=within_s), ACTOR, 35)
        by = "alice(1000) pid 42"
        kept = (2, None, None) if within_s else (2, "kept-with", by)
        wanted = [(4, None, None), (3, "superseded", by), kept]
    assert await history(transactions) == [*wanted, (1, None, None)]
