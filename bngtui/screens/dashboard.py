"""The dashboard: header, servers, targets, a bottom row of ARP, events and node, and the footer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from textual.containers import Horizontal

from bngtui.actions import ROWS, available
from bngtui.pages.page import Page, bindings
from bngtui.pages.subject import Subject
from bngtui.render import arp, node, servers, targets
from bngtui.render import events as event_log
from bngtui.render.layout import BOTTOM, PANELS, PanelId, arrange
from bngtui.render.text import Span
from bngtui.widgets.header import Header
from bngtui.widgets.panel import Panel

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from textual import events
    from textual.app import ComposeResult
    from textual.widget import Widget

    from bngtui.actions import Action
    from bngtui.render.effects import Verb


class DashboardScreen(Page):
    """The screen that the console opens with. One panel has the keys; the others stay as they are."""

    BINDINGS = bindings(ROWS)
    DEFAULT_CSS: ClassVar[str] = """
    DashboardScreen { background: $background; layout: vertical; }
    DashboardScreen Header { height: 2; }
    DashboardScreen Footer { height: 1; }
    DashboardScreen Horizontal { height: 1; }
    """

    def __init__(self) -> None:
        super().__init__()
        self.active: PanelId = "targets"
        self._pane: PanelId = "events"
        self._alone: PanelId | None = None
        self._typing = False
        self._panels: dict[PanelId, Panel[Any]] = {
            "servers": Panel(servers.SPEC, servers.summary),
            "targets": Panel(targets.SPEC, targets.summary),
            "arp": Panel(arp.SPEC, arp.summary),
            "events": Panel(event_log.SPEC, self._events_summary),
            "node": Panel(node.SPEC, lambda _rows: []),
        }
        self._bottom = Horizontal()
        self._arranged: tuple[object, ...] = ()

    def compose(self) -> ComposeResult:
        """Lay the regions from top to bottom."""
        yield Header()
        yield self._panels["servers"]
        yield self._panels["targets"]
        with self._bottom:
            for name in BOTTOM:
                yield self._panels[name]
        yield self.footer

    @property
    def panel(self) -> Panel[Any]:
        """The panel that has the keys."""
        return self._panels[self.active]

    # -- news ---------------------------------------------------------------------------------------------------

    def renew(self) -> None:
        """Show what the store has now; only cells that differ are sent."""
        if not self.is_attached or not self.size.width:
            return
        store = self.console.store
        stale = self.stale
        empty = None if store.shown is not None else self._no_engine()
        rows: dict[PanelId, Sequence[Any]] = {
            "servers": store.server_rows(),
            "targets": store.target_rows(),
            "arp": store.arp_rows(),
            "events": store.events,
            "node": store.node_rows(),
        }
        # Without an engine the targets' panel says so, and needs room for it.
        wanted = len(rows["targets"]) if empty is None else self.size.height
        self._arrange(len(rows["servers"]), wanted)
        for name, panel in self._panels.items():
            panel.take(rows[name], stale=stale, empty=empty if name == "targets" else (empty and " "))
        self.update_header()
        self.footer.offer(self.offered())

    def offered(self) -> Sequence[Action]:
        """Return the actions of the panel that has the keys."""
        return available(self.active, read_only=not self.may_change)

    def _events_summary(self, rows: Any) -> list[Span]:
        return event_log.summary(rows, self.console.store.missed_events)

    def _no_engine(self) -> str:
        store = self.console.store
        if store.connection != "down":
            return "Connecting to the engine."
        return (
            "The engine is not reachable.\n"
            f"{store.trouble}\n \n"
            "Start it with: bng-engine run /etc/bng/bng.conf\n"
            "Is its run directory another one: bngtui --run-dir DIR\n \n"
            "This console goes on trying and will show the engine when it is there."
        )

    # -- room ---------------------------------------------------------------------------------------------------

    def on_resize(self, _event: events.Resize) -> None:
        """Divide the space again."""
        self.renew()

    def _arrange(self, server_rows: int, target_rows: int) -> None:
        """Give every region its room; nothing is touched where the shares are as they were."""
        width, height = self.size
        layout = arrange(
            width, height, servers=server_rows, targets=target_rows, pane=self._pane, alone=self._alone
        )
        key = (layout, self.active)
        if key == self._arranged:
            return
        self._arranged = key
        self._place(self._panels["servers"], height=layout.servers)
        self._place(self._panels["targets"], height=layout.targets)
        self._place(self._bottom, height=layout.bottom)
        two_lines = layout.stacked and len(layout.panes) > 2
        self._bottom.styles.layout = "grid" if two_lines else "vertical" if layout.stacked else "horizontal"
        self._bottom.styles.grid_size_columns = 2
        self._bottom.styles.grid_rows = " ".join(str(pane.height) for pane in layout.panes[1:])
        self._panels["events"].styles.column_span = 2 if two_lines else 1
        panes = {pane.panel: pane for pane in layout.panes}
        for name in BOTTOM:
            pane = panes.get(name)
            self._place(self._panels[name], width=pane.width if pane else 0)
            if pane is not None:
                self._panels[name].styles.height = pane.height
        hidden = [name for name in PANELS if name not in layout.visible]
        tabs = [
            Span(f"  {PANELS.index(name) + 1} {self._panels[name].view.spec.title}", "muted")
            for name in hidden
        ]
        last = layout.visible[-1]
        for name, panel in self._panels.items():
            panel.tabs = tabs if name == (layout.panes[-1].panel if layout.bottom else last) else ()
            panel.set_active(on=name == self.active)

    @staticmethod
    def _place(widget: Widget, *, width: int | None = None, height: int | None = None) -> None:
        widget.display = bool(width if height is None else height)
        if width:
            widget.styles.width = width
        if height:
            widget.styles.height = height

    # -- panels -------------------------------------------------------------------------------------------------

    def action_goto(self, name: PanelId) -> None:
        """Give the keys to a panel, and show it where it was hidden."""
        self.active = name
        if self._alone is not None:
            self._alone = name
        if name in BOTTOM and not (name == "events" and self._is_shown(name)):
            self._pane = name
        self.renew()

    def action_panel(self, step: int) -> None:
        """Give the keys to the next panel."""
        self.action_goto(PANELS[(PANELS.index(self.active) + step) % len(PANELS)])

    def action_maximise(self) -> None:
        """Give the panel the whole screen, or put it back."""
        self._alone = None if self._alone else self.active
        self.renew()

    def on_panel_chosen(self, event: Panel.Chosen) -> None:
        """Give the keys to the panel under the pointer."""
        self.action_goto(event.panel.view.spec.id)

    def _is_shown(self, name: PanelId) -> bool:
        return self._panels[name].display and self._bottom.display

    # -- moving -------------------------------------------------------------------------------------------------

    def action_move(self, by: int) -> None:
        """Move the selection by rows."""
        self.panel.move(by)

    def action_page(self, by: int) -> None:
        """Move the selection by pages."""
        self.panel.move(by * max(1, self.panel.page - 1))

    def action_edge(self, side: int) -> None:
        """Select the first or the last row."""
        self.panel.edge(side)

    # -- looking ------------------------------------------------------------------------------------------------

    def action_faults(self) -> None:
        """Show only what is not well, or everything again."""
        self.panel.view.faults_only = not self.panel.view.faults_only
        self.panel.renew()

    def action_sort(self, step: int) -> None:
        """Order by another column."""
        title = self.panel.view.cycle_order(step)
        self.panel.renew()
        self.say(f"{self.panel.view.spec.title}: by {title}", "text")

    def action_reverse(self) -> None:
        """Turn the order around."""
        view = self.panel.view
        if view.order is None:
            self.say("There is no order to turn around: s chooses a column.", "text")
            return
        view.reverse = not view.reverse
        self.panel.renew()

    def action_freeze(self) -> None:
        """Hold the picture, or go on."""
        store = self.console.store
        store.freeze(on=not store.frozen)
        self.renew()
        self.say("The picture is held; z goes on." if store.frozen else "Live again.", "accent")

    def action_copy(self) -> None:
        """Copy the selected row, as shown, through the terminal (OSC 52)."""
        row = self.panel.view.row
        if row is None:
            self.say("Nothing is selected.", "text")
            return
        columns = self.panel.view.spec.columns
        shown = frozenset(column.id for column in columns)
        cells = (column.cell(row, 0, shown).text.strip() for column in columns if column.id != "history")
        self.app.copy_to_clipboard("\t".join(cells))
        self.say("The row is copied, if the terminal allows it (OSC 52).", "text")

    def action_clear(self) -> None:
        """Drop what narrows the panel, and any message."""
        view = self.panel.view
        view.needle, view.faults_only = "", False
        self.panel.renew()
        self.footer.hush()

    def action_details(self) -> None:
        """Open everything about the selected row."""
        row = self.panel.view.row
        if row is not None:
            self.console.open("details", row)

    # -- the filter ---------------------------------------------------------------------------------------------

    def action_filter(self) -> None:
        """Type a filter for the panel."""
        self._typing = True
        self._show_filter()

    def on_key(self, event: events.Key) -> None:
        """While a filter is typed, every key is the filter's."""
        if not self._typing:
            return
        event.stop()
        event.prevent_default()
        view = self.panel.view
        if event.key in {"enter", "escape", "ctrl+c"}:
            self._typing = False
            if event.key != "enter":
                view.needle = ""
        elif event.key in {"backspace", "ctrl+h"}:
            view.needle = view.needle[:-1]
        elif event.key == "ctrl+u":
            view.needle = ""
        elif event.character and event.character.isprintable():
            view.needle += event.character
        self._show_filter()

    def _show_filter(self) -> None:
        self.panel.renew()
        self.footer.show_filter(
            self.panel.view.spec.title.lower(), self.panel.view.needle if self._typing else None
        )

    # -- changing -----------------------------------------------------------------------------------------------

    def action_change(self, verb: Verb) -> None:
        """Ask, then change the selected target or server."""
        subject = Subject.of(self.panel.view.row) if self.panel.view.row is not None else None
        if subject is None or subject.member is None:
            self.say("Select a target or a server first (2 or 1).", "text")
            return
        self.console.changes.admin(verb, *subject.member)

    def shown_panels(self) -> Iterator[PanelId]:
        """Yield the panels on the screen."""
        for name in PANELS:
            panel = self._panels[name]
            if panel.display and (name not in BOTTOM or self._bottom.display):
                yield name
