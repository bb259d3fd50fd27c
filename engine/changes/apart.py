"""Texts of monitors, read and compared in a process of their own: they may look, and cost nobody else anything.

A text that takes long to read takes this process's time and memory, not the engine's; it is the nicest on the host, has
few seconds, and there is one at a time for all monitors. It has no rights that an operator has: where the engine is root,
it is nobody.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import resource
import signal
import sys
from typing import TYPE_CHECKING, Any

import msgspec

from engine.api.messages import ConfigDiff
from engine.config.difference.compare import Flows, compare, unified
from engine.config.load import Language, load
from engine.domain.errors import OpError

if TYPE_CHECKING:
    from engine.config.difference.change import Change
    from engine.domain.actor import Actor

LONGEST_S = 8.0
"""For one text: the largest one that a configuration may be takes 3 s here, and consoles wait for 10."""

MEMORY_BYTES = 1 << 30

NOBODY = 65534


class Text(msgspec.Struct, kw_only=True):
    """A configuration as text; `file` is named in the findings, and tells the language where that is not given."""

    text: str
    file: str
    language: Language | None = None


class Question(msgspec.Struct, kw_only=True):
    """Check `new`, and say what going over to it from `old` changes, where there is one.

    `names` are those of both in the difference; `base` the number of the revision that `old` is.
    """

    new: Text
    old: Text | None = None
    base: int = 0
    names: tuple[str, str] = ("", "")
    interfaces: list[str] = []
    server_flows: dict[int, int] = {}
    target_flows: dict[int, int] = {}
    pair_flows: list[tuple[int, int, int]] = []


def answer(question: Question) -> ConfigDiff:
    """Return the findings of the new text, and the difference where there is an old one."""
    new = question.new
    loaded = load(new.text, new.file, language=new.language, host_interfaces=question.interfaces)
    changes: list[Change] = []
    difference = ""
    if (old := question.old) is not None:
        former = load(old.text, old.file, language=old.language).config
        if loaded.ok and loaded.config is not None and former is not None:
            flows = Flows(
                servers=question.server_flows,
                targets=question.target_flows,
                pairs={(server, target): count for server, target, count in question.pair_flows},
            )
            changes = compare(former, loaded.config, flows)
        difference = unified(old.text, new.text, *question.names)
    return ConfigDiff(base=question.base, changes=changes, unified=difference, findings=loaded.findings)


class Apart:
    """Asks such a process, one at a time."""

    def __init__(self, longest_s: float = LONGEST_S) -> None:
        self._longest_s = longest_s
        self._turn = asyncio.Semaphore(1)

    async def ask(self, question: Question, actor: Actor) -> ConfigDiff:
        """Return the answer. Raises OpError where it takes too long, or `actor` has gone before its turn."""
        async with self._turn:
            if actor.left():
                raise OpError("refused", "whoever asked has gone")
            return await self._ask(msgspec.msgpack.encode(question))

    async def _ask(self, asked: bytes) -> ConfigDiff:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-P", "-m", "engine.changes.apart"),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
        )
        try:
            async with asyncio.timeout(self._longest_s):
                told, _ = await process.communicate(asked)
            return msgspec.msgpack.decode(told, type=ConfigDiff)
        except (TimeoutError, msgspec.MsgspecError):
            message = f"the text takes too long to read, or too much memory (over {self._longest_s:g} s)"
            raise OpError("refused", f"{message}; ask on operator.sock, or use bng-engine check") from None
        finally:
            if process.returncode is None:
                with contextlib.suppress(ProcessLookupError):
                    process.kill()
                await process.wait()


def flows_of(flows: Flows) -> dict[str, Any]:
    """Return the fields of a question that say how many flows there are now."""
    return {
        "server_flows": dict(flows.servers),
        "target_flows": dict(flows.targets),
        "pair_flows": [(server, target, count) for (server, target), count in (flows.pairs or {}).items()],
    }


def main() -> None:
    """Answer the question that comes on standard input."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # an interrupt at the terminal is the engine's
    limit_oneself()
    question = msgspec.msgpack.decode(sys.stdin.buffer.read(), type=Question)
    sys.stdout.buffer.write(msgspec.msgpack.encode(answer(question)))


def limit_oneself() -> None:
    """Give up what reading a text does not need: rights, memory, time and precedence."""
    resource.setrlimit(resource.RLIMIT_CPU, (int(LONGEST_S), int(LONGEST_S) + 1))
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    os.nice(19)
    if not os.geteuid():
        with contextlib.suppress(OSError):  # in a user namespace that knows nobody
            os.setgroups([])
            os.setresgid(NOBODY, NOBODY, NOBODY)
            os.setresuid(NOBODY, NOBODY, NOBODY)


if __name__ == "__main__":
    main()
