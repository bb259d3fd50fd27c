"""The exact text of screens, kept in files. After a wanted change: BNG_GOLDEN=write, then read the diff."""

from __future__ import annotations

import os

from tests.helpers.paths import ROOT

GOLDEN = ROOT / "tests" / "bngtui" / "golden"


def agree(name: str, text: str) -> None:
    path = GOLDEN / f"{name}.txt"
    if os.environ.get("BNG_GOLDEN") == "write":
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, encoding="utf-8")
    assert text == path.read_text(encoding="utf-8")
