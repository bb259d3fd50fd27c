"""The rate with targets behind a second card, beside that with one card, in the same run."""

from __future__ import annotations

import contextlib
import statistics
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from pyroute2 import IPRoute

from engine.datapath.afpacket.datapath import AfPacketDatapath
from engine.lab import namespaces
from tests.bench import harness

if TYPE_CHECKING:
    from collections.abc import Iterator

EGRESS_MAC = b"\2\0\0\0\7\1"
WAYS = {
    "one card": (0, 0),
    "targets behind the second": (1, 1),
    "a target on each": (0, 1),
    "second card, tagged": (2, 2),
}
"""By which way the two targets are reached: 0 by the card that frames come by, 1 by the second, 2 there under a VLAN tag."""


@contextlib.contextmanager
def second_card(made: harness.Wire) -> Iterator[int]:
    """Add a card eth1 to the balancer of a wire, which leads to the generator, too; yields its index."""
    with namespaces.inside(harness.path(made.gen)), IPRoute() as ip:
        with Path(harness.path(made.lb)).open() as other:
            peer = {"ifname": "eth1", "net_ns_fd": other.fileno(), "address": EGRESS_MAC.hex(":")}
            ip.link("add", ifname="g1", kind="veth", peer=peer)
        ip.link("set", index=ip.link_lookup(ifname="g1")[0], state="up")
    with namespaces.inside(harness.path(made.lb)), IPRoute() as ip:
        index = ip.link_lookup(ifname="eth1")[0]
        ip.link("set", index=index, state="up")
    try:
        yield index
    finally:
        with namespaces.inside(harness.path(made.lb)), IPRoute() as ip:
            ip.link("del", index=index)


@contextlib.contextmanager
def forwarding(made: harness.Wire, index: int, ways: tuple[int, int]) -> Iterator[AfPacketDatapath]:
    """The product's worker on the wire, with targets reached by the second card."""
    table = harness.table()
    by_target = table.target_egress.copy()
    by_target[1:3] = ways
    table = replace(
        table,
        target_egress=by_target,
        egress_ifindex=np.array([index, index], np.uint32),
        egress_mac=np.frombuffer(EGRESS_MAC * 2, np.uint8).reshape(2, 6),
        egress_mtu=np.array([1500, 1500], np.uint32),
        egress_vlan=np.array([0, 200], np.uint16),
    )
    with namespaces.inside(harness.path(made.lb)), harness.on_cpu(harness.cpus()[1]):
        datapath = AfPacketDatapath("eth0", 1500)
        datapath.install(table)
        datapath.start()
    try:
        yield datapath
    finally:
        datapath.stop()


def rates(made: harness.Wire, rounds: int, seconds: float) -> None:
    """Print the rates of `WAYS`, medians of rounds that take turns."""
    print(f"\nRate with a second card, {rounds} rounds of {seconds:g} s each, in turn")
    results: dict[str, list[float]] = {name: [] for name in WAYS}
    with second_card(made) as index:
        for _ in range(rounds):
            for name, ways in WAYS.items():
                with forwarding(made, index, ways):
                    results[name].append(harness.load(made, seconds).mpps)
    one = statistics.median(results["one card"])
    for name, values in results.items():
        median = statistics.median(values)
        spread = " ".join(f"{v:.3f}" for v in values)
        print(f"  {name:26} {median:.3f} Mpps   {median / one:.2f} of one card   ({spread})")
