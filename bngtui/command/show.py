"""`show ...`: what the engine knows, as a table or as JSON."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from bngtui.command import config, lists
from bngtui.command.spec import DONE, Argument, Call, Command, Option, UsageError, duration, positive
from bngtui.render.printed import changes, network, node
from bngtui.render.printed.duties import duties as duties_table
from bngtui.render.printed.events import events as events_table
from bngtui.render.printed.processes import processes as processes_table
from bngtui.render.printed.servers import servers as servers_table
from bngtui.render.printed.sessions import sessions as sessions_table
from bngtui.render.printed.targets import targets as targets_table
from bngtui.render.printed.trend import trend as trend_table

if TYPE_CHECKING:
    from collections.abc import Callable

    from bngtui.command.session import Session
    from bngtui.render.printed.table import Style
    from engine.api.messages import (
        Event,
        Pending,
        ProcessState,
        Revision,
        RunningConfig,
        Sessions,
        State,
        Trend,
        Version,
    )


async def servers(session: Session, call: Call) -> int:
    """Print virtual servers, all or those of LIST."""
    state = await _state(session)
    wanted = _wanted(call, state.servers, "server")
    if session.as_json:
        session.say_json([one for one in state.servers if wanted is None or one.number in wanted])
    else:
        session.say(servers_table(state, session.style, wanted))
    return DONE


async def targets(session: Session, call: Call) -> int:
    """Print targets, all or those of LIST with their checks."""
    state = await _state(session)
    wanted = _wanted(call, state.targets, "target")
    if session.as_json:
        session.say_json([one for one in state.targets if wanted is None or one.number in wanted])
    else:
        session.say(targets_table(state, session.style, wanted))
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
        session.say(sessions_table(answer, session.style))
    return DONE


async def events(session: Session, call: Call) -> int:
    """Print the kept events, the newest last."""
    kept: list[Event] = await session.ask("events", limit=call.options["--limit"])
    if session.as_json:
        session.say_json(kept)
    else:
        session.say(events_table(kept, session.style))
    return DONE


async def trend(session: Session, call: Call) -> int:
    """Print how one target, one server or the datapath went."""
    what, number = call.options, 0
    asked = [name for name in ("target", "server") if what[f"--{name}"] is not None]
    if len(asked) > 1:
        raise UsageError("--target or --server, one of them")
    subject = asked[0] if asked else "datapath"
    if asked:
        number = what[f"--{subject}"]
    answer: Trend = await session.ask(
        "trend", what=subject, number=number, seconds=what["--last"], step_s=what["--step"]
    )
    if session.as_json:
        session.say_json(answer)
    else:
        session.say(trend_table(answer, session.style, states=bool(asked)))
    return DONE


async def version(session: Session, call: Call) -> int:  # noqa: ARG001 - as every command
    """Print the engine's version and host."""
    answer: Version = await session.ask("version")
    if session.as_json:
        session.say_json(answer)
    else:
        session.say(node.version(answer, session.style))
    return DONE


async def processes(session: Session, call: Call) -> int:  # noqa: ARG001 - as every command
    """Print the engine's processes, and what each may do."""
    answer: list[ProcessState] = await session.ask("processes")
    if session.as_json:
        session.say_json(answer)
    else:
        session.say(processes_table(answer, session.style))
    return DONE


async def conf(session: Session, call: Call) -> int:
    """Print the running configuration, as it was accepted or in canonical form."""
    if call.options["--canonical"]:
        text: str = await session.ask("conf")
        if session.as_json:
            session.say_json({"text": text})
        else:
            session.say_text(text)
        return DONE
    running: RunningConfig = await session.ask("running")
    if session.as_json:
        session.say_json(running)
    else:
        session.say_text(running.text)
        _hint(session, running.pending)
    return DONE


async def revision(session: Session, call: Call) -> int:
    """Print the text of one revision, byte for byte."""
    answer: Revision = await session.ask("revision", revision=config.revision(call.args["N"]))
    if session.as_json:
        session.say_json(answer)
    else:
        session.say_text(answer.text or "")
    return DONE


async def _state(session: Session) -> State:
    """Ask for the state; who looks at a terminal is told of a change under trial, and of what the file says else."""
    state: State = await session.ask("state")
    if state.config is not None:
        _hint(session, state.config.pending)
        if state.config.differs and session.err.isatty():
            session.note(changes.differing(state.config.differs))
    return state


def _hint(session: Session, pending: Pending | None) -> None:
    if pending is not None and session.err.isatty():
        session.note(changes.waiting(pending))


def _part(
    name: str,
    summary: str,
    data: Callable[[State], Any],
    draw: Callable[[State, Style], list[str]],
    aliases: tuple[str, ...] = (),
) -> Command:
    async def run(session: Session, call: Call) -> int:  # noqa: ARG001 - as every command
        state = await _state(session)
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
        details="With LIST every check of those targets is shown, too.",
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
        network.interfaces,
    ),
    _part("networks", "networks of the configuration", lambda state: state.networks, network.networks),
    _part("arp", "addresses answered for, resolved, in conflict", lambda state: state.arp, network.arp),
    Command(
        ("show", "events"),
        "what happened, the newest last",
        events,
        options=(Option("--limit", "N", positive, 200, _LIMIT),),
        aliases=("log",),
    ),
    Command(
        ("show", "trend"),
        "how it went: traffic, flows, round trips, state",
        trend,
        options=(
            Option("--target", "N", positive, None, "of one target"),
            Option("--server", "N", positive, None, "of one server; of neither: of all together"),
            Option("--last", "TIME", duration, 600, "so far back: 90, 10m, 3h, 2d"),
            Option(
                "--step", "TIME", duration, 10, "no finer than this: 1 (10 minutes back), 10 (3h), 1m (2d)"
            ),
        ),
    ),
    _part("alarms", "what is wrong now, the worst first", lambda state: state.alarms, node.alarms),
    _part("modules", "modules in the order they see a frame", lambda state: state.modules, node.modules),
    _part(
        "duties",
        "what the engine does all the time, and when it last did",
        lambda state: state.duties,
        duties_table,
    ),
    _part("vrrp", "who is master", lambda state: state.vrrp, node.vrrp),
    _part("datapath", "what forwards, and what it dropped", lambda state: state.datapath, node.datapath),
    Command(("show", "processes"), "the engine's processes, and what each may do", processes),
    Command(("show", "version"), "the engine's version and host", version),
    Command(
        ("show", "conf"),
        "the running configuration, as it was accepted",
        conf,
        options=(
            Option(
                "--canonical",
                "",
                str,
                False,
                "in BalanceNG's language, without comments, as the engine sees it",
            ),
        ),
        aliases=("config", "configuration"),
        details="With --json: text, revision, language, file, and what waits to be confirmed.",
    ),
    Command(
        ("show", "revision"),
        "the text of a revision, byte for byte",
        revision,
        (Argument("N"),),
    ),
)
