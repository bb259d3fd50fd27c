"""What widgets need of the application, so that they need not import it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from bngtui.store import Store
    from bngtui.theme import Palette


class Application(Protocol):
    """The application, as widgets see it: something to draw, and colours to draw it in."""

    store: Store
    palette: Palette
