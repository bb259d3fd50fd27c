"""What is to be heard on each interface: what the modules want, and the addresses that stand for it there."""

from __future__ import annotations

from typing import TYPE_CHECKING

from engine.domain.frame import Listening

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from engine.domain.address import Address
    from engine.domain.frame import FrameMatch
    from engine.modules.state.view import View
    from engine.modules.state.world import World

MOST_KNOWN = 512
"""Hosts that a filter tells from strangers: it has room for no more. The targets beyond are asked again when an answer
of theirs is lost."""


def listening(
    world: World,
    view: View,
    askers: Callable[[int], Iterable[tuple[Address, bytes]]],
    matches: tuple[FrameMatch, ...],
) -> dict[int, Listening]:
    """Return what is to be heard on every interface that is there and carries a network, by its number.

    `askers` returns those who asked for one of our addresses on an interface, with their MACs.
    """
    found: dict[int, Listening] = {}
    # Also those of disabled servers: their targets are checked through them all the while.
    virtual = tuple(sorted({*view.virtuals, *view.server_addresses.values()}))
    for number in {site.interface for site in view.sites}:
        link = world.links.get(number)
        if link is None:
            continue
        real = tuple(sorted(s.real for s in view.sites if s.interface == number and s.real is not None))
        neighbours = tuple(_neighbours(view, number))
        macs = [(a, n.mac) for a in neighbours if (n := world.neighbours.get(a)) is not None and n.mac]
        known = frozenset([*askers(number), *macs][:MOST_KNOWN])
        found[number] = Listening(link, matches, virtual, real, neighbours, known)
    return found


def _neighbours(view: View, interface: int) -> Iterable[Address]:
    """Return the gateway and the targets on an interface, each once."""

    def every() -> Iterator[Address]:
        beside = view.site_of(view.gateway) if view.gateway is not None else None
        if view.gateway is not None and beside is not None and beside.interface == interface:
            yield view.gateway
        for number, site in view.target_site.items():
            if site.interface == interface:
                yield view.target_address[number]

    return dict.fromkeys(every())
