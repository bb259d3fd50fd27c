"""A configuration with its history in a temporary folder, and a runner that runs nothing."""

from __future__ import annotations

import pytest

from engine.changes.configuration import recall
from engine.changes.revisions import RevisionStore
from engine.changes.runner import SwitchError
from engine.changes.transactions import Transactions
from engine.config.difference.compare import Flows
from engine.config.load import load
from tests.helpers.paths import SAMPLES

SEED = (SAMPLES / "dsr.conf").read_text()


class Runner:
    """Runs nothing, but remembers what it was told to, and refuses on demand."""

    def __init__(self):
        self.configs = []
        self.actors = []
        self.refuse = None
        self.said = []
        self.told = []
        self.targets, self.servers = {}, {}

    async def switch(self, config, actor):
        self.actors.append(actor)
        if self.refuse:
            raise SwitchError(self.refuse)
        self.configs.append(config)

    def flows(self):
        return Flows()

    def overrides(self):
        return self.targets, self.servers

    def drop_redundant_overrides(self):
        self.targets, self.servers = {}, {}

    def tell(self, severity, message, actor):
        self.said.append((severity, message))
        self.told.append(actor)


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
