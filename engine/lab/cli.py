"""bng-lab: the example network in namespaces of its own, for exploring, testing and demonstrations."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from engine import __version__, streams
from engine.lab import addressing, namespaces
from engine.lab.namespaces import LabError

if TYPE_CHECKING:
    from typing import NoReturn

DEMO_PREFIX = "bng-demo-"


def main() -> int:
    """Run the command line; returns the exit status (2 for a wrong command line)."""
    return streams.run("bng-lab", _main)


def _main() -> int:
    head, dashes, tail = _split(sys.argv[1:])
    parser = _parser()
    args = parser.parse_args(head)
    if args.command == "exec":
        args.argv += tail
        if not args.argv:
            parser.error("exec: no command; bng-lab exec NODE -- COMMAND")
    elif dashes:
        parser.error("only exec takes a command after --")
    try:
        return int(args.run(args) or 0)
    except LabError as error:
        print(f"bng-lab: {error}", file=sys.stderr)
        return 1


def _split(argv: list[str]) -> tuple[list[str], bool, list[str]]:
    """Split at the first `--`: what follows belongs to another program, whatever argparse makes of it."""
    if "--" not in argv:
        return argv, False, []
    at = argv.index("--")
    return argv[:at], True, argv[at + 1 :]


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="bng-lab", description=__doc__)
    parser.add_argument("--version", action="version", version=f"%(prog)s {__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument(
        "--prefix", default="bng", help="names are PREFIX-client, PREFIX-router ... (%(default)s)"
    )

    up = commands.add_parser("up", parents=[common], help="build the network")
    up.set_defaults(run=_up)
    down = commands.add_parser("down", parents=[common], help="remove it, or what is left of it")
    down.set_defaults(run=_down)
    execute = commands.add_parser(
        "exec", parents=[common], help="run a command in a node: exec NODE -- COMMAND"
    )
    execute.add_argument("node", choices=addressing.NODES, help="where")
    execute.add_argument(
        "argv", nargs="*", metavar="COMMAND", help="what; bng-engine, bngctl and bngtui are found"
    )
    execute.set_defaults(run=_exec)
    traffic = commands.add_parser(
        "traffic", parents=[common], help="HTTP requests from the client's addresses"
    )
    traffic.add_argument("--requests", type=int, help="how many (1000, unless --seconds is given)")
    traffic.add_argument("--rate", type=float, default=0.0, help="a second; 0: as fast as they are answered")
    traffic.add_argument("--seconds", type=float, help="stop after this time")
    traffic.add_argument(
        "--sources", type=int, default=len(addressing.CLIENT_SOURCES), help="addresses (%(default)s)"
    )
    traffic.add_argument("--host", default=addressing.VIP, help="whom it asks (%(default)s)")
    traffic.add_argument("--path", default="/", help="what it asks for (%(default)s)")
    traffic.add_argument(
        "--json", action="store_true", help="print {asked, answered: {target: n}, failed: {why: n}}"
    )
    traffic.set_defaults(run=_traffic)
    demo = commands.add_parser("demo", help="network, engine, traffic and dashboard; all gone on exit")
    demo.add_argument(
        "--seconds", type=float, default=15.0, help="without a terminal: run so long (%(default)s)"
    )
    demo.add_argument(
        "--prefix",
        default=f"{DEMO_PREFIX}{os.getpid()}",
        help="names are PREFIX-client, PREFIX-router ... (%(default)s)",
    )
    demo.set_defaults(run=_demo)
    return parser


# -- commands -------------------------------------------------------------------------------------------------------


def _up(args: argparse.Namespace) -> None:
    from engine.lab import holder, processes
    from engine.lab.topology import Lab

    lab = Lab(args.prefix)
    hidden = bool(namespaces.missing_capabilities())
    if hidden:
        note = holder.Note(args.prefix)
        if note.holder():
            raise LabError(f"lab {args.prefix!r} is already up: bng-lab down --prefix {args.prefix}")
        try:
            held = holder.start(note)
        except LabError:
            note.remove()
            raise
        try:
            namespaces.join(held.pid)
            lab.up()
            note.write([held, *lab.members()])
        except BaseException:
            processes.end([held])
            note.remove()
            raise
    else:
        lab.up()
    lab.leave_running()
    option = "" if args.prefix == "bng" else f" --prefix {args.prefix}"
    print(f"up: {' '.join(lab.name(node) for node in addressing.NODES)}")
    print(
        f"client {addressing.CLIENT_SOURCES[0]} .. {addressing.CLIENT_SOURCES[-1]} -> router -> {addressing.VIP} (once an engine runs)"
    )
    print(f"look in:  bng-lab exec{option} client -- COMMAND     nodes: {' '.join(addressing.NODES)}")
    print(f"engine:   bng-lab exec{option} lb -- bng-engine run sample_configs/dsr.conf")
    print(f"traffic:  bng-lab traffic{option}")
    print(f"web logs: {lab.state_dir}/*.access.log{' (seen through bng-lab exec)' if hidden else ''}")
    print(f"remove:   bng-lab down{option}")


def _down(args: argparse.Namespace) -> None:
    from engine.lab import holder, processes
    from engine.lab.topology import Lab

    lab = Lab(args.prefix)
    if not namespaces.missing_capabilities():
        lab.down()
        return
    note = holder.Note(args.prefix)
    known = note.read()
    if held := note.holder():
        namespaces.join(held.pid)
        lab.down()
    processes.end(known)
    note.remove()


def _join(prefix: str) -> None:
    """Enter the namespaces of a lab of that prefix; LabError if there is none."""
    from engine.lab import holder
    from engine.lab.topology import Lab

    if namespaces.missing_capabilities():
        held = holder.Note(prefix).holder()
        if held is None:
            raise LabError(f"no lab {prefix!r} is up: bng-lab up --prefix {prefix}")
        namespaces.join(held.pid)
    if not Lab(prefix).is_up():
        raise LabError(f"no lab {prefix!r} is up: bng-lab up --prefix {prefix}")


def _exec(args: argparse.Namespace) -> NoReturn:
    from engine.lab.topology import Lab

    _join(args.prefix)
    os.environ["PATH"] = f"{os.environ.get('PATH', os.defpath)}:{Path(sys.executable).parent}"
    namespaces.become(Lab(args.prefix).netns_path(args.node), args.argv)


def _traffic(args: argparse.Namespace) -> NoReturn:
    from engine.lab import traffic
    from engine.lab.topology import Lab

    _join(args.prefix)
    if not 1 <= args.sources <= len(addressing.CLIENT_SOURCES):
        raise LabError(f"--sources is from 1 to {len(addressing.CLIENT_SOURCES)}")
    command = [sys.executable, "-I", traffic.__file__, "--host", args.host, "--path", args.path]
    command += ["--rate", str(args.rate)]
    requests = 1000 if args.requests is None and args.seconds is None else args.requests
    if requests is not None:
        command += ["--requests", str(requests)]
    if args.seconds is not None:
        command += ["--seconds", str(args.seconds)]
    if args.json:
        command.append("--json")
    for source in addressing.CLIENT_SOURCES[: args.sources]:
        command += ["--source", source]
    namespaces.become(Lab(args.prefix).netns_path("client"), command)


def _demo(args: argparse.Namespace) -> int:
    from engine.lab import demo, holder, processes

    if not namespaces.missing_capabilities():
        return demo.run(args.prefix, args.seconds)
    note = holder.Note(args.prefix)
    me = processes.identify(os.getpid())
    try:
        if me is not None:
            note.write([me])
        namespaces.become_namespace_root()
        return demo.run(args.prefix, args.seconds)
    finally:
        note.remove()


if __name__ == "__main__":
    sys.exit(main())
