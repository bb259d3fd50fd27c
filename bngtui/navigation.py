"""The full screens by name, and how each is made; screens know each other by these names only."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bngtui.screens.dashboard import DashboardScreen
from bngtui.screens.details import DetailsScreen
from bngtui.screens.help import HelpScreen
from bngtui.screens.review import ReviewScreen
from bngtui.screens.revision_text import RevisionTextScreen
from bngtui.screens.revisions import RevisionsScreen

if TYPE_CHECKING:
    from collections.abc import Callable

    from bngtui.pages.page import Page


def _editor() -> Page:
    # The library of the text area takes as long to load as all the rest, and most consoles only watch.
    from bngtui.screens.editor import EditorScreen  # noqa: PLC0415

    return EditorScreen()


SCREENS: dict[str, Callable[..., Page]] = {
    "dashboard": DashboardScreen,
    "details": DetailsScreen,
    "editor": _editor,
    "help": HelpScreen,
    "review": ReviewScreen,
    "revision_text": RevisionTextScreen,
    "revisions": RevisionsScreen,
}
