"""The findings below the text; the list has the keys while one of them is chosen."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bngtui.render.findings import paint_findings, window
from bngtui.widgets.lines import LineView

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from bngtui.render.findings import Checked
    from bngtui.render.text import Line, Span
    from engine.config.finding import Finding


class FindingsView(LineView):
    """What the check found, and where it found nothing what `help_` says of the word at the cursor."""

    def __init__(self, help_: Callable[[], list[Span]]) -> None:
        super().__init__(id="findings")
        self.findings: Sequence[Finding] = ()
        self.checked: Checked = "waiting"
        self.chosen: int | None = None
        self._help = help_
        self._top = 0

    def paint(self, width: int, height: int) -> list[Line]:
        """Draw the list."""
        self._top = window(self.chosen, self._top, max(1, height - 1))
        return paint_findings(
            self.findings,
            width,
            height,
            checked=self.checked,
            chosen=self.chosen,
            top=self._top,
            help_=self._help(),
        )

    def take(self, findings: Sequence[Finding], checked: Checked) -> None:
        """Show these."""
        self.findings, self.checked = findings, checked
        if self.chosen is not None:
            self.chosen = min(self.chosen, len(findings) - 1) if findings else None
        self.update_lines()

    def choose(self, index: int | None) -> Finding | None:
        """Choose a finding, or with None give the keys back; returns the one that is chosen."""
        self.chosen = (
            max(0, min(len(self.findings) - 1, index)) if index is not None and self.findings else None
        )
        self.update_lines()
        return self.findings[self.chosen] if self.chosen is not None else None
