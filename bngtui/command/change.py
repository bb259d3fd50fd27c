"""`enable`, `disable`, `drain`: operational state, kept apart from the configuration file."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from bngtui.command import lists
from bngtui.command.spec import DONE, Argument, Call, Command

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
    "drain": "Known flows stay until they end, new ones go elsewhere.",
}


def _command(action: Action, what: What) -> Command:
    async def run(session: Session, call: Call) -> int:
        text = call.args["LIST"]
        client = await session.client(changes=True)
        things = []
        if lists.has_names(text):
            state = await client.request("state")
            things = state.targets if what == "target" else state.servers
        numbers = lists.numbers(text, things, what)
        result: AdminResult = await client.request("admin", what=what, action=action, numbers=numbers)
        if session.as_json:
            session.say_json(result)
        else:
            session.say(
                f"{what} {number}: {'' if number in result.changed else 'already '}{_STATE[action]}"
                for number in numbers
            )
        return DONE

    return Command(
        (action, what),
        _SUMMARY[action, what],
        run,
        (Argument("LIST", what, many=True),),
        details=f"LIST is like 1,2 or 1-4; names do as well. {_EFFECT[action] if what == 'target' else ''}".strip(),
    )


COMMANDS: tuple[Command, ...] = tuple(_command(action, what) for action, what in _SUMMARY)
