"""A small engine without packets: the real Server with states that the test writes. Run it to look at the console.

python -m tests.helpers.fake_engine RUN_DIR [--targets N] [--still]
"""

from __future__ import annotations

import argparse
import asyncio
import random
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from engine.api.messages import AdminResult, Event, State
from engine.api.server import Server
from engine.domain.errors import OpError
from tests.helpers.console_states import EVENTS, busy_state, make_event, make_state, move

if TYPE_CHECKING:
    from engine.api.ops import AdminArgs
    from engine.domain.actor import Actor


class FakeEngine:
    """A Backend whose state is what the test says. `calls` records what consoles asked to change.

    Like a real one it publishes every second, until `silent`.
    """

    engine_version = "0.1.0"
    hostname = "lb1"

    def __init__(self, run_dir: Path, state: State | None = None, events: list[Event] | None = None) -> None:
        self.current = state or make_state()
        self.kept = list(EVENTS if events is None else events)
        self.calls: list[tuple[AdminArgs, Actor]] = []
        self.refusal: OpError | None = None
        self.silent = False
        self.server = Server(self, run_dir)

    @property
    def boot_id(self) -> str:
        return self.current.boot_id

    def state(self) -> State:
        return self.current

    def events(self, since: int, limit: int) -> list[Event]:
        return [event for event in self.kept if event.id > since][-limit:]

    async def call(self, op: str, args: Any, actor: Actor) -> Any:
        if op != "admin":
            raise OpError("refused", "the fake engine does not do this")
        self.calls.append((args, actor))
        if self.refusal is not None:
            raise self.refusal
        words = {"enable": "enabled", "disable": "disabled", "drain": "draining"}
        members = self.current.targets if args.what == "target" else self.current.servers
        changed = []
        for member in members:
            if member.number in args.numbers and member.admin != words[args.action]:
                member.admin = words[args.action]
                member.operational = args.action == "enable" and getattr(member, "health", "up") == "up"
                changed.append(member.number)
        for number in changed:
            self.happen(
                kind="admin", subject=f"{args.what} {number}", message=words[args.action], actor=actor.text
            )
        self.publish()
        return AdminResult(changed=changed, unchanged=[n for n in args.numbers if n not in changed])

    def publish(self, **changes: Any) -> None:
        self.current = msgspec.structs.replace(self.current, **changes)
        self.server.publish_state(self.current)

    def happen(self, **changes: Any) -> None:
        number = self.kept[-1].id + 1 if self.kept else 1
        self.kept.append(make_event(number, **changes))
        self.server.publish_event(self.kept[-1])

    async def _publish(self) -> None:
        while True:
            await asyncio.sleep(1)
            if not self.silent:
                self.publish()

    async def __aenter__(self):
        await self.server.start()
        self._publishing = asyncio.create_task(self._publish(), name="publish")
        return self

    async def __aexit__(self, *_: object) -> None:
        self._publishing.cancel()
        await self.server.close()


async def run(run_dir: Path, count: int, *, still: bool) -> None:
    chance = random.Random(7)
    async with FakeEngine(run_dir, busy_state(count)) as engine:
        while True:
            await asyncio.sleep(1)
            if still:
                engine.publish(uptime_s=engine.current.uptime_s + 1)
            else:
                engine.publish(
                    **{
                        f: getattr(new, f)
                        for new in [move(engine.current, chance)]
                        for f in new.__struct_fields__
                    }
                )


if __name__ == "__main__":
    parse = argparse.ArgumentParser()
    parse.add_argument("run_dir", type=Path)
    parse.add_argument("--targets", type=int, default=40)
    parse.add_argument("--still", action="store_true")
    options = parse.parse_args()
    options.run_dir.mkdir(parents=True, exist_ok=True)
    asyncio.run(run(options.run_dir, options.targets, still=options.still))
