"""Text to configuration and back: BalanceNG's language and TOML, what is wrong in them, and where. No sockets, no clock."""

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
