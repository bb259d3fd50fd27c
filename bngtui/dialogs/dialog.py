"""What every dialog has: a box in the middle of the screen, and a guard against keys that were not meant for it."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, ClassVar, TypeVar

from textual.await_complete import AwaitComplete
from textual.screen import ModalScreen

from bngtui.render.dialog import INNER
from bngtui.widgets.painted import Painted

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from textual.app import ComposeResult

    from bngtui.render.text import Line

GUARD_S = 0.3
"""A key held down repeats every 30 to 50 ms after about 250 to 500 ms."""

Answered = TypeVar("Answered")


class Guard:
    """Tells keys that answer a question from those of an impatient finger.

    What comes within GUARD_S of the opening is not an answer. A key of `trigger`, which opened the dialog, never answers,
    and while it repeats nothing else is taken for an answer. `clock` is monotonic seconds.
    """

    def __init__(self, trigger: Collection[str], *, clock: Callable[[], float] = time.monotonic) -> None:
        self._trigger = trigger
        self._clock = clock
        self._closed_until = 0.0
        self.close()

    def close(self) -> None:
        """Let no key pass for GUARD_S."""
        self._closed_until = self._clock() + GUARD_S

    def passes(self, key: str) -> bool:
        """Whether the key was meant for the dialog."""
        if key in self._trigger:
            self.close()
            return False
        return self._clock() >= self._closed_until


class Dialog(ModalScreen[Answered]):
    """A box as wide and high as its lines, with `INSIDE` cells between its sides.

    One of another shape overrides `paint` and `renew`.
    """

    AUTO_FOCUS = ""
    INSIDE: ClassVar[int] = INNER
    DEFAULT_CSS: ClassVar[str] = """
    Dialog { align: center middle; background: $background 0%; }
    """

    def __init__(self) -> None:
        super().__init__()
        self.box = Painted(self.paint)

    def compose(self) -> ComposeResult:
        """One box in the middle."""
        yield self.box

    def on_mount(self) -> None:
        """Size the box."""
        self.renew()

    def on_resize(self) -> None:
        """Size the box for the new screen."""
        self.renew()

    def dismiss(self, result: Answered | None = None) -> AwaitComplete:
        """Answer, once.

        Over a slow line keys come in bursts, and the second one may be on its way to a dialog that the first one closed.
        Textual would take whatever is in front by then for this dialog, and close it.
        """
        return super().dismiss(result) if self.is_active else AwaitComplete()

    def lines(self) -> list[Line]:
        """Return the dialog as lines."""
        raise NotImplementedError

    def paint(self, width: int, height: int) -> list[Line]:
        """Draw the dialog into its box."""
        del width, height
        return self.lines()

    def renew(self) -> None:
        """Show the dialog as it is now."""
        self.box.styles.width = self.INSIDE + 2
        self.box.styles.height = len(self.lines())
        self.box.update_lines()
