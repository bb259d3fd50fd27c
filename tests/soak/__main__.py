"""Established flows of every method through floods, a full table, reloads and `disable` and `enable`: nothing moves.

`python -m tests.soak` (root, about a quarter of an hour; `--seconds 5 --flows 500` is a look). Exit status 1 where a flow moved or
a connection that began meanwhile broke.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

from engine.lab.topology import Lab
from tests.helpers.port import Port
from tests.helpers.scene import Scene
from tests.soak.established import METHODS, NUMBER_OF, Established, Newcomers, config, prepare, until
from tests.soak.strangers import KINDS, strangers

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np

SETTLE_S = 1.0
"""After a flood: what waits in the rings is on its way."""


class Soak:
    """One balancer with its flows, and what came of each round."""

    def __init__(self, scene: Scene, flows: Established, seconds: float, rate: float) -> None:
        self.scene, self.flows = scene, flows
        self.seconds, self.rate = seconds, rate
        self.failures = 0
        self.newcomers = 0
        self._source = 0

    def flood(self, kind: str, packets: int, sources: np.ndarray | None = None, name: str = "") -> None:
        """Have one flood, connections that begin beside it, and a look at the flows after it."""
        newcomers = Newcomers(self.scene.lab, self.newcomers)
        with (
            newcomers.running(),
            strangers(self.scene.lab, kind, packets, self.rate, sources, self._source) as sent,
        ):
            time.sleep(self.seconds)
        self._source += sent.sent // packets
        self.newcomers += newcomers.begun
        time.sleep(SETTLE_S)
        beside = f"{newcomers.begun} began, {newcomers.broken} broke, {newcomers.lost} packets lost"
        self.failures += newcomers.broken
        self.report(f"{name or kind}, {packets} a source, {sent.pps / 1000:.0f} kpps", beside)

    def report(self, what: str, more: str = "") -> None:
        """Look where the flows are and print it."""
        moved = self.flows.moved()
        self.failures += len(moved)
        datapath = self.scene.state().datapath
        full = (datapath.sessions + datapath.half_open) / datapath.sessions_max
        print(
            f"  {what:44} {len(moved)} of {len(self.flows.at)} moved; table {full:.0%} full"
            + (f"; {more}" if more else ""),
            flush=True,
        )

    def changes(self) -> None:
        """Reload everything, and disable and enable every server."""
        for remark, weight in (("again", 3), ("and again", 1)):
            self.scene.config.write_text(config(remark, weight))
            done = self.scene.balancer.ctl("reload", str(self.scene.config))
            if done.returncode:
                sys.exit(f"reload: {done.stderr}")
            self.report(f"everything reloaded, {remark}")
        numbers = [NUMBER_OF[method] for method in METHODS]
        self.scene.admin("disable", *numbers, what="server")
        self.scene.admin("enable", *numbers, what="server")
        self.report("every server disabled and enabled")


def rounds() -> list[tuple[str, int]]:
    """Return every kind with one, two and three packets of each source; what opens a flow needs two."""
    return [(kind, packets) for kind in KINDS for packets in range(len(KINDS[kind]), 4)]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run it all; returns the exit status."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--flows", type=int, default=5000, help="of each method")
    parser.add_argument("--seconds", type=float, default=60, help="of each flood")
    parser.add_argument("--rate", type=float, default=300_000, help="packets a second of a flood")
    options = parser.parse_args(arguments)
    if os.geteuid():
        sys.exit("this needs root: it makes network namespaces and packet sockets")
    with (
        tempfile.TemporaryDirectory() as folder,
        Lab(f"soak-{os.getpid()}") as lab,
    ):
        prepare(lab)
        scene = Scene(lab, Path(folder), config("at first")).start()
        try:
            with Port(lab) as port:
                flows = Established(port, options.flows)
                if not until(lambda: all(t.operational for t in scene.state().targets), 20):
                    sys.exit("the targets do not serve")
                flows.open()
                print(f"{options.flows} flows of each method: {', '.join(METHODS)}", flush=True)
                soak = Soak(scene, flows, options.seconds, options.rate)
                soak.changes()
                for kind, packets in rounds():
                    soak.flood(kind, packets)
                soak.flood("SYN, then ACK", 2, flows.aimed(), "chosen sources")
                soak.changes()
        finally:
            scene.stop()
    print(f"{soak.failures} failures")
    return 1 if soak.failures else 0


if __name__ == "__main__":
    sys.exit(main())
