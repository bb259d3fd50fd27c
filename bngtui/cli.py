"""The command `bngtui`."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from bngtui.options import Options
from bngtui.render import zone
from bngtui.terminal.abilities import COLOURS, SIGNS, colour_system, plain_signs, without_colour
from engine import __version__, streams
from engine.options import RUN_DIR

if TYPE_CHECKING:
    from collections.abc import Sequence

    from textual.theme import Theme

USAGE = 2


def parser() -> argparse.ArgumentParser:
    """Return the command line's parser."""
    parse = argparse.ArgumentParser(
        prog="bngtui",
        description="Watch and operate a running bng-engine. Keys are explained by ?.",
        epilog="Exit: 0 done, 2 usage, 3 engine not reachable (--once only).",
    )
    parse.add_argument("--version", action="version", version=f"%(prog)s {__version__}")
    where = parse.add_mutually_exclusive_group()
    where.add_argument(
        "--run-dir",
        type=Path,
        default=RUN_DIR,
        metavar="DIR",
        help="where the engine's sockets are (%(default)s)",
    )
    where.add_argument("--socket", type=Path, metavar="PATH", help="one socket, operator's or monitor's")
    parse.add_argument("--read-only", action="store_true", help="open monitor.sock: nothing can be changed")
    parse.add_argument("--theme", metavar="NAME", help="colours; an unknown name lists them")
    parse.add_argument(
        "--refresh",
        type=_seconds,
        default=1.0,
        metavar="S",
        help="change the screen at most every S seconds (%(default)s)",
    )
    parse.add_argument(
        "--signs",
        choices=SIGNS,
        default="auto",
        help="signs of Unicode, or ASCII alone (auto: what TERM and the locale have)",
    )
    parse.add_argument(
        "--colours",
        "--colors",
        choices=COLOURS,
        default="auto",
        help="how many there are (auto: what the terminal has, and none where NO_COLOR is set)",
    )
    parse.add_argument(
        "--mouse", action="store_true", help="take the mouse; every movement is then sent to this host"
    )
    parse.add_argument(
        "--local-time",
        action="store_true",
        help="times in this host's zone instead of UTC; T turns it around",
    )
    parse.add_argument("--once", action="store_true", help="print one reading and leave")
    parse.add_argument("--json", action="store_true", help="with --once: the reading as JSON")
    return parse


def main(argv: Sequence[str] | None = None) -> int:
    """Run the console. Returns the exit code."""
    return streams.run("bngtui", lambda: _main(argv))


def _main(argv: Sequence[str] | None) -> int:
    parse = parser()
    args = parse.parse_args(argv)
    if args.json and not args.once:
        parse.error("--json goes with --once")
    if args.theme is not None:
        _themes(parse, args.theme)  # a wrong name is told, whatever else is asked
    options = Options(
        run_dir=args.run_dir,
        socket=args.socket,
        read_only=args.read_only,
        theme=args.theme,
        refresh_s=args.refresh,
        mouse=args.mouse,
        plain_signs=plain_signs(args.signs, os.environ, sys.__stderr__.encoding if sys.__stderr__ else None),
        colours=not without_colour(args.colours, os.environ),
    )
    zone.use_local(on=args.local_time)
    os.environ["TEXTUAL_COLOR_SYSTEM"] = colour_system(args.colours)
    if args.once:
        from bngtui.once import print_once

        return print_once(options, as_json=args.json)
    if not sys.stdin.isatty() or not sys.stderr.isatty():
        parse.error("this is not a terminal; --once prints one reading")
    return _run(parse, options)


def _run(parse: argparse.ArgumentParser, options: Options) -> int:
    # Textual has a way of its own to be without colours, in which faults are darker than the rest.
    os.environ.pop("NO_COLOR", None)
    # A size that a shell exported would hide the terminal's own, and every change of it.
    for exported in ("COLUMNS", "LINES"):
        os.environ.pop(exported, None)
    themes = _themes(parse, options.theme)
    from rich.console import Console

    from bngtui.app import BngApp
    from bngtui.terminal.restore import Terminal
    from bngtui.theme import DEFAULT, DEFAULT_16

    name = options.theme
    if name is None:
        system = os.environ["TEXTUAL_COLOR_SYSTEM"]
        if system == "auto":
            system = Console(file=sys.__stderr__).color_system or "standard"
        name = DEFAULT_16 if system == "standard" else DEFAULT
    terminal = Terminal()
    app = BngApp(options, themes, name, terminal=terminal)
    app.run(mouse=options.mouse)
    return app.return_code or 0


def _themes(parse: argparse.ArgumentParser, wanted: str | None) -> dict[str, Theme]:
    """Read the themes; leave with a word where one cannot be used or `wanted` is none of them."""
    # Textual reads these when it is imported. Nothing here moves for its own sake.
    os.environ.setdefault("TEXTUAL_FPS", "30")
    os.environ.setdefault("TEXTUAL_ANIMATIONS", "none")
    os.environ.setdefault("TEXTUAL_SMOOTH_SCROLL", "0")
    from bngtui.theme import ThemeError, load_themes

    try:
        themes = load_themes()
    except ThemeError as error:
        parse.exit(USAGE, f"{parse.prog}: {error}\n")
    if wanted is not None and wanted not in themes:
        parse.error(f"no theme {wanted!r}; there are {', '.join(themes)}")
    return themes


def _seconds(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of seconds") from None
    if not 0.1 <= value <= 60:
        raise argparse.ArgumentTypeError(f"{text}: from 0.1 to 60 seconds")
    return value
