from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path

import pytest

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
