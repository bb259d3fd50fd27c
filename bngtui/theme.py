"""Themes: read from TOML files, checked key by key, and turned into one style for each role on each ground."""

from __future__ import annotations

import tomllib
import unicodedata
from dataclasses import dataclass, fields
from functools import lru_cache
from pathlib import Path
from typing import Any

from rich.style import Style
from textual.color import Color, ColorParseError
from textual.theme import Theme

from bngtui.render.text import ROLES, TONES, Role, Tone, cell_len, fit

DEFAULT = "night"
"""The theme of a terminal with 256 colours or more."""

DEFAULT_16 = "serial"
"""The theme of a terminal with fewer: a serial console, the Linux console."""

_COLOURS = (
    "primary",
    "secondary",
    "warning",
    "error",
    "success",
    "accent",
    "foreground",
    "background",
    "surface",
    "panel",
)
_VARIABLES = ("muted", "faint", "draining", "disabled", "unknown", "graph", "cursor")
"""Further colours that every theme names under [variables]; `cursor` may be the word "reverse"."""

_ASCII = str.maketrans(
    {
        **dict(zip("●✖◐○◇◎▲▼▸■", "+x~-o*!%>#", strict=True)),  # states and marks
        **dict(zip("▌█┃│─╭╮╰╯", "|#|:-....", strict=True)),  # lines
        **dict(zip("▁▂▃▄▅▆▇", "_.:-=+*", strict=True)),  # graphs; a full block is # as above
        **dict(zip("·…↑↓", "..^v", strict=True)),
    }
)
"""For fonts of text consoles: every sign keeps its place and its width."""


class ThemeError(Exception):
    """A theme file that cannot be used; the message names the file, the key and what to do."""


@dataclass(frozen=True)
class Palette:
    """One style for each role on each ground. `plain_signs`: only ASCII is drawn."""

    styles: dict[tuple[Role, Tone], Style]
    plain_signs: bool = False

    def text(self, text: str) -> str:
        """Return the text in signs that the terminal has, in as many cells."""
        return text if not self.plain_signs or text.isascii() else _in_ascii(text)


@lru_cache(maxsize=4096)
def _in_ascii(text: str) -> str:
    """Return a text in ASCII: our own signs as their likes, letters without their accents, ``?`` for every other cell."""
    out = []
    for char in text.translate(_ASCII):
        cells = cell_len(char)
        base = unicodedata.normalize("NFKD", char).encode("ascii", "ignore").decode("ascii")
        out.append(base if len(base) == cells else "?" * cells)
    # Several characters may share their cells, as those of a family emoji do.
    return fit("".join(out), cell_len(text)).replace("…", "?")


def theme_dirs() -> tuple[Path, ...]:
    """Return where theme files are: inside the installed package, or beside it in a checkout."""
    package = Path(__file__).resolve().parent
    return (package / "themes", package.parent / "themes")


def load_themes() -> dict[str, Theme]:
    """Read all themes, in the order of their files' names. Raises ThemeError on the first that is wrong."""
    folder = next((path for path in theme_dirs() if any(path.glob("*.toml"))), None)
    if folder is None:
        places = " or ".join(str(path) for path in theme_dirs())
        raise ThemeError(f"no theme files in {places}; install the package again")
    themes = [load_theme(path) for path in sorted(folder.glob("*.toml"))]
    return {theme.name: theme for theme in themes}


def load_theme(path: Path) -> Theme:
    """Read and check one theme file. Raises ThemeError."""
    try:
        data = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ThemeError(f"{path}: {error}") from error
    known = {field.name for field in fields(Theme)}
    for key in data:
        if key not in known:
            raise ThemeError(f"{path}: unknown key {key!r}; a theme has {', '.join(sorted(known))}")
    if not isinstance(data.get("name"), str):
        raise ThemeError(f"{path}: key 'name' is missing; give the theme a name in quotes")
    variables = data.get("variables", {})
    if not isinstance(variables, dict):
        raise ThemeError(f"{path}: 'variables' is not a table; write [variables]")
    for key in _COLOURS:
        _check_colour(path, key, data.get(key))
    for key in _VARIABLES:
        if key != "cursor" or variables.get(key) != "reverse":
            _check_colour(path, f"variables.{key}", variables.get(key))
    return Theme(**data)


_WITHOUT_COLOUR: dict[Role, Style] = {
    "strong": Style(bold=True),
    "accent": Style(bold=True),
    "down": Style(bold=True, reverse=True),
    "warning": Style(bold=True, underline=True),
    "unknown": Style(bold=True),
    "draining": Style(underline=True),
    "faint": Style(dim=True),
}
"""How roles differ where there are no colours: faults most of all."""


def palette(theme: Theme, *, ascii_only: bool = False, coloured: bool = True) -> Palette:
    """Return the styles of a theme that `load_theme` accepted.

    `ascii_only`: the terminal has no other signs. `coloured` False: nothing but bold, underlined and reverse text.
    """
    if not coloured:
        return Palette(_without_colour(), plain_signs=ascii_only)
    variables = theme.variables
    colours: dict[Role, str | None] = {
        "text": theme.foreground,
        "strong": theme.foreground,
        "muted": variables["muted"],
        "faint": variables["faint"],
        "accent": theme.accent,
        "up": theme.success,
        "down": theme.error,
        "warning": theme.warning,
        "unknown": variables["unknown"],
        "draining": variables["draining"],
        "disabled": variables["disabled"],
        "graph": variables["graph"],
    }
    bold: set[Role] = {"strong", "accent", "down"}
    reverse = variables["cursor"] == "reverse"
    grounds: dict[Tone, str | None] = {
        "plain": theme.background,
        "bar": theme.panel,
        "cursor": theme.background if reverse else variables["cursor"],
    }
    styles: dict[tuple[Role, Tone], Style] = {}
    for tone in TONES:
        for role in ROLES:
            styles[role, tone] = Style(
                color=_colour(colours[role]),
                bgcolor=_colour(grounds[tone]),
                bold=role in bold or None,
                reverse=(reverse and tone == "cursor") or None,
            )
    return Palette(styles, plain_signs=ascii_only)


def _without_colour() -> dict[tuple[Role, Tone], Style]:
    styles: dict[tuple[Role, Tone], Style] = {}
    for role in ROLES:
        style = _WITHOUT_COLOUR.get(role, Style())
        styles[role, "plain"] = styles[role, "bar"] = style
        # The selected row is reverse itself: a fault in it is underlined.
        styles[role, "cursor"] = Style(
            bold=style.bold, underline=style.underline or style.reverse, reverse=True
        )
    return styles


def _colour(text: str | None) -> Any:
    return Color.parse(text or "ansi_default").rich_color


def _check_colour(path: Path, key: str, value: object) -> None:
    if not isinstance(value, str):
        raise ThemeError(f'{path}: key {key!r} is missing; give it a colour like "#5fd7af"')
    try:
        Color.parse(value)
    except ColorParseError as error:
        raise ThemeError(
            f'{path}: key {key!r}: {value!r} is not a colour ({error}); write "#rrggbb"'
        ) from error
