"""The fake engine with a configuration: real checks, real transactions, real revisions; only nothing forwards.

Run it to look at the editor: python -m tests.helpers.config_engine RUN_DIR [FILE]
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from engine.api.ops import (
    ApplyArgs,
    CheckArgs,
    CommandArgs,
    ConfirmArgs,
    DiffArgs,
    RevisionArgs,
    RevisionDiffArgs,
    RollbackArgs,
)
from engine.changes.configuration import recall
from engine.changes.revisions import RevisionStore
from engine.changes.transactions import Transactions
from engine.config.difference.compare import Flows
from engine.config.load import load
from engine.domain.actor import Actor
from tests.helpers.console_states import make_server, make_state, make_target
from tests.helpers.fake_engine import FakeEngine

if TYPE_CHECKING:
    from engine.api.messages import State

SEED = """\
// two web servers behind one virtual address
modules   vrrp,arp,ping,hc,master,slb
interface 1 {
          name eth0
          access raw
}
register  interface 1
enable    interface 1
network 1 {
          addr 172.16.1.0
          mask 255.255.255.0
          real 172.16.1.252
          interface 1
}
register  network 1
enable    network 1
server    1 {
          ipaddr 172.16.1.10
          port 80
          protocol tcp
          targets 1,2
}
register  server 1
enable    server 1
target    1 {
          ipaddr 172.16.1.100
          port 80
          protocol tcp
          tcpopen 80,3,10
          dsr enable
          weight 1
}
target    2 {
          ipaddr 172.16.1.101
          port 80
          protocol tcp
          tcpopen 80,3,10
          dsr enable
}
register  targets 1,2
enable    targets 1,2
"""

ACTOR = Actor("root", 0, 812)


class ConfigEngine(FakeEngine):
    """`actor` is who every console is, `checks` counts what was checked, `slow_s` delays each check."""

    def __init__(
        self, run_dir: Path, text: str = SEED, *, file: str = "bng.conf", state: State | None = None
    ) -> None:
        super().__init__(run_dir, state or seed_state())
        self.file = run_dir / file
        self.file.write_text(text)
        self.actor = ACTOR
        self.checked: list[str] = []
        self.slow_s = 0.0
        store = RevisionStore(run_dir / "revisions")
        running, _ = recall(store, text.encode(), load(text, str(self.file)))
        self.transactions = Transactions(runner=self, store=store, file=self.file, running=running)
        self.overridden: dict[int, Any] = {}
        self.current.config_file = str(self.file)
        self._ticking: asyncio.Task[None] | None = None

    # -- the runner that transactions change ------------------------------------------------------------------------

    async def switch(self, config: Any, actor: Actor) -> None:
        """Nothing forwards here, so nothing can fail."""

    def flows(self) -> Flows:
        return Flows(servers={1: 300}, targets={1: 104, 2: 204}, pairs={(1, 1): 104, (1, 2): 204})

    def overrides(self) -> tuple[dict[int, Any], dict[int, Any]]:
        return self.overridden, {}

    def drop_redundant_overrides(self) -> None:
        self.overridden.clear()

    def tell(self, severity: str, message: str, actor: Actor | None) -> None:
        self.happen(
            kind="config",
            severity=severity,
            subject="configuration",
            message=message,
            actor=actor and actor.text,
        )

    # -- the backend ------------------------------------------------------------------------------------------------

    def state(self) -> State:
        self.current.config = self.transactions.status(time.monotonic())
        alarm = self.transactions.disk.alarm()
        self.current.alarms = [alarm] if alarm else []
        return self.current

    def publish(self, **changes: Any) -> None:
        self.state()
        super().publish(**changes)

    async def call(self, op: str, args: Any, actor: Actor) -> Any:
        now, changes = time.monotonic(), self.transactions
        match args:
            case CheckArgs():
                self.checked.append(args.text)
                await asyncio.sleep(self.slow_s)
                return load(args.text, args.file, host_interfaces=["eth0"]).findings
            case DiffArgs():
                return changes.diff(args.text, args.file)
            case RevisionArgs():
                return changes.revision(args.revision)
            case RevisionDiffArgs():
                return changes.compare_revisions(args.old, args.new)
            case ApplyArgs():
                return await self._changed(changes.apply(args, self.actor, now))
            case CommandArgs():
                return await self._changed(changes.command(args, self.actor, now))
            case RollbackArgs():
                return await self._changed(changes.rollback(args, self.actor, now))
            case ConfirmArgs():
                return await self._changed(changes.confirm(self.actor, args.trial, args))
        match op:
            case "running":
                return changes.text(now)
            case "history":
                return changes.history()
            case "save":
                return await self._changed(changes.save(self.actor, now, args))
            case "file-diff":
                await changes.watch_file()
                return changes.file_diff()
        return await super().call(op, args, actor)

    async def _changed(self, work: Any) -> Any:
        try:
            return await work
        finally:
            self.publish()

    async def _tick(self) -> None:
        while True:
            await asyncio.sleep(0.1)
            before = self.transactions.trial
            differed = self.transactions.disk.difference
            await self.transactions.tick(time.monotonic())
            await self.transactions.watch_file()
            if (before, differed) != (self.transactions.trial, self.transactions.disk.difference):
                self.publish()

    async def __aenter__(self):
        self.state()
        self._ticking = asyncio.create_task(self._tick())
        return await super().__aenter__()

    async def __aexit__(self, *error: object) -> None:
        self._ticking.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._ticking
        await super().__aexit__(*error)


def seed_state() -> State:
    targets = [make_target(1, [1]), make_target(2, [1])]
    return make_state(targets, [make_server(1, [1, 2], targets)])


async def run(run_dir: Path, text: str, name: str) -> None:
    async with ConfigEngine(run_dir, text, file=name) as engine:
        while True:
            await asyncio.sleep(1)
            engine.publish(uptime_s=engine.current.uptime_s + 1)


if __name__ == "__main__":
    parse = argparse.ArgumentParser()
    parse.add_argument("run_dir", type=Path, nargs="?")
    parse.add_argument("file", type=Path, nargs="?")
    options = parse.parse_args()
    folder = options.run_dir or Path(tempfile.mkdtemp())
    folder.mkdir(parents=True, exist_ok=True)
    given = options.file
    asyncio.run(run(folder, given.read_text() if given else SEED, given.name if given else "bng.conf"))
