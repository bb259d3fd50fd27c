"""An engine's socket with a canned state behind it, in a thread, and the real command as a process."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import threading

import msgspec
import pytest

from engine.api.server import Server
from tests.helpers import canned as canned_engine
from tests.helpers.paths import ROOT


@pytest.fixture(scope="session")
def canned():
    return canned_engine


class Engine:
    """A Server in a thread of its own. `do` runs a function in its loop."""

    def __init__(self, backend, run_dir):
        self.backend = backend
        self.run_dir = run_dir
        self.loop = asyncio.new_event_loop()
        self.server = Server(backend, run_dir)
        self.thread = threading.Thread(target=self._run, daemon=True)

    def _run(self):
        asyncio.set_event_loop(self.loop)
        self.loop.run_forever()

    def start(self):
        self.thread.start()
        asyncio.run_coroutine_threadsafe(self.server.start(), self.loop).result(5)

    def do(self, function, *args):
        async def call():
            return function(*args)

        return asyncio.run_coroutine_threadsafe(call(), self.loop).result(5)

    def stop(self):
        if self.thread.is_alive():
            asyncio.run_coroutine_threadsafe(self.server.close(), self.loop).result(5)
            self.loop.call_soon_threadsafe(self.loop.stop)
            self.thread.join(5)
            self.loop.close()


@pytest.fixture
def engine(canned, tmp_path):
    engine = Engine(canned.CannedBackend(), tmp_path / "run")
    engine.start()
    yield engine
    engine.stop()


@pytest.fixture
def command(tmp_path):
    """The words that start bngctl on this test's sockets, and its environment."""
    environment = {k: v for k, v in os.environ.items() if k not in {"COLUMNS", "NO_COLOR"}}
    environment |= {"HOME": str(tmp_path), "PYTHONWARNINGS": "error", "PYTHONPATH": str(ROOT)}
    return [sys.executable, "-m", "bngtui.ctl", "--run-dir", str(tmp_path / "run")], environment


@pytest.fixture
def bngctl(command):
    words, environment = command

    def run(*args, stdin="", env=None):
        return subprocess.run(
            [*words, *args],
            input=stdin,
            capture_output=True,
            text=True,
            timeout=20,
            check=False,
            env=environment | (env or {}),
        )

    def as_json(*args):
        done = run(*args, "--json")
        assert done.returncode == 0, done.stderr
        return msgspec.json.decode(done.stdout)

    run.json = as_json
    return run
