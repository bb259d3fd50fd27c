"""How much room each region gets: a pure function of the terminal's size."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, NamedTuple

PanelId = Literal["servers", "targets", "events", "arp", "node", "revisions"]
PANELS: tuple[PanelId, ...] = ("servers", "targets", "events", "arp", "node")
"""All panels of the dashboard, in the order of Tab and of their number keys."""

BOTTOM: tuple[PanelId, ...] = ("arp", "node", "events")

HEADER_HEIGHT = 2
FOOTER_HEIGHT = 1
TWO_WIDE = 110
"""Columns from which ARP and events stand side by side."""
THREE_WIDE = 170
"""From this width on, the node panel is beside them, in columns."""
STACKED_FROM = 16
"""Lines from which two bottom panels stand one above the other: a message needs the whole width sooner than a table
needs more lines."""


class Pane(NamedTuple):
    """A panel at the bottom, and its size in cells."""

    panel: PanelId
    width: int
    height: int


@dataclass(frozen=True)
class Layout:
    """Heights of the stacked regions, and the panels at the bottom: left to right or, `stacked`, the last one below.

    What stands above the last one shares a line of panels where there are two.
    """

    servers: int
    targets: int
    bottom: int
    panes: tuple[Pane, ...]
    stacked: bool = False

    @property
    def visible(self) -> tuple[PanelId, ...]:
        """The panels on the screen, in Tab's order."""
        shown = {pane.panel for pane in self.panes} if self.bottom else set()
        if self.servers:
            shown.add("servers")
        if self.targets:
            shown.add("targets")
        return tuple(panel for panel in PANELS if panel in shown)


def arrange(
    width: int, height: int, *, servers: int, targets: int, pane: PanelId, alone: PanelId | None = None
) -> Layout:
    """Share out `width` by `height` cells.

    `servers` and `targets` are how many rows they have; `pane` is the bottom panel to show where there is room for
    one only; `alone` is a panel that gets everything.
    """
    body = max(3, height - HEADER_HEIGHT - FOOTER_HEIGHT)
    if alone == "servers":
        return Layout(body, 0, 0, ())
    if alone == "targets":
        return Layout(0, body, 0, ())
    if alone is not None:
        return Layout(0, 0, body, (Pane(alone, width, body),))
    # Servers are few: they get what they need up to a quarter. Targets get what they need of the rest, and the
    # bottom row what remains, but never less than a few lines of events.
    top = min(2 + max(1, servers), max(3, body // 4))
    least_bottom = 0 if body < 12 else max(4, body // 4)
    rest = body - top
    middle = max(3, min(2 + max(1, targets), rest - least_bottom))
    bottom = rest - middle
    if bottom < 3:
        middle, bottom = rest, 0
    if bottom >= STACKED_FROM:
        # Facts of the node are short lines, and many: where they have room beside ARP, they get half of it.
        upper = bottom * 2 // 5 if width < THREE_WIDE else bottom // 2
        events = Pane("events", width, bottom - upper)
        if width < THREE_WIDE:
            return Layout(top, middle, bottom, (Pane(_beside(pane), width, upper), events), stacked=True)
        half = width // 2
        panes = (Pane("arp", half, upper), Pane("node", width - half, upper), events)
        return Layout(top, middle, bottom, panes, stacked=True)
    return Layout(top, middle, bottom, tuple(Pane(name, cells, bottom) for name, cells in _row(width, pane)))


def _beside(pane: PanelId) -> PanelId:
    """Name the panel that is shown with the events."""
    return pane if pane == "node" else "arp"


def _row(width: int, pane: PanelId) -> tuple[tuple[PanelId, int], ...]:
    if width >= THREE_WIDE:
        node = width * 26 // 100
        arp = width * 32 // 100
        return (("arp", arp), ("node", node), ("events", width - arp - node))
    if width >= TWO_WIDE:
        arp = width * 48 // 100
        return ((_beside(pane), arp), ("events", width - arp))
    return ((pane if pane in BOTTOM else "events", width),)
