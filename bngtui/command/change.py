"""`enable`, `disable`, `drain`: operational state, kept apart from the configuration file."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from bngtui.command import lists
from bngtui.command.spec import DONE, Argument, Call, Command, Option, UsageError
from bngtui.render.printed.changes import not_in_force

if TYPE_CHECKING:
    from bngtui.command.session import Session
    from engine.api.messages import AdminResult

What = Literal["target", "server"]
Action = Literal["enable", "disable", "drain"]

_STATE: dict[Action, str] = {"enable": "enabled", "disable": "disabled", "drain": "draining"}
_SUMMARY: dict[tuple[Action, What], str] = {
    ("enable", "target"): "give targets new flows again",
    ("disable", "target"): "take targets out at once",
    ("drain", "target"): "let targets finish what they have",
    ("enable", "server"): "balance virtual servers again",
    ("disable", "server"): "stop balancing virtual servers",
}
_EFFECT: dict[Action, str] = {
    "enable": "It gets new flows again as soon as its checks pass.",
    "disable": "Its flows go elsewhere with their next packet.",
    "drain": "Known flows stay until they end, new ones go elsewhere. `drain target 2 within 300` ends those that are "
    "left after 300 s, as --within does; where neither is said, the target's word drainwithin counts.",
}


def _seconds(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) < 8):
        raise ValueError(f"{text!r} is not a whole number of seconds")
    return int(text)


_WITHIN = Option("--within", "S", _seconds, None, "end the flows that are left after S seconds, 0: never")


def _split(text: str) -> tuple[str, int | None]:
    """Part a list from `within S` behind it, as it is said at the prompt."""
    numbers, word, behind = text.lower().partition(",within")
    if not word:
        return text, None
    try:
        return text[: len(numbers)], _seconds(behind.removeprefix(","))
    except ValueError as error:
        raise UsageError(f"within: {error}") from None


def _command(action: Action, what: What) -> Command:
    drains = action == "drain"

    async def run(session: Session, call: Call) -> int:
        text, within_s = call.args["LIST"], None
        if drains:
            text, said = _split(text)
            within_s = call.options["--within"] if said is None else said
        client = await session.client(changes=True)
        things = []
        if lists.has_names(text):
            state = await client.request("state")
            things = state.targets if what == "target" else state.servers
        numbers = lists.numbers(text, things, what)
        within = {} if within_s is None else {"within_s": within_s}
        result: AdminResult = await client.request(
            "admin", what=what, action=action, numbers=numbers, **within
        )
        end = f", for {within_s} s at most" if within_s else ""
        if session.as_json:
            session.say_json(result)
        else:
            session.say(
                f"{what} {number}: {'' if number in result.changed else 'already '}{_STATE[action]}{end}"
                for number in numbers
            )
            session.say(not_in_force(result, session.style))
        return DONE

    return Command(
        (action, what),
        _SUMMARY[action, what],
        run,
        (Argument("LIST", what, many=True),),
        (_WITHIN,) if drains else (),
        details=f"LIST is like 1,2 or 1-4; names do as well. {_EFFECT[action] if what == 'target' else ''}".strip(),
    )


COMMANDS: tuple[Command, ...] = tuple(_command(action, what) for action, what in _SUMMARY)
