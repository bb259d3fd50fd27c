"""Alarms about servers and targets: one for each cause, however many it concerns. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from engine.domain.notices import Alarm
from engine.domain.reason import MAX_NAMED, Reason
from engine.modules.slb.eligibility import Service

if TYPE_CHECKING:
    from collections.abc import Hashable, Mapping

    from engine.domain.address import Address
    from engine.domain.notices import EventSeverity
    from engine.domain.reason import Cause
    from engine.modules.slb.eligibility import Decisions


def alarms(made: Decisions, addresses: Mapping[int, Address]) -> list[Alarm]:
    """Return what is wrong with servers and targets, each cause once; `addresses` are the targets'.

    What concerns several in the same way is one alarm with their number: a switch that fails is one thing to mend.
    """
    unserved: dict[int, Cause] = {}
    for number, decision in made.servers.items():
        cause = decision.reason
        if made.service(number) is Service.NOBODY and cause and cause.reason is not Reason.DISABLED:
            unserved[number] = cause
    down = {
        number: standing.cause
        for number, standing in made.standings.items()
        if standing.health == "down" and standing.admin != "disabled" and standing.cause is not None
    }
    out: dict[int, dict[int, Cause]] = {}  # by server
    for (server, target), cause in made.out_of.items():
        if made.standings[target].admin != "disabled":
            out.setdefault(server, {})[target] = cause
    found = _of("error", "server", "{} nobody", unserved, {})
    found += _of("warning", "target", "{} down", down, addresses)
    for server, causes in out.items():
        found += _of("warning", "target", f"{{}} out of server {server}", causes, addresses)
    return found


def _of(
    severity: EventSeverity,
    what: str,
    is_so: str,
    causes: Mapping[int, Cause],
    addresses: Mapping[int, Address],
) -> list[Alarm]:
    """Return an alarm for each cause that is the same but for the address of whom it concerns."""
    groups: dict[Hashable, list[int]] = {}
    for number, cause in causes.items():
        own = str(addresses.get(number, ""))
        groups.setdefault(_alike(cause, own), []).append(number)
    return [_alarm(severity, what, is_so, numbers, causes[numbers[0]]) for numbers in groups.values()]


def _alike(cause: Cause, own: str) -> Hashable:
    """Return what two causes have in common that are to be mended at one place."""
    if cause.reason is Reason.NO_TARGET_FIT:
        return cause.reason  # the targets' own alarms say why
    error = (cause.error or "").replace(own, "") if own else cause.error
    parts = frozenset(_alike(part, own) for part in cause.parts)
    return (cause.reason, error, cause.check, cause.network, cause.server, parts)


def _alarm(severity: EventSeverity, what: str, is_so: str, numbers: list[int], cause: Cause) -> Alarm:
    verb = {"server": "serves", "servers": "serve"}
    if len(numbers) == 1:
        subject = f"{what} {numbers[0]}"
        text = is_so.format(verb.get(what, "")).strip()
        return Alarm(severity=severity, subject=subject, message=f"{subject} {text}: {cause}")
    subject = f"{len(numbers)} {what}s"
    text = is_so.format(verb.get(f"{what}s", "")).strip()
    named = ", ".join(map(str, numbers[:MAX_NAMED]))
    more = len(numbers) - MAX_NAMED
    who = f"{what} {named}" + (f" and {more} more" if more > 0 else "")
    return Alarm(
        severity=severity,
        subject=subject,
        message=f"{subject} {text}: {cause}, and so on ({who})",
        count=len(numbers),
        subjects=[f"{what} {number}" for number in numbers],
    )
