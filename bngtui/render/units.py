"""Numbers as people read them: short, of steady width, and the same everywhere on the screen."""

from __future__ import annotations

from bngtui.render.zone import in_zone

_STEPS = ((1e15, "P"), (1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k"))


FRESH_S = 5.0
"""A check answered this lately is simply fresh: it is asked every few seconds."""


def short(value: float) -> str:
    """Return at most five characters with three digits that count: ``0``, ``999``, ``1.23k``, ``45.6M``."""
    if value < 0:
        return "-" + short(-value)
    if 0 < value < 0.95:
        return f"{max(value, 0.1):.1f}"
    for step, unit in _STEPS:
        # 999.95k would round to four digits, so the next unit starts a little before it.
        if value >= step * 0.9995:
            scaled = value / step
            if scaled < 9.995:
                return f"{scaled:.2f}{unit}"
            if scaled < 99.95:
                return f"{scaled:.1f}{unit}"
            return f"{scaled:.0f}{unit}"
    return f"{value:.0f}"


def count(value: int) -> str:
    """Return a number of things: exact with commas below a million, short above."""
    return f"{value:,}" if abs(value) < 1_000_000 else short(value)


def rtt(value_ms: float) -> str:
    """Return a round-trip time with two digits that count, so that noise does not redraw the screen."""
    if value_ms < 0.095:
        return f"{value_ms:.2f} ms"
    if value_ms < 9.95:
        return f"{value_ms:.1f} ms"
    if value_ms < 999.5:
        return f"{value_ms:.0f} ms"
    return f"{value_ms / 1000:.1f} s"


def age(value_s: float) -> str:
    """Return how long ago, in the largest unit that says it: ``7 s``, ``12 min``, ``5 h``, ``3 d``."""
    seconds = max(0, int(value_s))
    if seconds < 120:
        return f"{seconds} s"
    if seconds < 7200:
        return f"{seconds // 60} min"
    if seconds < 172_800:
        return f"{seconds // 3600} h"
    return f"{seconds // 86_400} d"


def check_age(value_s: float) -> str:
    """Return the age of a check's last answer.

    Below five seconds it is one word: a check that is asked every few seconds counts up and down all the time,
    and a number that always moves and never matters hides the one that does.
    """
    return "<5 s" if value_s < FRESH_S else age(value_s)


def uptime(value_s: float) -> str:
    """Return a running time: seconds in the first two minutes, then minutes, then two units."""
    seconds = max(0, int(value_s))
    minutes, hours, days = seconds // 60, seconds // 3600, seconds // 86_400
    if seconds < 120:
        return f"{seconds} s"
    if hours < 1:
        return f"{minutes} min"
    if days < 1:
        return f"{hours} h {minutes % 60:02d} min"
    return f"{days} d {hours % 24} h"


def clock(rfc3339: str) -> str:
    """Return ``HH:MM:SS`` of an RFC 3339 time in the zone in use; unreadable text as it is."""
    _, mark, rest = in_zone(rfc3339).partition("T")
    return rest[:8] if mark and len(rest) >= 8 else rfc3339[:8]


def percent(part: int, whole: int) -> str:
    """Return a share in whole percents, of which 0 and 100 are nothing and all: ``92 %``."""
    share = 100 * part / whole if whole else 0.0
    return f"{min(99, max(1, round(share))) if 0 < part < whole else round(share)} %"


def plural(number: int, word: str) -> str:
    """Return ``1 session``, ``2 sessions``, ``no sessions``."""
    if number == 1:
        return f"1 {word}"
    return f"{count(number) if number else 'no'} {word}s"


def endpoint(address: str, port: int) -> str:
    """Return ``address:port``, with brackets around IPv6; port 0 is every port."""
    host = f"[{address}]" if ":" in address else address
    return f"{host}:{port}" if port else f"{host}:any"
