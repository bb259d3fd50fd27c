"""Lights that see the way of the traffic: nothing is green above a black hole, and no alarm is false."""

import pytest

from tests.helpers.scene import SEED, Scene

SEED_TEXT = SEED.read_text()


@pytest.fixture
def launch(lab, tmp_path):
    """Call it to start an engine on a configuration; it is stopped after the test."""
    scenes = []

    def start(config=SEED_TEXT, *options, wait=True):
        scenes.append(Scene(lab, tmp_path, config, options))
        return scenes[-1].start(wait=wait)

    yield start
    for scene in scenes:
        if scene.running:
            assert scene.stop() == 0
        print(scene.balancer.log_text())


def test_without_hc_targets_serve_are_unknown_and_the_state_says_why(launch):
    scene = launch(SEED_TEXT.replace("ping,hc,", "ping,"), wait=False)
    scene.balancer.wait_ready()
    assert "no target is ever" not in scene.balancer.log_text()
    tally = scene.traffic(64)
    assert set(tally.answered) == {"target1", "target2"}
    assert not tally.failed
    for target in scene.state().targets:
        assert (target.operational, target.health) == (True, "unknown")
        assert target.reason == "not checked: the modules line has no hc"
    assert scene.alarms() == []
    assert "unchecked" in scene.balancer.ctl("show", "targets").stdout
