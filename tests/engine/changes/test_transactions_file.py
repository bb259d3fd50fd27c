"""The configuration file: read again, written in its own language, and with operational state."""

from __future__ import annotations

import errno

import pytest

from engine.api.ops import ApplyArgs, RollbackArgs
from engine.changes.configuration import Running, recall
from engine.changes.revisions import RevisionStore
from engine.changes.transactions import Transactions
from engine.config.language.toml import dump as dump_toml
from engine.config.load import load
from engine.domain.actor import SIGHUP
from engine.domain.errors import OpError
from tests.helpers.changes import ACTOR, HASH, NAMED, SEED, states


async def test_a_file_changed_by_hand_is_read_again(transactions, file):
    file.write_text(HASH)
    applied = await transactions.reload_file(SIGHUP, 0)
    assert (applied.revision, applied.pending) == (2, None)
    newest = transactions.history()[0]
    assert (newest.note, newest.user, newest.uid) == ("reload of bng.conf", "SIGHUP", 0)
    assert transactions.running.text == HASH
    file.write_text("nonsense {")
    with pytest.raises(OpError) as refused:
        await transactions.reload_file(SIGHUP, 0)
    assert refused.value.code == "invalid"
    file.unlink()
    with pytest.raises(OpError, match=r"bng\.conf: No such file") as refused:
        await transactions.reload_file(SIGHUP, 0)
    assert refused.value.code == "refused"
    assert transactions.running.text == HASH


async def test_a_file_that_asks_for_another_interface_says_so_when_it_is_read_again(transactions, file):
    file.write_text(SEED.replace("name eth0", "name nothere0"))
    loaded = load(file.read_bytes(), str(file), host_interfaces=["lo"])
    applied = await transactions.reload_file(SIGHUP, 0)
    assert [w.code for w in applied.warnings] == [f.code for f in loaded.findings if f.severity == "warning"]


async def test_saving_nothing_writes_the_file_as_it_runs(transactions, file):
    file.unlink()
    assert (await transactions.save(ACTOR, 0)).revision == 1
    assert file.read_text() == SEED
    assert len(transactions.history()) == 1


async def test_saving_keeps_a_change_under_trial(transactions, file):
    await transactions.apply(ApplyArgs(text=HASH, confirm_within_s=60), ACTOR, 0)
    assert (await transactions.save(ACTOR, 1)).revision == 2
    assert transactions.trial is None
    assert file.read_text() == HASH
    assert states(transactions)[0] == (2, True, True, False)


async def test_saving_servers_and_enabled_ones(transactions, file):
    transactions.runner.servers = {1: "disabled"}
    transactions.runner.targets = {1: "draining"}
    await transactions.save(ACTOR, 0)
    config = load(file.read_bytes(), "x.conf").config
    assert [s.enabled for s in config.servers] == [False]
    assert [t.enabled for t in config.targets] == [False, True]
    transactions.runner.servers, transactions.runner.targets = {1: "enabled"}, {1: "enabled"}
    await transactions.save(ACTOR, 0)
    config = load(file.read_bytes(), "x.conf").config
    assert [s.enabled for s in config.servers] == [True]
    assert [t.enabled for t in config.targets] == [True, True]


@pytest.mark.parametrize("ending", ["toml", "TOML"])
async def test_a_toml_file_stays_one(tmp_path, ending, transactions):
    path = tmp_path / f"bng.{ending}"
    path.write_text(dump_toml(load(SEED, "x.conf").config))
    store = RevisionStore(tmp_path / "others")
    running, _ = recall(store, path.read_bytes(), load(path.read_bytes(), str(path)))
    made = Transactions(transactions.runner, store, path, running)
    assert made.name_of(1) == "revision 1.toml"
    await made.apply(ApplyArgs(text=HASH, file="x.conf"), ACTOR, 0)
    assert made.name_of(2) == "revision 2.conf"
    written = load(path.read_bytes(), str(path))
    assert (written.language, written.config) == ("toml", load(HASH, "x.conf").config)


async def test_a_revision_in_toml_is_rolled_back_to_as_toml(transactions):
    toml = dump_toml(load(HASH, "x.conf").config)
    await transactions.apply(ApplyArgs(text=toml, file="x.toml"), ACTOR, 0)
    await transactions.apply(ApplyArgs(text=NAMED), ACTOR, 0)
    await transactions.rollback(RollbackArgs(), ACTOR, 0)
    assert (transactions.running.text, transactions.running.language) == (toml, "toml")


async def test_of_several_errors_the_first_is_told_and_the_others_are_counted(transactions):
    async def told(text):
        with pytest.raises(OpError) as refused:
            await transactions.apply(ApplyArgs(text=text, file="x.conf"), ACTOR, 0)
        return refused.value

    one = SEED.replace("ipaddr 172.16.1.100", "ipaddr 172.16.1.1000")
    refusal = await told(one)
    assert len([f for f in refusal.findings if f.severity == "error"]) == 1
    assert "more)" not in refusal.message
    two = await told(one.replace("ipaddr 172.16.1.101", "ipaddr 172.16.1.1001"))
    errors = [f for f in two.findings if f.severity == "error"]
    assert two.message == f"{errors[0]} (and {len(errors) - 1} more)"
    assert len(errors) == 2


async def test_where_nothing_changes_no_revision_is_made(transactions, file):
    file_then = file.stat().st_ino
    for number in range(60):
        assert (await transactions.reload_file(SIGHUP, number)).revision == 1
        assert (await transactions.apply(ApplyArgs(text=SEED), ACTOR, number)).changes == []
        assert (await transactions.rollback(RollbackArgs(revision=1), ACTOR, number)).revision == 1
        assert (
            await transactions.apply(ApplyArgs(text=SEED, confirm_within_s=9), ACTOR, number)
        ).pending is None
    assert (len(transactions.history()), transactions.runner.configs, file.stat().st_ino) == (
        1,
        [],
        file_then,
    )


async def test_a_text_that_runs_already_is_written_where_the_file_says_something_else(transactions, file):
    file.write_text(HASH)
    await transactions.apply(ApplyArgs(text=SEED, overwrite=True), ACTOR, 0)
    assert file.read_text() == SEED


@pytest.mark.parametrize("language", ["toml", "conf"])
async def test_a_restart_finds_the_revision_of_a_file_in_the_other_language(tmp_path, transactions, language):
    path = tmp_path / f"other.{language}"
    config = load(SEED, "x.conf").config
    path.write_text(dump_toml(config) if language == "toml" else SEED)
    store = RevisionStore(tmp_path / "others")
    running, _ = recall(store, path.read_bytes(), load(path.read_bytes(), str(path)))
    made = Transactions(transactions.runner, store, path, running)
    text = HASH if language == "toml" else dump_toml(load(HASH, "x.conf").config)
    await made.apply(ApplyArgs(text=text, file="x.conf" if language == "toml" else "x.toml"), ACTOR, 0)
    for _ in range(2):
        again, told = recall(
            RevisionStore(tmp_path / "others"), path.read_bytes(), load(path.read_bytes(), str(path))
        )
        assert (again.revision, again.text, told) == (2, text, [])
        assert again.config == made.running.config


async def test_a_file_that_got_its_new_name_was_written_whatever_failed_then(transactions, file, monkeypatch):
    def fail(_folder):
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr("engine.config.atomic._sync_folder", fail)
    await transactions._write_file(Running(transactions.running.config, HASH, "balanceng", 2))
    assert file.read_text() == HASH
