"""The popup of completion: floats at the cursor, has no keys of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from bngtui.render.complete import best_width, paint_popup, popup_height
from bngtui.widgets.lines import LineView

if TYPE_CHECKING:
    from textual.geometry import Offset

    from bngtui.render.complete import Offer, Offers
    from bngtui.render.text import Line


class Popup(LineView):
    """Offers, one of them chosen."""

    DEFAULT_CSS: ClassVar[str] = """
    Popup { layer: above; position: absolute; display: none; width: 20; height: 2; background: $panel; }
    """

    def __init__(self) -> None:
        super().__init__(id="popup")
        self.offers: Offers | None = None
        self._chosen = 0

    @property
    def chosen(self) -> Offer | None:
        """The offer that would be taken."""
        return self.offers.items[self._chosen] if self.offers and self.offers.items else None

    def open(self, offers: Offers, at: Offset, room: tuple[int, int]) -> None:
        """Show offers at the cursor `at`, below it or above it, where there is more room of the screen's `room`."""
        self.offers = offers
        self._chosen = 0
        width, height = room
        below, above = height - at.y - 2, at.y
        down = below >= min(len(offers.items) + 1, 6) or below >= above
        tall = popup_height(len(offers.items), below if down else above)
        wide = best_width(offers.items, width - 2)
        self.styles.width, self.styles.height = wide, tall
        self.styles.offset = (max(0, min(at.x, width - wide)), at.y + 1 if down else at.y - tall)
        self.display = True
        self.repaint()

    def close(self) -> None:
        """Take it away."""
        self.offers = None
        self.display = False

    def move(self, by: int) -> None:
        """Choose another offer."""
        if self.offers and self.offers.items:
            self._chosen = (self._chosen + by) % len(self.offers.items)
            self.update_lines()

    def paint(self, width: int, height: int) -> list[Line]:
        """Draw it."""
        return paint_popup(self.offers.items, self._chosen, width, height) if self.offers else []
