"""`show ...`: what the engine knows, as a table or as JSON."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from bngtui.command import lists
from bngtui.command.spec import DONE, Argument, Call, Command, Option, positive
from bngtui.render import tables

if TYPE_CHECKING:
    from collections.abc import Callable

    from bngtui.command.session import Session
    from bngtui.render.grid import Style
    from engine.api.messages import Event, Sessions, State, Version


async def servers(session: Session, call: Call) -> int:
    """Print virtual servers, all or those of LIST."""
    state: State = await session.ask("state")
    wanted = _wanted(call, state.servers, "server")
    if session.as_json:
        session.say_json([one for one in state.servers if wanted is None or one.number in wanted])
    else:
        session.say(tables.servers(state, session.style, wanted))
    return DONE


async def targets(session: Session, call: Call) -> int:
    """Print targets, all or those of LIST with their checks."""
    state: State = await session.ask("state")
    wanted = _wanted(call, state.targets, "target")
    if session.as_json:
        session.say_json([one for one in state.targets if wanted is None or one.number in wanted])
    else:
        session.say(tables.targets(state, session.style, wanted))
    return DONE


async def sessions(session: Session, call: Call) -> int:
    """Print entries of the flow table."""
    client = call.options["--client"]
    answer: Sessions = await session.ask(
        "sessions",
        server=call.options["--server"],
        target=call.options["--target"],
        client=None if client is None else lists.address(client, "client"),
        limit=call.options["--limit"],
    )
    if session.as_json:
        session.say_json(answer.sessions)
    else:
        session.say(tables.sessions(answer, session.style))
    return DONE


async def events(session: Session, call: Call) -> int:
    """Print the kept events, the newest last."""
    kept: list[Event] = await session.ask("events", limit=call.options["--limit"])
    if session.as_json:
        session.say_json(kept)
    else:
        session.say(tables.events(kept, session.style))
    return DONE


async def version(session: Session, call: Call) -> int:  # noqa: ARG001 - as every command
    """Print the engine's version and host."""
    answer: Version = await session.ask("version")
    if session.as_json:
        session.say_json(answer)
    else:
        session.say(tables.version(answer, session.style))
    return DONE


async def conf(session: Session, call: Call) -> int:  # noqa: ARG001 - as every command
    """Print the running configuration in BalanceNG's language."""
    text: str = await session.ask("conf")
    if session.as_json:
        session.say_json({"text": text})
    else:
        session.out.write(text if text.endswith("\n") else text + "\n")
    return DONE


def _part(
    name: str,
    summary: str,
    data: Callable[[State], Any],
    draw: Callable[[State, Style], list[str]],
    aliases: tuple[str, ...] = (),
) -> Command:
    async def run(session: Session, call: Call) -> int:  # noqa: ARG001 - as every command
        state: State = await session.ask("state")
        if session.as_json:
            session.say_json(data(state))
        else:
            session.say(draw(state, session.style))
        return DONE

    return Command(("show", name), summary, run, aliases=aliases)


def _wanted(call: Call, things: Any, what: str) -> list[int] | None:
    text = call.args.get("LIST")
    return None if text is None else lists.picked(text, things, what)


_LIMIT = "at most N, the newest ones"

COMMANDS: tuple[Command, ...] = (
    Command(
        ("show", "servers"),
        "virtual servers, their state and traffic",
        servers,
        (Argument("LIST", "server", optional=True, many=True),),
        aliases=("vips",),
    ),
    Command(
        ("show", "targets"),
        "targets, their state and traffic",
        targets,
        (Argument("LIST", "target", optional=True, many=True),),
        details="With LIST every check of those targets stands below.",
    ),
    Command(
        ("show", "sessions"),
        "entries of the flow table",
        sessions,
        options=(
            Option("--server", "N", positive, None, "of one server"),
            Option("--target", "N", positive, None, "on one target"),
            Option("--client", "ADDRESS", str, None, "of one client"),
            Option("--limit", "N", positive, 1000, "at most N of them"),
        ),
    ),
    _part(
        "interfaces",
        "interfaces as the kernel has them",
        lambda state: state.interfaces,
        tables.interfaces,
    ),
    _part("networks", "networks of the configuration", lambda state: state.networks, tables.networks),
    _part("arp", "addresses answered for, resolved, in conflict", lambda state: state.arp, tables.arp),
    Command(
        ("show", "events"),
        "what happened, the newest last",
        events,
        options=(Option("--limit", "N", positive, 200, _LIMIT),),
        aliases=("log",),
    ),
    _part("modules", "modules in the order they see a frame", lambda state: state.modules, tables.modules),
    _part("vrrp", "who is master", lambda state: state.vrrp, tables.vrrp),
    _part("datapath", "what forwards, and what it dropped", lambda state: state.datapath, tables.datapath),
    Command(("show", "version"), "the engine's version and host", version),
    Command(
        ("show", "conf"),
        "the running configuration in BalanceNG's language",
        conf,
        aliases=("config", "configuration"),
    ),
)
