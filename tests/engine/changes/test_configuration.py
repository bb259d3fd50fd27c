"""Looking at the configuration that runs, at its history, and at what another one would change."""

from __future__ import annotations

import os

import pytest

from engine.changes.configuration import Trial, host_interfaces, recall
from engine.changes.revisions import RevisionStore
from engine.config.difference.compare import Flows
from engine.config.load import load
from engine.domain.actor import Actor
from engine.domain.errors import OpError
from tests.helpers.paths import SAMPLES

SEED = (SAMPLES / "dsr.conf").read_text()
HASH = SEED.replace("targets 1,2", "targets 1,2\n          method hash", 1)
ACTOR = Actor("alice", 1000, 42)


def add(store, text, **more):
    return store.add(text.encode(), time="t", actor=ACTOR, note="", language="balanceng", **more)


def test_what_runs_is_shown_with_its_text(transactions, file):
    shown = transactions.text(0)
    assert (shown.file, shown.revision, shown.language) == (str(file), 1, "balanceng")
    assert (shown.text, shown.pending) == (SEED, None)
    status = transactions.status(0)
    assert (status.revision, status.language, status.pending, status.differs) == (1, "balanceng", None, [])


@pytest.mark.parametrize(
    ("now", "left"), [(100, 60.0), (100.04, 60.0), (159.95, 0.1), (160, 0.0), (500, 0.0)]
)
def test_a_trial_shows_the_seconds_that_are_left(transactions, now, left):
    transactions.trial = Trial(2, transactions.running, 160, ACTOR)
    for pending in (
        transactions.pending(now),
        transactions.text(now).pending,
        transactions.status(now).pending,
    ):
        assert (pending.revision, pending.reverts_to, pending.seconds_left) == (
            2,
            1,
            pytest.approx(left, abs=0.05),
        )
        assert pending.actor == "alice(1000) pid 42"
        assert pending.seconds_left >= 0


def test_what_operators_said_is_told_where_it_differs_from_the_file(transactions):
    runner = transactions.runner
    runner.targets = {2: "draining", 1: "disabled", 9: "disabled"}
    runner.servers = {1: "disabled", 9: "disabled"}
    assert transactions.differs() == [
        "target 1 disabled (file: enabled)",
        "target 2 draining (file: enabled)",
        "server 1 disabled (file: enabled)",
    ]
    runner.targets, runner.servers = {1: "enabled", 2: "enabled"}, {1: "enabled"}
    assert transactions.differs() == []
    transactions.running.config.targets[0].enabled = False
    transactions.running.config.servers[0].enabled = False
    assert transactions.differs() == [
        "target 1 enabled (file: disabled)",
        "server 1 enabled (file: disabled)",
    ]
    assert transactions.status(0).differs == transactions.differs()


def test_a_candidate_is_compared_with_what_runs(transactions):
    diff = transactions.diff(HASH, "mine.conf")
    assert (diff.base, [c.message for c in diff.changes]) == (1, ["method rr → hash"])
    assert diff.unified.startswith("--- revision 1\n+++ mine.conf\n")
    assert transactions.diff(SEED, "mine.conf").changes == []
    assert transactions.diff(SEED, "mine.conf").unified == ""
    bad = transactions.diff("nonsense {", "mine.conf")
    assert bad.changes == []
    assert {f.file for f in bad.findings} == {"mine.conf"}


def test_flows_that_are_given_are_the_ones_that_count(transactions, monkeypatch):
    seen = []

    def compare(_old, _new, flows):
        seen.append(flows)
        return []

    monkeypatch.setattr("engine.changes.configuration.compare", compare)
    now = Flows(servers={1: 5})
    monkeypatch.setattr(transactions.runner, "flows", lambda: now)
    given = Flows(servers={1: 7})
    add(transactions.store, HASH)
    transactions.diff(HASH, "x.conf", given)
    transactions.compare_revisions(1, 2, given)
    transactions.diff(HASH, "x.conf")
    transactions.compare_revisions(1, 2)
    transactions.changes_to(transactions.running.config)
    assert seen == [given, given, now, now, now]


def test_revisions_are_compared_from_the_old_one_to_the_new_one(transactions):
    add(transactions.store, HASH)
    diff = transactions.compare_revisions(2, 1)
    assert (diff.base, [c.message for c in diff.changes]) == (2, ["method hash → rr"])
    assert diff.unified.startswith("--- revision 2\n+++ revision 1\n")
    with pytest.raises(OpError, match="there is no revision 9") as refused:
        transactions.compare_revisions(1, 9)
    assert refused.value.code == "not-found"


@pytest.mark.parametrize("pair", [(1, 2), (2, 1)])
def test_a_revision_that_cannot_be_read_as_text_has_no_changes(transactions, pair):
    add(transactions.store, "\0 binary\n")
    diff = transactions.compare_revisions(*pair)
    assert diff.changes == []
    assert "binary" in diff.unified


@pytest.mark.parametrize(("text", "lines"), [("a\nb\n", 2), ("a\nb", 2), ("a", 1), ("\n", 1)])
def test_a_last_line_counts_with_and_without_its_end(transactions, text, lines):
    add(transactions.store, text)
    newest, first = transactions.history()
    assert newest.lines == lines
    assert (newest.running, first.running) == (False, True)
    assert newest.text is None
    assert transactions.revision(2).text == text


def test_what_a_revision_is_called_tells_its_language(transactions):
    transactions.store.add(b"", time="t", actor=ACTOR, note="", language="toml")
    assert [transactions.name_of(n) for n in (1, 2, 3)] == [
        "revision 1.conf",
        "revision 2.toml",
        "revision 3.conf",
    ]


def test_the_hosts_interfaces_are_known(transactions):
    assert "lo" in host_interfaces()
    lacking = SEED.replace("name eth0", "name nothere0")
    assert any("nothere0" in f.message for f in transactions.read(lacking, "x.conf").findings)


# -- after a restart


def recalled(store, text):
    return recall(store, text.encode(), load(text, "bng.conf"))


def test_the_first_start_makes_the_file_a_revision_of_the_engines_user(tmp_path):
    store = RevisionStore(tmp_path)
    running, warnings = recalled(store, SEED)
    assert (running.revision, running.text, running.language, warnings) == (1, SEED, "balanceng", [])
    stored = store.get(1)
    me = Actor.of_process(os.getuid(), os.getpid())
    assert (stored.user, stored.uid, stored.confirmed, stored.parent) == (me.user, me.uid, True, None)
    assert recalled(store, SEED)[0].revision == 1
    assert len(store.list()) == 1


def test_what_is_not_valid_does_not_run(tmp_path):
    with pytest.raises(ValueError, match="only a valid configuration runs"):
        recalled(RevisionStore(tmp_path), "\0 binary")


def test_a_trial_that_was_left_is_dropped_and_told(tmp_path):
    store = RevisionStore(tmp_path)
    recalled(store, SEED)
    add(store, HASH, confirmed=False)
    running, warnings = recalled(store, SEED)
    assert running.revision == 1
    assert warnings == ["revision 2 was not confirmed before the engine ended: the file's runs"]
    assert store.get(2).reverted
    assert recalled(store, SEED) == (running, [])


def test_a_trial_whose_text_the_file_is_was_written_and_runs(tmp_path):
    store = RevisionStore(tmp_path)
    recalled(store, SEED)
    add(store, HASH, confirmed=False)
    running, warnings = recalled(store, HASH)
    assert (running.revision, warnings) == (2, [])
    assert store.get(2).confirmed


def test_a_dropped_revision_is_not_what_the_file_is(tmp_path):
    store = RevisionStore(tmp_path)
    recalled(store, SEED)
    add(store, HASH, confirmed=False)
    store.drop(2)
    assert recalled(store, HASH)[0].revision == 3
    assert store.get(2).reverted


def test_a_file_that_is_an_older_revision_again_is_a_new_one(tmp_path):
    store = RevisionStore(tmp_path)
    recalled(store, SEED)
    add(store, HASH)
    assert recalled(store, SEED)[0].revision == 3
