"""Random changes on a disk that fails at random: file, running configuration, history and a restart tell one story.

    python -m tests.faults.change_steps --runs 500 --seed 1

A run is a few lives of an engine without packets, each a process: the real transactions, revisions and file, on a small
file system of its own. Between two changes the disk is filled, made read-only, emptied or put right, and the host
refuses what it is asked; within one the n-th call to the kernel fails or the process is killed there. After every change
four things have to agree, or what the engine tells has to say what does not. What broke is printed with its seed.
"""

from __future__ import annotations

import argparse
import asyncio
import errno
import json
import os
import random
import shutil
import signal
import sys
import tempfile
import traceback
from pathlib import Path

from engine.api.ops import ApplyArgs, RollbackArgs
from engine.changes.configuration import recall
from engine.changes.revisions import RevisionStore
from engine.changes.runner import SwitchError
from engine.changes.transactions import Transactions
from engine.config.difference.compare import Flows
from engine.config.load import load
from engine.domain.errors import OpError
from engine.lab import namespaces
from tests.helpers.changes import ACTOR, HASH, NAMED, SEED
from tests.helpers.disks import SmallDisk

TEXTS = {"seed": SEED, "hash": HASH, "named": NAMED, "comment": SEED + "// a comment\n"}
NAMES = {text: name for name, text in TEXTS.items()}

CALLS = ("open", "write", "fsync", "replace", "rename", "unlink", "mkdir", "fchmod", "fchown")
"""Calls of `os` by which anything reaches the disk; each is a step at which a change can end."""

LIVES, STEPS = 3, 7


class Broken(Exception):  # noqa: N818 - it names what is the case
    """Two stories."""


class Host:
    """The engine that a configuration runs in: refuses on demand, and goes back where it can."""

    def __init__(self, running):
        self.config = running
        self.refusals = 0

    async def switch(self, config, _actor):
        former, self.config = self.config, config
        if self.refusals:
            self.refusals -= 1
            self.config = former
            raise SwitchError("the host refuses")

    def flows(self):
        return Flows()

    def overrides(self):
        return {}, {}

    def drop_redundant_overrides(self):
        pass

    def tell(self, *_):
        pass


class Kernel:
    """Counts the calls that reach the disk; the n-th from now fails, or is this process's last."""

    def __init__(self):
        self.left = 0
        self.kind = ""
        for name in CALLS:
            setattr(os, name, self._wrapped(getattr(os, name)))

    def arm(self, kind, after):
        self.kind, self.left = kind, after

    def _wrapped(self, call):
        def counted(*args, **more):
            if self.left:
                self.left -= 1
                if not self.left:
                    if self.kind == "kill":
                        os.kill(os.getpid(), signal.SIGKILL)
                    number = getattr(errno, self.kind)
                    raise OSError(number, os.strerror(number), str(args[0]))
            return call(*args, **more)

        return counted


class Life:
    """One life of an engine in `folder`. `say` gets each thing that happens, as a line of JSON, before it counts."""

    def __init__(self, folder: Path, disks: list[SmallDisk], chance: random.Random, say) -> None:
        self.folder, self.disks, self.chance, self.say = folder, disks, chance, say
        self.file, self.revisions = disks[0].path / "bng.conf", disks[1].path / "revisions"
        self.kernel = Kernel()
        self.now = 0.0

    async def run(self) -> None:
        data = self.file.read_bytes()
        loaded = load(data, str(self.file))
        store = RevisionStore(self.revisions)
        running, _ = recall(store, data, loaded)
        self.host = Host(running.config)
        self.transactions = Transactions(self.host, store, self.file, running)
        self.check("start")
        for _ in range(STEPS):
            self.fault()
            await self.change()
            self.kernel.left = 0
            self.check("change")
            if self.chance.random() < 0.5:
                await self.transactions.mend_records()
                self.check("mend")
        for disk in self.disks:
            disk.read_only(False)
            disk.free()
        self.host.refusals = 0
        self.now += 1000
        await self.transactions.tick(self.now)
        owed = await self.transactions.mend_records()
        self.check("end")
        if owed or self.transactions.trial:
            raise Broken(f"the disk is well again, and this is not mended: {owed or self.transactions.trial}")

    def fault(self) -> None:
        chance = self.chance
        kind = chance.choice(("fill", "free", "free", "read-only", "writable", "writable", "gone", "none"))
        disk = chance.choice(self.disks)
        self.say(fault=kind, disk=disk.path.name)
        if kind in {"read-only", "writable"}:
            disk.read_only(kind == "read-only")
        elif kind != "none":
            disk.read_only(False)
        if kind == "fill":
            disk.fill()
        elif kind == "free":
            disk.free()
        elif kind == "gone":
            shutil.rmtree(self.revisions, ignore_errors=True)
        self.host.refusals = chance.choice((0, 0, 0, 0, 1, 1, 2, 3))
        if chance.random() < 0.5:
            how, after = chance.choice(("ENOSPC", "EIO", "EROFS", "kill", "kill")), chance.randint(1, 16)
            self.say(call=how, after=after, refusals=self.host.refusals)
            self.kernel.arm(how, after)

    async def change(self) -> None:
        chance, changes = self.chance, self.transactions
        kind = chance.choice(("apply", "apply", "trial", "trial", "confirm", "rollback", "timer", "reload"))
        name = chance.choice(list(TEXTS))
        self.say(change=kind, text=name if kind == "apply" else "", **self.texts())
        self.now += 1
        try:
            if kind == "apply":
                await changes.apply(ApplyArgs(text=TEXTS[name], file="x.conf"), ACTOR, self.now)
            elif kind == "trial":
                args = ApplyArgs(text=TEXTS[name], file="x.conf", confirm_within_s=10)
                await changes.apply(args, ACTOR, self.now)
            elif kind == "confirm":
                await changes.confirm(ACTOR)
            elif kind == "rollback":
                await changes.rollback(RollbackArgs(), ACTOR, self.now)
            elif kind == "timer":
                self.now += 100
                await changes.tick(self.now)
            else:
                await changes.reload_file(ACTOR, self.now)
        except OpError as error:
            self.say(refused=str(error))

    # -- what has to agree ------------------------------------------------------------------------------------------

    def texts(self) -> dict[str, str]:
        changes = self.transactions
        stable = changes.running if changes.trial is None else changes.trial.back
        return {"running": NAMES[changes.running.text], "stable": NAMES[stable.text]}

    def check(self, after: str) -> None:
        changes = self.transactions
        trial, running, store = changes.trial, changes.running, changes.store
        kept = running if trial is None else trial.back
        story = {
            "runs": running.revision,
            "trial": trial and trial.revision,
            "file": NAMES[self.file.read_text()],
            "history": [(s.number, NAMES[s.text.decode()], s.confirmed, s.reverted) for s in store.list()],
            "owed": store.owed,
        }
        self.say(after=after, **story)
        if self.host.config != running.config:
            raise Broken("what runs is not what is said to run")
        if self.file.read_text() != kept.text:
            raise Broken("the file is not what runs, nor what a trial goes back to")
        told = {s.number: s for s in store.list()}
        for number, confirmed in ((kept.revision, True), *([(trial.revision, False)] if trial else [])):
            if number not in told or (told[number].confirmed, told[number].reverted) != (confirmed, False):
                raise Broken(f"the history tells something else of revision {number}")
        if told[running.revision].text.decode() != running.text:
            raise Broken("the revision that runs has another text")
        others = set(told) - {kept.revision, running.revision}
        if any(not told[n].confirmed and not told[n].reverted and n > kept.revision for n in others):
            # It was stored, and refused before anything of it ran; a restart says so.
            self.say(left=sorted(others))
        self.check_restart(kept, bool(store.owed))

    def check_restart(self, kept, owed) -> None:
        with tempfile.TemporaryDirectory(dir=self.folder) as copy:
            revisions = Path(copy) / "revisions"
            if (self.revisions).is_dir():
                shutil.copytree(self.revisions, revisions)
            data = self.file.read_bytes()
            again = RevisionStore(revisions)
            found, _ = recall(again, data, load(data, str(self.file)))
            if found.text != kept.text:
                raise Broken("a restart runs something else")
            on_disk = (self.revisions / f"{kept.revision:06d}.revision").exists()
            if found.revision != kept.revision and on_disk and not owed:
                raise Broken(f"a restart calls {found.revision} what is revision {kept.revision}")


def life(folder: Path, disks: list[SmallDisk], seed: str) -> tuple[int, list[dict]]:
    """Run one life in a process of its own; returns how it ended, and what it said."""
    reading, writing = os.pipe()
    pid = os.fork()
    if not pid:
        os.close(reading)
        status = 0
        write, close = os.write, os.close

        def say(**what):
            write(writing, json.dumps(what).encode() + b"\n")

        try:
            asyncio.run(Life(folder, disks, random.Random(seed), say).run())
        except Broken as error:
            say(broken=str(error))
            status = 1
        except BaseException:  # noqa: BLE001 - told, and counted as broken
            say(broken=traceback.format_exc())
            status = 1
        close(writing)
        sys.stdout.flush()
        os.kill(os.getpid(), signal.SIGKILL) if status == 9 else os._exit(status)
    os.close(writing)
    with os.fdopen(reading) as pipe:
        said = [json.loads(line) for line in pipe]
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), said


def misplaced(said: list[dict], file: str | None) -> str:
    """Say what is wrong with the file that a killed life left, or nothing: it is as before the change, or as after it."""
    last = next((step for step in reversed(said) if "change" in step or "runs" in step), {})
    if "change" not in last:
        return ""
    allowed = {
        last["stable"],
        *([last["text"]] if last["text"] else []),
        *([last["running"]] if last["change"] == "confirm" else []),
    }
    if last["change"] == "rollback":
        allowed = set(TEXTS)
    return "" if file in allowed else f"killed in a change between {sorted(allowed)}, and the file is {file}"


def one_run(folder: Path, seed: int) -> list[dict]:
    """Play one run; returns what happened, the last with a `broken` where something did."""
    history: list[dict] = []
    with SmallDisk(folder / "etc", "128k") as etc, SmallDisk(folder / "state", "128k") as state:
        file = etc.path / "bng.conf"
        file.write_text(SEED)
        for number in range(LIVES):
            status, said = life(folder, [etc, state], f"{seed}.{number}")
            history += [{"life": number}, *said]
            if status not in {0, -signal.SIGKILL}:
                return history
            if status == -signal.SIGKILL and (wrong := misplaced(said, NAMES.get(file.read_text()))):
                return [*history, {"broken": wrong}]
            etc.read_only(False)
            etc.free()
            if random.Random(seed + number).random() < 0.5:  # else the next one starts on a bad disk
                state.read_only(False)
                state.free()
    return history


def play(runs: int, seed: int, folder: Path) -> tuple[int, list[dict]]:
    """Play runs from `seed` on until one breaks; returns how many were played, and the history of the broken one."""
    for number in range(runs):
        place = folder / f"run{number}"
        place.mkdir()
        history = one_run(place, seed + number)
        if any("broken" in step for step in history):
            return number + 1, history
        shutil.rmtree(place)
    return runs, []


def main() -> int:
    parse = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parse.add_argument("--runs", type=int, default=500)
    parse.add_argument("--seed", type=int, default=1)
    options = parse.parse_args()
    if namespaces.missing_capabilities():
        namespaces.become_namespace_root()
    with tempfile.TemporaryDirectory() as folder:
        played, history = play(options.runs, options.seed, Path(folder))
    if history:
        print(*history, sep="\n")
        print(f"seed {options.seed + played - 1} broke: {history[-1]['broken']}")
        return 1
    print(
        f"{played} runs from seed {options.seed} on: file, running configuration, history and restart agree"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
