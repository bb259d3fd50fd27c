"""Texts that a configuration is changed to, who changes it, and the states of the revisions that come of it."""

from __future__ import annotations

from engine.domain.actor import Actor
from tests.helpers.paths import SAMPLES

SEED = (SAMPLES / "dsr.conf").read_text()
HASH = SEED.replace("targets 1,2", "targets 1,2\n          method hash", 1)
NAMED = SEED.replace("server    1 {", "server    1 {\n          name web")
ACTOR = Actor("alice", 1000, 42)


def states(transactions):
    return [(r.number, r.running, r.confirmed, r.reverted) for r in transactions.history()]
