"""Every failure on the way of a change leaves the former configuration running, on disk and in memory."""

from __future__ import annotations

import errno

import pytest

from engine.api.ops import ApplyArgs, CommandArgs, RollbackArgs
from engine.changes.configuration import recall
from engine.changes.revisions import RevisionStore
from engine.changes.runner import SwitchError
from engine.changes.transactions import Transactions
from engine.config.difference.compare import Flows
from engine.config.load import load
from engine.domain.actor import Actor
from engine.domain.errors import OpError
from tests.helpers.paths import SAMPLES

SEED = (SAMPLES / "dsr.conf").read_text()
HASH = SEED.replace("targets 1,2", "targets 1,2\n          method hash", 1)
NAMED = SEED.replace("server    1 {", "server    1 {\n          name web")
ACTOR = Actor("alice", 1000, 42)


class Runner:
    """Runs nothing, but remembers what it was told to, and refuses on demand."""

    def __init__(self):
        self.configs = []
        self.refuse = None
        self.said = []
        self.targets, self.servers = {}, {}

    async def switch(self, config, _actor):
        if self.refuse:
            raise SwitchError(self.refuse)
        self.configs.append(config)

    def flows(self):
        return Flows()

    def overrides(self):
        return self.targets, self.servers

    def drop_redundant_overrides(self):
        self.targets, self.servers = {}, {}

    def tell(self, severity, message, _actor):
        self.said.append((severity, message))


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "bng.conf"
    path.write_text(SEED)
    return path


@pytest.fixture
def start(tmp_path, file):
    """Start as an engine does: from the file and the history as they are now."""

    def make():
        store = RevisionStore(tmp_path / "revisions")
        running, said = recall(store, file.read_bytes(), load(file.read_bytes(), str(file)))
        made = Transactions(Runner(), store, file, running)
        made.recalled = said
        return made

    return make


@pytest.fixture
def transactions(start):
    return start()


def states(transactions):
    return [(r.number, r.running, r.confirmed, r.reverted) for r in transactions.history()]


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
    monkeypatch.setattr(transactions.store, "confirm", lambda _: None)  # killed before this
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
    from engine.config.language.toml import dump as dump_toml

    toml = dump_toml(load(HASH, "x.conf").config)
    await transactions.apply(ApplyArgs(text=toml, file="x.toml"), ACTOR, 0)
    written = load(file.read_bytes(), str(file))
    assert written.language == "balanceng"
    assert written.config == load(HASH, "x.conf").config
