"""What breaks in one box, broken on purpose: a running engine in its lab, one file for each story."""

import pytest

from tests.helpers.disks import SmallDisk
from tests.helpers.scene import Scene
from tests.netns.conftest import lab  # noqa: F401 - the same network as the other tests of real packets


@pytest.fixture
def scene(lab, tmp_path):  # noqa: F811 - the fixture above
    """An engine that is not started yet; it has to stop cleanly where a test leaves it running."""
    made = Scene(lab, tmp_path)
    status = None
    try:
        yield made
        status = made.stop() if made.running else None
    finally:
        if made.running:
            made.stop()
        if made.balancer is not None:
            print(made.balancer.log_text())
    assert status in {0, None}


@pytest.fixture
def disk(tmp_path):
    """The engine's state folder, on a small disk of its own."""
    with SmallDisk(tmp_path / "engine" / "state") as disk:
        yield disk
