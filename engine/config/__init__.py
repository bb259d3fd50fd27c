"""Text to configuration and back: BalanceNG's language and TOML, what is wrong in them, and where. No sockets, no clock.

The names are found when they are first used: the wire's messages need two small types of this package, and a console
that only looks should not wait for two parsers.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from engine.config.balanceng import dump as dump_balanceng
    from engine.config.finding import Finding, Span
    from engine.config.findings import Positions
    from engine.config.model import Config
    from engine.config.source import Language, Loaded, language_of, load
    from engine.config.toml import dump as dump_toml

__all__ = [
    "Config",
    "Finding",
    "Language",
    "Loaded",
    "Positions",
    "Span",
    "dump_balanceng",
    "dump_toml",
    "language_of",
    "load",
]

_HOMES = {
    "Config": ("model", "Config"),
    "Finding": ("finding", "Finding"),
    "Language": ("source", "Language"),
    "Loaded": ("source", "Loaded"),
    "Positions": ("findings", "Positions"),
    "Span": ("finding", "Span"),
    "dump_balanceng": ("balanceng", "dump"),
    "dump_toml": ("toml", "dump"),
    "language_of": ("source", "language_of"),
    "load": ("source", "load"),
}

# Hidden from type checkers, which would take any misspelt name for one of these.
if not TYPE_CHECKING:

    def __getattr__(name: str) -> object:
        # Submodules come here too, before the import system looks for them; it wants this error for that.
        if name not in _HOMES:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        module, attribute = _HOMES[name]
        value = globals()[name] = getattr(import_module(f"{__name__}.{module}"), attribute)
        return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
