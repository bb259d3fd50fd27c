"""Every failure on the way of a change leaves the former configuration running, on disk and in memory."""

from __future__ import annotations

import errno
from dataclasses import replace

import pytest

from engine.api.ops import ApplyArgs, CommandArgs, RollbackArgs
from engine.config.difference.compare import Flows
from engine.config.language.toml import dump as dump_toml
from engine.config.load import load
from engine.domain.errors import OpError
from tests.helpers.changes import ACTOR, HASH, NAMED, SEED, states


async def test_apply_switches_writes_and_remembers(transactions, file):
    applied = await transactions.apply(ApplyArgs(text=HASH, note="try hash"), ACTOR, 0)
    assert (applied.revision, applied.pending) == (2, None)
    assert [c.message for c in applied.changes] == ["method rr → hash"]
    assert file.read_text() == HASH
    newest = transactions.history()[0]
    assert (newest.user, newest.uid, newest.note) == ("alice", 1000, "try hash")
    assert transactions.revision(2).text == HASH


async def test_a_refused_switch_changes_nothing(transactions, file):
    transactions.runner.refuse = "this host owns the virtual address"
    with pytest.raises(OpError, match=r"owns the virtual address; revision 1 runs on"):
        await transactions.apply(ApplyArgs(text=HASH), ACTOR, 0)
    assert file.read_text() == SEED
    assert transactions.running.text == SEED
    assert states(transactions) == [(2, False, False, True), (1, True, True, False)]


async def test_a_file_that_cannot_be_written_takes_the_switch_back(transactions, file, monkeypatch):
    def full(path, data):
        raise OSError(errno.ENOSPC, "No space left on device", str(path))

    monkeypatch.setattr("engine.changes.transactions.write_atomic", full)
    with pytest.raises(OpError, match="No space left on device; revision 1 runs on"):
        await transactions.apply(ApplyArgs(text=HASH), ACTOR, 0)
    assert [c.servers[0].method for c in transactions.runner.configs] == ["hash", "rr"]
    assert file.read_text() == SEED


async def test_a_full_history_is_said_before_anything_happens(transactions, monkeypatch):
    def full(*_, **__):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(transactions.store, "add", full)
    with pytest.raises(OpError, match="nothing was changed"):
        await transactions.apply(ApplyArgs(text=HASH), ACTOR, 0)
    assert transactions.runner.configs == []


async def test_a_trial_reverts_at_its_time_and_never_reaches_the_file(transactions, file):
    applied = await transactions.apply(ApplyArgs(text=HASH, confirm_within_s=60), ACTOR, 100)
    assert applied.pending is not None
    assert applied.pending.seconds_left == 60
    await transactions.tick(159.9)
    assert transactions.running.text == HASH
    assert file.read_text() == SEED
    await transactions.tick(160)
    assert transactions.running.text == SEED
    assert transactions.status(161).pending is None
    assert states(transactions) == [(2, False, False, True), (1, True, True, False)]
    assert transactions.runner.said[-1][0] == "warning"


async def test_a_trial_that_cannot_be_taken_back_yet_is_tried_again(transactions, file):
    await transactions.apply(ApplyArgs(text=HASH, confirm_within_s=60), ACTOR, 100)
    transactions.runner.refuse = "the host owns the virtual address"
    await transactions.tick(160)
    assert transactions.running.text == HASH
    assert transactions.runner.said[-1][0] == "error"
    said = len(transactions.runner.said)
    transactions.runner.refuse = None
    await transactions.tick(160.1)
    assert len(transactions.runner.said) == said
    await transactions.tick(165)
    assert transactions.running.text == SEED


async def test_a_second_trial_still_goes_back_to_what_was_confirmed(transactions):
    await transactions.apply(ApplyArgs(text=HASH, confirm_within_s=60), ACTOR, 0)
    await transactions.apply(ApplyArgs(text=NAMED, confirm_within_s=60), ACTOR, 10)
    await transactions.tick(70)
    assert transactions.running.text == SEED


async def test_confirmed_it_stays(transactions, file):
    await transactions.apply(ApplyArgs(text=HASH, confirm_within_s=60), ACTOR, 0)
    await transactions.confirm(ACTOR)
    await transactions.tick(1000)
    assert transactions.running.text == file.read_text() == HASH
    with pytest.raises(OpError, match="no change waits"):
        await transactions.confirm(ACTOR)


async def test_rollback_ends_a_trial_or_goes_one_back(transactions):
    await transactions.apply(ApplyArgs(text=HASH, confirm_within_s=60), ACTOR, 0)
    assert (await transactions.rollback(RollbackArgs(), ACTOR, 1)).revision == 1
    await transactions.apply(ApplyArgs(text=NAMED), ACTOR, 2)
    await transactions.rollback(RollbackArgs(), ACTOR, 3)
    assert transactions.running.text == SEED
    with pytest.raises(OpError, match="there is no revision 99"):
        await transactions.rollback(RollbackArgs(revision=99), ACTOR, 4)


async def test_who_names_a_trial_that_is_over_changes_nothing(transactions):
    await transactions.apply(ApplyArgs(text=HASH), ACTOR, 0)
    await transactions.apply(ApplyArgs(text=NAMED, confirm_within_s=60), ACTOR, 1)
    for answer in (transactions.rollback(RollbackArgs(trial=2), ACTOR, 2), transactions.confirm(ACTOR, 2)):
        with pytest.raises(OpError, match="revision 2 is not on trial any more"):
            await answer
    assert transactions.running.text == NAMED
    await transactions.rollback(RollbackArgs(trial=3), ACTOR, 3)
    with pytest.raises(OpError, match="revision 3 is not on trial any more"):
        await transactions.rollback(RollbackArgs(trial=3), ACTOR, 4)
    assert transactions.running.text == HASH
    await transactions.apply(ApplyArgs(text=NAMED, confirm_within_s=60), ACTOR, 5)
    await transactions.confirm(ACTOR, transactions.trial.revision)
    assert transactions.running.text == NAMED


async def test_two_rollbacks_in_a_row_do_not_swing_to_and_fro(transactions):
    await transactions.apply(ApplyArgs(text=HASH), ACTOR, 0)
    await transactions.apply(ApplyArgs(text=NAMED), ACTOR, 0)
    await transactions.rollback(RollbackArgs(), ACTOR, 1)
    assert transactions.running.text == HASH
    await transactions.rollback(RollbackArgs(), ACTOR, 2)
    assert transactions.running.text == SEED


@pytest.mark.parametrize("number", ["²", "9" * 500])
async def test_a_note_that_looks_like_a_rollback_is_a_note(transactions, number):
    await transactions.apply(ApplyArgs(text=HASH, note=f"rollback to revision {number}"), ACTOR, 0)
    await transactions.rollback(RollbackArgs(), ACTOR, 1)
    assert transactions.running.text == SEED


async def test_a_restart_during_a_trial_finds_the_former_configuration(transactions, start):
    await transactions.apply(ApplyArgs(text=HASH, confirm_within_s=60), ACTOR, 0)
    again = start()
    assert again.running.text == SEED
    assert again.running.revision == 1
    assert "revision 2 was not confirmed" in again.recalled[0]


async def test_a_kill_after_the_file_was_written_keeps_the_new_configuration(
    transactions, start, file, monkeypatch
):
    monkeypatch.setattr(transactions.store, "confirm", lambda *_: None)  # killed before this
    await transactions.apply(ApplyArgs(text=HASH), ACTOR, 0)
    again = start()
    assert (again.running.revision, again.running.text) == (2, HASH)
    assert states(again)[0] == (2, True, True, False)


async def test_a_file_changed_by_hand_is_a_revision_of_its_own(start, file):
    start()
    file.write_text(NAMED)
    assert start().running.revision == 2
    assert start().running.revision == 2


async def test_invalid_ones_are_refused_with_every_finding(transactions):
    bad = SEED.replace("protocol tcp", "protokol tcp")
    with pytest.raises(OpError, match=r"candidate:\d+:\d+: error") as refused:
        await transactions.apply(ApplyArgs(text=bad), ACTOR, 0)
    assert refused.value.code == "invalid"
    assert len(refused.value.findings) >= 3
    assert transactions.diff(bad, "x.conf").changes == []


async def test_a_comparison_beside_the_loop_leaves_the_datapaths_alone(transactions, monkeypatch):
    await transactions.apply(ApplyArgs(text=HASH), ACTOR, 0)
    monkeypatch.setattr(transactions.runner, "flows", lambda: pytest.fail("counted in a thread"))
    assert transactions.diff(SEED, "x.conf", Flows()).changes
    assert transactions.compare_revisions(1, 2, Flows()).changes


async def test_the_base_has_to_run_still(transactions):
    await transactions.apply(ApplyArgs(text=HASH, base=1, note="first"), ACTOR, 0)
    with pytest.raises(OpError, match=r"revision 2 by alice at .*: first") as refused:
        await transactions.apply(ApplyArgs(text=NAMED, base=1), ACTOR, 1)
    assert refused.value.code == "conflict"


async def test_typed_commands_are_the_same_transaction(transactions, file):
    await transactions.command(CommandArgs(text="server 1 {\n method hash\n}"), ACTOR, 0)
    assert "method hash" in file.read_text()
    assert "//        configuration taken" in file.read_text()
    with pytest.raises(OpError) as refused:
        await transactions.command(CommandArgs(text="servr 1 { method hash }"), ACTOR, 0)
    assert refused.value.code == "invalid"


async def test_save_writes_operational_state_and_forgets_it(transactions, file):
    transactions.runner.targets = {2: "disabled"}
    assert transactions.differs() == ["target 2 disabled (file: enabled)"]
    await transactions.save(ACTOR, 0)
    config = load(file.read_bytes(), "x.conf").config
    assert [t.enabled for t in config.targets] == [True, False]
    assert transactions.differs() == []


async def test_another_language_is_written_in_the_files_own(transactions, file):
    toml = dump_toml(load(HASH, "x.conf").config)
    await transactions.apply(ApplyArgs(text=toml, file="x.toml"), ACTOR, 0)
    written = load(file.read_bytes(), str(file))
    assert written.language == "balanceng"
    assert written.config == load(HASH, "x.conf").config


# -- texts and where they come from ----------------------------------------------------------------------------------


async def test_what_nobody_named_is_named_by_its_file(transactions):
    await transactions.apply(ApplyArgs(text=HASH, file="hash.conf"), ACTOR, 0)
    assert transactions.history()[0].note == "apply hash.conf"


@pytest.mark.parametrize(
    ("within_s", "taken"), [(0, False), (-1, False), (1, True), (86_400, True), (86_401, False)]
)
async def test_a_trial_lasts_from_a_second_to_a_day(transactions, within_s, taken):
    args = ApplyArgs(text=HASH, confirm_within_s=within_s)
    if taken:
        assert (await transactions.apply(args, ACTOR, 0)).pending.seconds_left == within_s
        return
    with pytest.raises(OpError, match="confirm within 1 to 86400 seconds") as refused:
        await transactions.apply(args, ACTOR, 0)
    assert refused.value.code == "bad-args"
    assert len(transactions.history()) == 1


async def test_a_conflict_does_not_name_the_base_itself(transactions):
    await transactions.apply(ApplyArgs(text=HASH, note="the base"), ACTOR, 0)
    await transactions.apply(ApplyArgs(text=SEED, note="what came since"), ACTOR, 0)
    with pytest.raises(OpError, match="what came since") as refused:
        await transactions.apply(ApplyArgs(text=NAMED, base=2), ACTOR, 0)
    assert "the base" not in refused.value.message


async def test_the_base_that_runs_is_no_conflict(transactions):
    assert (await transactions.apply(ApplyArgs(text=HASH, base=1), ACTOR, 0)).revision == 2
    command = CommandArgs(text="server 1 {\n method rr\n}", base=2)
    assert (await transactions.command(command, ACTOR, 0)).revision == 3
    with pytest.raises(OpError, match="made from revision 2, but revision 3 runs now") as refused:
        await transactions.command(command, ACTOR, 0)
    assert refused.value.code == "conflict"


async def test_a_conflict_names_the_last_three_changes_since_and_not_what_was_taken_back(transactions):
    for number, text in enumerate((HASH, SEED, HASH, SEED, HASH), 2):
        await transactions.apply(ApplyArgs(text=text, note=f"change {number}"), ACTOR, 0)
    with pytest.raises(OpError) as refused:
        await transactions.apply(ApplyArgs(text=NAMED, base=2), ACTOR, 0)
    named = [n for n in range(1, 7) if f": change {n}" in refused.value.message]
    assert named == [4, 5, 6]
    assert refused.value.message.index("change 4") < refused.value.message.index("change 6")
    await transactions.apply(ApplyArgs(text=NAMED, confirm_within_s=60), ACTOR, 0)
    await transactions.rollback(RollbackArgs(), ACTOR, 0)
    with pytest.raises(OpError, match=r"revision 6 runs now \(rolled back\)"):
        await transactions.apply(ApplyArgs(text=NAMED, base=7), ACTOR, 0)


@pytest.mark.parametrize(("length", "note"), [(60, "x" * 60), (61, "x" * 59 + "…")])
async def test_the_note_of_typed_commands_is_cut_after_60_characters(transactions, length, note):
    space = length - len("//") - 1
    typed = f"//  {'x' * space}"  # a comment; of several blanks one is left
    await transactions.command(CommandArgs(text=typed + "\nserver 1 { method hash }"), ACTOR, 0)
    kept = transactions.history()[0].note
    assert len(kept) == 60
    assert kept.endswith("…")
    short = "server 1 { name " + "n" * (length - 18) + " }"
    assert len(short) == length
    await transactions.command(CommandArgs(text=short), ACTOR, 0)
    kept = transactions.history()[0].note
    assert kept == (short if length == 60 else short[:59] + "…")


async def test_warnings_are_handed_back_and_nothing_else(transactions):
    with_warning = SEED.replace("dsr enable", "dsr disable", 1)
    loaded = transactions.read(with_warning, "x.conf")
    expected = [f for f in loaded.findings if f.severity == "warning"]
    applied = await transactions.apply(ApplyArgs(text=with_warning, file="x.conf"), ACTOR, 0)
    assert expected
    assert applied.warnings == expected


async def test_what_changed_is_told(transactions):
    async def told(text):
        await transactions.apply(ApplyArgs(text=text), ACTOR, 0)
        severity, message = transactions.runner.said[-1]
        assert (severity, transactions.runner.told[-1]) == ("info", ACTOR)
        return message

    assert await told(SEED) == "revision 1 runs on: nothing changed"
    assert await told(SEED + "// a comment\n") == "revision 2 runs: nothing that matters changed"
    assert await told(HASH) == "revision 3 runs: server 1: method rr → hash"
    trial = await transactions.apply(ApplyArgs(text=SEED, confirm_within_s=9), ACTOR, 0)
    assert transactions.runner.said[-1][1].endswith(", to be confirmed within 9 s")
    assert trial.pending.reverts_to == 3


@pytest.mark.parametrize(("count", "more"), [(3, ""), (4, "; and 1 more"), (5, "; and 2 more")])
async def test_of_many_changes_three_are_told(transactions, monkeypatch, count, more):
    changes = transactions.diff(HASH, "x.conf").changes * count
    monkeypatch.setattr("engine.changes.configuration.compare", lambda *_: changes)
    await transactions.apply(ApplyArgs(text=HASH), ACTOR, 0)
    three = "; ".join(["server 1: method rr → hash"] * 3)
    assert transactions.runner.said[-1][1] == f"revision 2 runs: {three}{more}"


async def test_what_nobody_waits_for_any_more_is_not_begun(transactions, file):
    gone = replace(ACTOR, left=lambda: True)
    for change in (
        transactions.apply(ApplyArgs(text=HASH), gone, 0),
        transactions.command(CommandArgs(text="disable target 1"), gone, 0),
        transactions.rollback(RollbackArgs(), gone, 0),
        transactions.save(gone, 0),
        transactions.confirm(gone),
    ):
        with pytest.raises(OpError, match="whoever asked has gone; nothing was changed"):
            await change
    assert (transactions.runner.configs, file.read_text(), len(transactions.history())) == ([], SEED, 1)
