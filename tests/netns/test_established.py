"""Established flows of every method stay where they are; the short form of `python -m tests.soak`."""

import time

import pytest

from tests.helpers.port import Port
from tests.helpers.scene import until
from tests.soak.established import METHODS, NUMBER_OF, Established, Newcomers, config
from tests.soak.established import prepare as prepare_targets
from tests.soak.strangers import strangers

CONFIG = config("at first")
EACH, SECONDS, RATE = 200, 1.5, 60_000

prepare = prepare_targets


@pytest.fixture(scope="module")
def flows(module_scene):
    until(lambda: all(t.operational for t in module_scene.state().targets), 10, "the targets serve")
    with Port(module_scene.lab) as port:
        opened = Established(port, EACH)
        opened.open()
        yield opened


def beside(scene, kind, packets, sources=None):
    """Have a flood, and connections that begin beside it."""
    newcomers = Newcomers(scene.lab)
    with newcomers.running(), strangers(scene.lab, kind, packets, RATE, sources) as sent:
        time.sleep(SECONDS)
    time.sleep(0.3)
    assert sent.sent > 0.2 * RATE * SECONDS
    return newcomers


@pytest.mark.parametrize(
    ("kind", "packets"), [("SYN", 1), ("SYN+ACK", 2), ("ACK", 3), ("SYN, then ACK", 2), ("UDP", 1)]
)
def test_through_a_flood_none_moves_and_no_connection_that_begins_breaks(module_scene, flows, kind, packets):
    newcomers = beside(module_scene, kind, packets)
    assert flows.moved() == []
    assert newcomers.begun > 3
    assert newcomers.broken == 0


def test_sources_chosen_for_their_lines_move_none(module_scene, flows):
    aimed = flows.aimed(100_000)
    assert len(aimed) > 10_000
    assert beside(module_scene, "SYN, then ACK", 2, aimed).broken == 0
    assert flows.moved() == []


def test_a_reload_of_everything_and_disable_and_enable_of_the_servers_move_none(module_scene, flows):
    scene = module_scene
    for remark, weight in (("again", 3), ("and again", 1)):
        scene.config.write_text(config(remark, weight))
        done = scene.balancer.ctl("reload", str(scene.config))
        assert done.returncode == 0, done.stderr
        assert flows.moved() == []
    numbers = [NUMBER_OF[method] for method in METHODS]
    scene.admin("disable", *numbers, what="server")
    scene.admin("enable", *numbers, what="server")
    assert flows.moved() == []


def test_a_target_that_goes_is_noticed(module_scene, flows):
    """What the other tests look at can tell: the flows of a target that is disabled move."""
    gone = NUMBER_OF["rr"] * 10 + 1
    module_scene.admin("disable", gone)
    moved = flows.moved()
    module_scene.admin("enable", gone)
    assert EACH * 0.3 < len(moved) < EACH * 0.7
