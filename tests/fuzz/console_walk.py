"""A random walk through the console: keys, bursts of keys, the mouse, sizes, an engine that comes and goes.

The console runs headless and speaks to a real server of the local sockets. After each step `Walk` looks at what has to
hold whatever was pressed; a step is a tuple, so that a walk that went wrong can be written down.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from textual import events
from textual.scrollbar import ScrollBar

from bngtui.actions import ACTIONS
from bngtui.dialogs import dialog
from bngtui.dialogs.confirm import ConfirmDialog
from bngtui.dialogs.question import QuestionDialog
from bngtui.editor import host_files
from bngtui.pages.page import Page
from bngtui.screens.dashboard import DashboardScreen
from bngtui.screens.editor import EditorScreen
from engine.api.client import Client, EngineUnreachable, RequestError
from engine.api.ops import OPS
from tests.fuzz.loop import Broken
from tests.helpers.config_engine import SEED, ConfigEngine
from tests.helpers.console_states import busy_state, make_state, move
from tests.helpers.driving import make_app, screen_text

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator
    from pathlib import Path

    from textual.pilot import Pilot
    from textual.screen import Screen

    from bngtui.app import BngApp
    from engine.domain.actor import Actor

Step = tuple[Any, ...]

SIZES = ((20, 5), (40, 8), (80, 24), (200, 60), (1, 1), (120, 40))
GUARD_S = 0.02
"""The pause in which a dialog takes no answer, in place of its own 0.3 s: a walk answers hundreds of them."""

CONSOLE_STEPS = 400
"""Steps after which a console is left and the next one started."""

WAYS_HOME = 40
"""Keys that lead from anywhere to the dashboard, at the most."""

SOON_S = 5.0
"""Time for what a step leads to: making a screen, an answer of the engine."""

CHARACTERS = {
    "slash": "/",
    "exclamation_mark": "!",
    "question_mark": "?",
    "colon": ":",
    "plus": "+",
    "minus": "-",
    "space": " ",
    "enter": "\r",
    "tab": "\t",
    "escape": "\x1b",
}
LEAVING = ["q", "ctrl+c"]
OPENING = [
    "C",
    "H",
    "enter",
    "question_mark",
    "f1",
    "colon",
    "slash",
    "f2",
    "f4",
    "ctrl+f",
    "ctrl+o",
    "ctrl+r",
    "n",
]
ANSWERS = [*"ynYgldksb123", "enter", "escape", "tab", "backspace", "ctrl+u"]
KEYS = sorted({key for action in ACTIONS for key in action.keys} - set(LEAVING))
TEXTS = [
    "// a note\n",
    "web",
    "[red]x[/red]",
    "[",
    "]\\[/",
    "target 3 {\n",
    "日本語",
    "e\u0301",
    "\x1b[31m",
    "\t",
    "x" * 300,
    "// more\n" * 80,
]
NEWS = ("move", "move", "fewer", "event", "name", "override", "apply", "confirm")
WEIGHTS = {
    "key": 50,
    "burst": 14,
    "wait": 8,
    "news": 6,
    "click": 5,
    "drag": 3,
    "paste": 4,
    "size": 4,
    "come": 3,
    "wheel": 2,
    "go": 1.5,
    "slow": 1,
}


@dataclass
class EngineRoom:
    """The place of an engine, which may be away. `wrong` is what a console should never have asked of it."""

    run_dir: Path
    chance: random.Random
    engine: ConfigEngine | None = None
    boots: int = 0
    slow_s: float = 0.0
    wrong: list[str] = field(default_factory=list)

    async def come(self) -> None:
        """Start an engine with what the last one left behind."""
        if self.engine is not None:
            return
        state = busy_state(self.chance.randrange(1, 60)) if self.chance.random() < 0.5 else make_state()
        file = self.run_dir / "bng.conf"
        engine = ConfigEngine(self.run_dir, file.read_text() if file.exists() else SEED, state=state)
        self.boots += self.chance.random() < 0.7
        engine.current.boot_id = f"boot-{self.boots}"
        answer = engine.call

        async def call(op: str, args: Any, actor: Actor) -> Any:
            if op == "rollback" and args.revision is None and args.trial is None:
                self.wrong.append("a rollback that names nothing: after the trial it goes one revision back")
            await asyncio.sleep(self.slow_s)
            return await answer(op, args, actor)

        engine.call = call  # type: ignore[method-assign]
        await engine.__aenter__()
        self.engine = engine

    async def go(self) -> None:
        """Have the engine vanish."""
        engine, self.engine = self.engine, None
        if engine is not None:
            await engine.__aexit__()

    async def happen(self, what: str) -> None:
        """Let something happen in the engine."""
        engine = self.engine
        if engine is None:
            return
        now = engine.current
        match what:
            case "move":
                new = move(now, self.chance)
                engine.publish(targets=new.targets, servers=new.servers, datapath=new.datapath)
            case "fewer":
                engine.publish(targets=now.targets[: self.chance.randrange(len(now.targets) + 1)])
            case "event":
                engine.happen(subject="[bold]target[/bold] 1", message=self.chance.choice(TEXTS))
            case "name":
                for target in now.targets[:1]:
                    target.name = self.chance.choice(TEXTS)
                engine.publish()
            case "override":
                engine.overridden[2] = "disabled"
                engine.publish()
            case "apply":
                text = SEED.replace("weight 1", f"weight {self.chance.randrange(1, 200)}")
                await self._by_another_console("apply", text=text, confirm_within_s=60)
            case "confirm":
                await self._by_another_console("confirm")

    async def _by_another_console(self, op: str, **args: Any) -> None:
        with contextlib.suppress(EngineUnreachable, RequestError):
            async with await Client.connect(self.run_dir / "operator.sock") as client:
                await client.request(op, **args)


@dataclass
class Walk:
    """One console from its start to its end. `done` is what was pressed, in order."""

    pilot: Pilot[None]
    room: EngineRoom
    chance: random.Random
    read_only: bool
    done: list[Step]
    asked: list[str] = field(default_factory=list)
    """Ops that change something and were asked of the engine."""
    answers: list[tuple[Screen[Any], Any]] = field(default_factory=list)
    """Dialogs with what each was answered with."""

    def __post_init__(self) -> None:
        app = self.app
        self.widgets = widgets(app)
        ask, push_screen = app.connection.ask, app.push_screen

        async def noted_ask(op: str, **args: Any) -> Any:
            if OPS[op].changes:
                self.asked.append(op)
            return await ask(op, **args)

        def noted_push(screen: Any, callback: Any = None) -> Any:
            if callback is None:
                return push_screen(screen)

            def answered(result: Any) -> Any:
                self.answers.append((screen, result))
                return callback(result)

            return push_screen(screen, answered)

        app.connection.ask = noted_ask  # type: ignore[method-assign]
        app.push_screen = noted_push  # type: ignore[method-assign]

    @property
    def app(self) -> BngApp:
        """The console."""
        return self.pilot.app  # type: ignore[return-value]

    @property
    def over(self) -> bool:
        """Whether the console was left."""
        return self.app._exit

    # -- steps ------------------------------------------------------------------------------------------------------

    def choose(self) -> Step:
        """Return a next step."""
        chance = self.chance
        kind = chance.choices(tuple(WEIGHTS), tuple(WEIGHTS.values()))[0]
        match kind:
            case "key":
                return (kind, self._any_key())
            case "burst" if chance.random() < 0.5:  # a key held down
                return (kind, *[self._any_key()] * chance.randrange(2, 5))
            case "burst":
                return (kind, *[self._any_key() for _ in range(chance.randrange(2, 6))])
            case "drag":
                sides = self.app.size
                return (kind, *(chance.randrange(max(1, side)) for side in (*sides, *sides)))
            case "click" | "wheel":
                return (kind, *(chance.randrange(max(1, side)) for side in self.app.size))
            case "paste":
                return (kind, chance.choice(TEXTS))
            case "size":
                return (kind, *chance.choice(SIZES))
            case "wait":
                return (kind, chance.choice((0.0, GUARD_S * 1.2, 0.1)))
            case "news":
                return (kind, chance.choice(NEWS))
            case "slow":
                return (kind, chance.choice((0.0, 0.0, 0.05, 0.3)))
        return (kind,)

    def _any_key(self) -> str:
        return self.chance.choice(
            self.chance.choices((KEYS, ANSWERS, OPENING, LEAVING), (45, 30, 22, 0.7))[0]
        )

    async def do(self, step: Step) -> None:
        """Do a step, and look."""
        self.done.append(step)
        app, pilot = self.app, self.pilot
        match step:
            case ("key" | "burst", *keys):
                await self._press(*keys)
            case ("click", x, y):
                if x < app.size.width and y < app.size.height:
                    await pilot.click(offset=(x, y))
            case ("drag", x, y, to_x, to_y):
                await self._post(mouse(events.MouseDown, x, y), mouse(events.MouseMove, to_x, to_y))
                if self.chance.random() < 0.3:  # something is opened or left meanwhile
                    await self._press(self._any_key())
                await self._post(mouse(events.MouseUp, to_x, to_y))
            case ("wheel", x, y):
                await self._post(mouse(events.MouseScrollDown, x, y))
            case ("paste", text):
                await self._post(events.Paste(text))
            case ("size", width, height):
                await pilot.resize_terminal(width, height)
            case ("wait", time_s):
                await pilot.pause(time_s)
            case ("come",):
                await self.room.come()
            case ("go",):
                await self.room.go()
            case ("news", what):
                await self.room.happen(what)
            case ("slow", time_s):
                self.room.slow_s = time_s
        await self.look()

    async def _press(self, *keys: str) -> None:
        """Press keys as a terminal sends them over a slow line: all before the first is looked at."""
        await self._post(
            *(events.Key(key, CHARACTERS.get(key, key if len(key) == 1 else None)) for key in keys)
        )

    async def _post(self, *messages: events.Event) -> None:
        """Hand over what a terminal sent, and let every widget take it (Pilot waits until the process is idle, too)."""
        for message in messages:
            self.app.post_message(message)
        if not self.over:
            await self.pilot._wait_for_screen()
            await asyncio.sleep(0)

    # -- what has to hold -------------------------------------------------------------------------------------------

    async def look(self) -> None:
        """Raise Broken where something does not hold."""
        app = self.app
        if app._exception is not None:
            raise Broken(f"exception: {app._exception!r}") from app._exception
        if self.room.wrong:
            raise Broken(self.room.wrong[0])
        if self.read_only and self.asked:
            raise Broken(f"a read-only console asked for {self.asked}")
        self._look_at_answers()
        if self.over:
            return
        stack = app.screen_stack
        pages = [type(screen) for screen in stack if isinstance(screen, Page)]
        if not isinstance(stack[0], DashboardScreen) or len(set(pages)) != len(pages):
            raise Broken(f"a page is open twice, or the dashboard not at the bottom: {stack}")
        if len(stack) - len(pages) > 1:
            raise Broken(f"one dialog over another: {stack}")
        await self._soon(self._keys_go_where_they_should, "nobody has the keys")
        if not self.over:
            screen_text(app)

    def _look_at_answers(self) -> None:
        answered = [screen for screen, _ in self.answers]
        if len({id(screen) for screen in answered}) != len(answered):
            raise Broken(f"answered twice: {answered}")
        confirmed = sum(
            result is True for screen, result in self.answers if isinstance(screen, ConfirmDialog)
        )
        if self.asked.count("admin") > confirmed:
            raise Broken(f"{confirmed} changes were confirmed: {self.asked}")
        said_yes = sum(
            result == "yes" for screen, result in self.answers if isinstance(screen, QuestionDialog)
        )
        if self.asked.count("save") > said_yes:
            raise Broken(f"{said_yes} questions were answered with yes: {self.asked}")

    def _keys_go_where_they_should(self) -> bool:
        front = self.app.screen
        return self.app.focused is (front.area if isinstance(front, EditorScreen) else None)

    async def _soon(self, holds: Callable[[], bool], wrong: str) -> None:
        """Raise Broken where something never holds."""
        deadline = time.monotonic() + SOON_S
        while not self.over and not holds():
            if time.monotonic() > deadline:
                app = self.app
                left = f"workers {list(app.workers)}, widgets {widgets(app) - self.widgets}"
                raise Broken(f"{wrong}: {app.screen_stack}, focus on {app.focused}, {left}")
            await self.pilot.pause(0.01)

    async def home(self) -> None:
        """Go back to the dashboard by Escape alone, or by the answer that leaves the editor."""
        for _ in range(WAYS_HOME):
            if len(self.app.screen_stack) == 1:
                return
            await self.pilot.pause(GUARD_S * 1.5)
            front = self.app.screen
            answers = front.question.answers if isinstance(front, QuestionDialog) else ()
            key = next((answer.key for answer in answers if answer.value == "discard"), "escape")
            await self.do(("key", key))
            if self.over:
                raise Broken("Escape left the program")
        raise Broken(f"no way home: {self.app.screen_stack}")

    async def leave(self) -> None:
        """Go home, let everything come to rest, look whether anything stays behind, and leave the program."""
        self.room.slow_s = 0.0
        deadline = time.monotonic() + SOON_S
        while time.monotonic() < deadline and not self._is_at_rest():
            await self.home()  # an answer that came late may have opened something
            await self.pilot.pause(0.05)
        await self._soon(self._is_at_rest, "left behind")
        await self.do(("key", "escape"))  # of a filter that is being typed
        await self.do(("key", "q"))
        deadline = time.monotonic() + SOON_S
        while not self.over:
            if time.monotonic() > deadline:
                raise Broken("q does not leave the program")
            await self.pilot.pause(0.02)
        if self.app.return_code:
            raise Broken(f"exit code {self.app.return_code}")

    def _is_at_rest(self) -> bool:
        """Whether only the dashboard is there, with the connection's worker and the widgets of the beginning."""
        app = self.app
        return len(app.screen_stack) == 1 and len(app.workers) == 1 and widgets(app) == self.widgets


def mouse(kind: type[events.MouseEvent], x: int, y: int) -> events.MouseEvent:
    """Return what a terminal tells of its pointer."""
    return kind(None, x, y, 0, 0, 1, shift=False, meta=False, ctrl=False, screen_x=x, screen_y=y)


def widgets(app: BngApp) -> Counter[str]:
    """Count what the application holds, by kind; Textual makes a screen's scrollbars when they are first asked for."""
    return Counter(type(node).__name__ for node in app._registry if not isinstance(node, ScrollBar))


@contextlib.contextmanager
def harmless(folder: Path) -> Iterator[None]:
    """Shorten the guard of dialogs, and let the editor write nowhere but into `folder`."""
    guard_s, write = dialog.GUARD_S, host_files.write

    def write_here(path: str, text: str) -> None:
        if path.startswith(("/", "~", ".")):
            raise host_files.FileError(f"{path}: a walk writes nowhere else")
        write(str(folder / path), text)

    dialog.GUARD_S, host_files.write = GUARD_S, write_here
    try:
        yield
    finally:
        dialog.GUARD_S, host_files.write = guard_s, write


@contextlib.asynccontextmanager
async def room_of(run_dir: Path, chance: random.Random) -> AsyncIterator[EngineRoom]:
    """Give an engine's place; most often an engine is there at the beginning."""
    room = EngineRoom(run_dir, chance)
    if chance.random() < 0.8:
        await room.come()
    try:
        yield room
    finally:
        await room.go()


async def walk(run_dir: Path, seed: int, steps: int) -> int:
    """Walk `steps` steps in as many consoles as it takes, and return how many those were. Raises what it found."""
    chance = random.Random(seed)
    consoles = done = 0
    with harmless(run_dir):
        while done < steps:
            consoles += 1
            done += await _console(
                run_dir, chance, min(CONSOLE_STEPS, steps - done), f"seed {seed}, console {consoles}"
            )
    return consoles


async def _console(run_dir: Path, chance: random.Random, steps: int, name: str) -> int:
    """Walk at most `steps` steps in one console, and leave it; return how many they were."""
    read_only = chance.random() < 0.25
    size = chance.choice(SIZES)
    app = make_app(run_dir, read_only=read_only, refresh_s=0.05)
    done: list[Step] = [("read-only" if read_only else "operator", *size)]
    async with room_of(run_dir, chance) as room:
        try:
            async with app.run_test(size=size) as pilot:
                await pilot.pause(0.1)
                one = Walk(pilot, room, chance, read_only, done)
                while len(done) <= steps and not one.over:
                    await one.do(one.choose())
                    if chance.random() < 0.01 and not one.over:
                        await one.home()
                if not one.over:
                    await one.leave()
        except BaseException as error:
            error.add_note(f"{name}, after: {done[-60:]}")
            raise
    return len(done)
