"""The exact text of what is drawn, kept in files beside the tests.

After a wanted change: `BNG_GOLDEN=write make check`, then read the difference that git shows.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from tests.helpers.paths import ROOT

if TYPE_CHECKING:
    from pathlib import Path

SCREENS = ROOT / "tests" / "bngtui" / "golden"


def agree(path: Path, text: str) -> None:
    """Compare with a file; with BNG_GOLDEN=write, write it."""
    if os.environ.get("BNG_GOLDEN") == "write":
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, encoding="utf-8")
    expected = path.read_text(encoding="utf-8") if path.exists() else ""
    assert text == expected, (
        f"differs from {path.relative_to(ROOT)}; if that is wanted: BNG_GOLDEN=write make check, then git diff"
    )


def screen_agrees(name: str, text: str) -> None:
    """Compare the text of a whole screen."""
    agree(SCREENS / f"{name}.txt", text)
