"""The two lines at the top: who this is and how fresh the picture is; what flows and what is wrong."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from bngtui.render.states import SEVERITY
from bngtui.render.text import Line, Role, Span, clean, fit_spans, spread, told_of, width_of
from bngtui.render.trial import Trial, differs_span, trial_spans
from bngtui.render.units import age, count, short, uptime

if TYPE_CHECKING:
    from engine.api.messages import State

STALE_AFTER_S = 3.0
"""The engine publishes about once a second: three missed readings are not an accident."""


_ROLE_OF: dict[str, Role] = {"master": "accent", "backup": "text", "init": "warning"}


@dataclass(frozen=True)
class Freshness:
    """How this console stands to the engine. Ages in seconds; None: there is no reading yet.

    `held_s` is the age of a picture that the operator holds; None: none is held.
    """

    connection: Literal["connecting", "up", "down"]
    age_s: float | None
    seen: str | None = None  # clock time of the last reading, HH:MM:SS and its zone
    trouble: str = ""  # why the engine is not reachable
    held_s: float | None = None
    read_only: bool = False

    @property
    def stale(self) -> bool:
        """Whether what is on the screen may no longer be so."""
        return self.connection != "up" or self.age_s is None or self.age_s >= STALE_AFTER_S


_NOT_REACHABLE = Span("✖ engine not reachable", "down")


def freshness_span(fresh: Freshness) -> Span:
    """Say how fresh the picture is, in words that change only when something is wrong."""
    if fresh.age_s is None:
        return Span("… connecting", "muted") if fresh.connection != "down" else _NOT_REACHABLE
    if fresh.connection != "up":
        return Span(f"{_NOT_REACHABLE.text}, last seen {fresh.seen or '?'}, {age(fresh.age_s)} ago", "down")
    if fresh.stale:
        return Span(f"▲ data {age(fresh.age_s)} old", "warning")
    return Span("● live", "up")


def _freshness(fresh: Freshness) -> list[Span]:
    """Return what is said of the picture: that it is held, and of the engine behind it what is not well."""
    held = [] if fresh.held_s is None else [Span(f"■ frozen {age(fresh.held_s)}", "accent")]
    return held if held and not fresh.stale else [freshness_span(fresh), *held]


def paint_header(
    state: State | None,
    fresh: Freshness,
    width: int,
    trial: Trial | None = None,
    *,
    live: State | None = None,
) -> list[Line]:
    """Draw two lines of `width` cells; a change that waits to be confirmed comes before the numbers.

    `live` is the newest reading where `state` is a picture that is held: who this is and what is wrong come from it.
    """
    return [_who(live or state, fresh, width), _flow(state, live or state, fresh, width, trial)]


def _who(state: State | None, fresh: Freshness, width: int) -> Line:
    gap = Span("   ")
    right: list[Span] = []
    if fresh.read_only:
        right += [Span("READ-ONLY", "accent"), gap]
    if state is None:
        who = [Span(" bngtui", "strong"), gap, freshness_span(fresh)]
        return Line(spread(who, right, width), "bar")
    host = Span(f" {clean(state.hostname)}", "strong")
    role = _role(state, fresh)
    links = ", ".join(state.datapath.interfaces)
    where = Span(f"{state.datapath.kind} on {links}" if links else state.datapath.kind)
    up = Span(f"up {uptime(state.uptime_s)}")
    full = _freshness(fresh)
    # An engine that is not reachable was seen when its role says so: the time can go first.
    bare = [_NOT_REACHABLE if span.text.startswith(_NOT_REACHABLE.text) else span for span in full]
    right += [_alarms(state, fresh), Span(" ")]
    # From the fullest to the barest. What says that the picture is old is never cut.
    choices = ([role, where, up, *full], [role, up, *full], [role, *full], [role, *bare], bare)
    left: list[Span] = []
    for choice in choices:
        left = [host]
        for span in choice:
            left += [gap, span]
        if width_of(left) + width_of(right) < width:
            return Line(spread(left, right, width), "bar")
    return Line(spread(left, right[:-2], width), "bar")


def _role(state: State, fresh: Freshness) -> Span:
    """Return the node's role; where it may be another one by now, since when it is not known."""
    word = state.role.upper()
    if fresh.stale and fresh.age_s is not None:
        return Span(f"{word} {age(fresh.age_s)} ago", "muted")
    return Span(word, _ROLE_OF[state.role])


def _alarms(state: State, fresh: Freshness) -> Span:
    number = len(state.alarms)
    if fresh.stale:
        then = f", {number} then" if number else ""
        return Span(f"? alarms unknown{then}", "unknown")
    if not state.alarms:
        return Span("no alarms", "muted")
    worst = min((SEVERITY[alarm.severity] for alarm in state.alarms), key=lambda mark: mark.rank)
    noun = "alarm" if number == 1 else "alarms"
    return Span(f"{worst.glyph} {number} {noun}, {worst.word}", worst.role)


def _flow(state: State | None, live: State | None, fresh: Freshness, width: int, trial: Trial | None) -> Line:
    if state is None or live is None:
        return Line(fit_spans((), width))
    ahead = trial_spans(trial) if trial is not None and fresh.connection == "up" else []
    if ahead:
        ahead.append(Span("   "))
        # Half a number says nothing: what runs in is cut off here, where there is no room for the packets.
        if width - width_of(ahead) < 40:
            return Line(fit_spans(ahead, width))
    path = state.datapath
    spans = [
        Span(" in ", "muted"),
        Span(short(path.received_pps)),
        Span("  out ", "muted"),
        Span(short(path.forwarded_pps)),
        Span("  dropped ", "muted"),
        Span(short(path.dropped_pps), "warning" if path.dropped_pps >= 0.05 else "text"),
        Span(" pkt/s  sessions ", "muted"),
        Span(count(path.sessions)),
    ]
    # What is half open takes its place in the table, too.
    if path.sessions_max and path.sessions + path.half_open > path.sessions_max * 0.9:
        if path.half_open:
            spans.append(Span(f" + {short(path.half_open)} half open", "warning"))
        spans.append(Span(f" of {short(path.sessions_max)}", "warning"))
    if fresh.stale and fresh.age_s is not None:
        spans = [Span(span.text, "muted") for span in spans]
    spans = [*ahead, *spans]
    note = Span(clean(fresh.trouble), "warning") if fresh.trouble else _note(live, fresh)
    if note is not None:
        room = width - width_of(spans) - 4
        if room > 12:
            spans += [Span("    "), *fit_spans([note], room)]
    return Line(fit_spans(spans, width))


def _note(state: State, fresh: Freshness) -> Span | None:
    """Return the worst alarm in words; on a quiet node that states differ, or that the first checks still run."""
    if state.alarms:
        alarm = min(state.alarms, key=lambda one: SEVERITY[one.severity].rank)
        return Span(
            told_of(alarm.subject, alarm.message), "muted" if fresh.stale else SEVERITY[alarm.severity].role
        )
    if not state.first_round_done:
        return Span("first checks are running", "muted")
    if state.config is not None and state.config.differs:
        return differs_span(state.config.differs, may_save=not fresh.read_only)
    return None
