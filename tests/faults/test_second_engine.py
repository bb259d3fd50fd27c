"""A second engine on the same interface: it is refused and told whose it is, and the first one's traffic goes on."""

import json
import os
import signal

from engine.lab.balancer import Balancer
from tests.helpers.scene import until


def routes(scene):
    """Return the balancer's blackhole routes."""
    done = scene.lab.run("lb", ["ip", "-j", "route", "show", "type", "blackhole"])
    return {route["dst"] for route in json.loads(done.stdout)}


def test_a_second_engine_on_the_interface_is_refused_and_the_first_keeps_everything(scene):
    scene.start()
    before = routes(scene)
    assert before
    with scene.traffic_meanwhile(rate=100) as meanwhile:
        second = Balancer(scene.lab, scene.directory / "second", scene.config)
        assert second.process.wait(20) == 1
    said = second.log_text()
    assert f"another engine (pid {scene.pid}) forwards on eth0; stop it" in said
    assert "Traceback" not in said
    assert meanwhile.tally.complete
    assert routes(scene) == before
    assert not scene.alarms()

    os.kill(scene.pid, signal.SIGKILL)  # however the first one ends, the next may start
    scene.balancer.process.wait()
    second = Balancer(scene.lab, scene.directory / "second", scene.config)
    try:
        second.wait_ready()
        assert scene.traffic(32).complete
    finally:
        assert second.stop() == 0


def test_an_interface_that_comes_to_both_is_the_first_ones_until_that_lets_it_go(scene):
    """The second one started without it: an alarm, and it takes the interface over as soon as it can."""
    scene.start()
    config = scene.directory / "two.conf"
    config.write_text(scene.config.read_text().replace("eth0", "eth7"))
    second = Balancer(scene.lab, scene.directory / "second", config)
    try:
        until(
            lambda: second.ctl("show", "version").returncode == 0,
            10,
            "the second one runs without its interface",
        )
        text = scene.config.read_text()
        config.write_text(text)
        done = second.ctl("reload", str(config))
        assert done.returncode == 1
        assert f"another engine (pid {scene.pid}) forwards on eth0" in done.stderr
        assert scene.traffic(32).complete
        scene.stop()
        assert second.ctl("reload", str(config)).returncode == 0
        second.wait_ready()
        assert scene.traffic(32).complete
    finally:
        assert second.stop() == 0
