from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path

import pytest

from tests.helpers.config_engine import ConfigEngine
from tests.helpers.console_states import busy_state
from tests.helpers.fake_engine import FakeEngine

# Read when textual is imported, so here, before any test does.
os.environ.setdefault("TEXTUAL_ANIMATIONS", "none")
os.environ.setdefault("TEXTUAL_SMOOTH_SCROLL", "0")


@pytest.fixture
def run_dir():
    """Short (a socket's path has 107 bytes) and open to any user, for the tests of permissions."""
    path = Path(tempfile.mkdtemp(prefix="bngtui-"))
    path.chmod(0o755)
    yield path
    shutil.rmtree(path)


@pytest.fixture(autouse=True)
def state_home(tmp_path, monkeypatch):
    """Keep drafts away from those of whoever runs the tests."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    return tmp_path


@pytest.fixture
async def engine(run_dir):
    """Forty targets in every state, and no packets."""
    async with FakeEngine(run_dir, busy_state(40)) as fake:
        yield fake


@pytest.fixture
async def config_engine(run_dir):
    """The same server with a configuration that can be changed."""
    async with ConfigEngine(run_dir) as fake:
        yield fake
