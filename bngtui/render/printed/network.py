"""`show interfaces`, `show networks`, `show arp`: what this node is connected to."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bngtui.render.printed import cells
from bngtui.render.printed.table import NONE, Col, listing
from bngtui.render.states import arp_mark
from bngtui.render.text import Span
from bngtui.render.units import age

if TYPE_CHECKING:
    from bngtui.render.printed.table import Style
    from engine.api.messages import ArpState, InterfaceState, NetworkState, State


def _unread(link: InterfaceState) -> str:
    """Say how many frames of which class were more than the control process reads."""
    return " ".join(f"{queue.name} {queue.unread}" for queue in link.queues if queue.unread) or NONE


_INTERFACES: tuple[Col[InterfaceState], ...] = (
    Col("#", lambda link: str(link.number), right=True),
    Col("NAME", lambda link: link.name, flex=True),
    Col("LINK", lambda link: Span(link.link, "up" if link.link == "up" else "down")),
    Col("MAC", lambda link: cells.known(link.mac), drop=2),
    Col("MTU", lambda link: cells.known(link.mtu), right=True, drop=1),
    Col("UNREAD", _unread, drop=3),
    Col("ADDRESSES", lambda link: " ".join(link.addresses) or NONE, wrap=20),
)

_NETWORKS: tuple[Col[NetworkState], ...] = (
    Col("#", lambda net: str(net.number), right=True),
    Col("NAME", lambda net: cells.known(net.name), flex=True, drop=1),
    Col("NETWORK", lambda net: net.addr),
    Col("MASK", lambda net: net.mask),
    Col("REAL", lambda net: cells.known(net.real)),
    Col("VIRT", lambda net: cells.known(net.virt)),
    Col("IF", lambda net: cells.known(net.interface), right=True, drop=2),
)


def interfaces(state: State, style: Style) -> list[str]:
    """Return the table of the configuration's interfaces as the kernel has them."""
    return listing(_INTERFACES, state.interfaces, style, "interfaces")


def networks(state: State, style: Style) -> list[str]:
    """Return the table of the configuration's networks."""
    return listing(_NETWORKS, state.networks, style, "networks")


def arp(state: State, style: Style) -> list[str]:
    """Return the table of addresses that are answered for, resolved, or in conflict; conflicts first."""
    cols: tuple[Col[ArpState], ...] = (
        Col("ADDRESS", lambda entry: entry.address),
        Col("MAC", lambda entry: cells.known(entry.mac)),
        Col("STATE", lambda entry: cells.state(arp_mark(entry), style)),
        Col("OWNER", lambda entry: entry.owner, flex=True),
        Col("AGE", lambda entry: NONE if entry.age_s is None else age(entry.age_s), right=True, drop=1),
    )
    return listing(cols, sorted(state.arp, key=lambda entry: entry.kind != "conflict"), style, "addresses")
