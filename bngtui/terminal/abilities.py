"""What the terminal can draw: signs by its font and the encoding, colours by its kind; each may be chosen apart."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Mapping

Signs = Literal["auto", "unicode", "ascii"]
Colours = Literal["auto", "truecolor", "256", "16", "none"]

SIGNS: tuple[Signs, ...] = ("auto", "unicode", "ascii")
COLOURS: tuple[Colours, ...] = ("auto", "truecolor", "256", "16", "none")

_TEXT_CONSOLES = ("linux", "vt", "cons", "dumb", "ansi", "wy", "sun")
"""How terminals begin that draw with a font of a few hundred signs, or with that of a terminal of the eighties."""

_SYSTEMS: dict[Colours, str] = {
    "auto": "auto",
    "truecolor": "truecolor",
    "256": "256",
    "16": "standard",
    "none": "standard",
}


def plain_signs(chosen: Signs, environ: Mapping[str, str], encoding: str | None) -> bool:
    """Whether only ASCII is drawn: as chosen, else where the font or the encoding has no more."""
    if chosen != "auto":
        return chosen == "ascii"
    return not (encoding or "ascii").lower().startswith("utf") or environ.get("TERM", "").startswith(
        _TEXT_CONSOLES
    )


def without_colour(chosen: Colours, environ: Mapping[str, str]) -> bool:
    """Whether no colour is drawn: as chosen, else where NO_COLOR says so (no-color.org)."""
    return chosen == "none" or (chosen == "auto" and bool(environ.get("NO_COLOR")))


def colour_system(chosen: Colours) -> str:
    """Return Textual's word for a depth; it is read from TEXTUAL_COLOR_SYSTEM when Textual is imported."""
    return _SYSTEMS[chosen]
