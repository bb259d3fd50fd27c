"""The interactive mode: prompt, history, completion. The only file that imports prompt_toolkit."""

from __future__ import annotations

import contextlib
import os
import time
from pathlib import Path
from typing import TYPE_CHECKING

from prompt_toolkit import PromptSession
from prompt_toolkit.completion import Completer, Completion
from prompt_toolkit.history import FileHistory, History, InMemoryHistory

from bngtui.command.complete import candidates, is_whole
from bngtui.command.pending import Watcher
from bngtui.command.spec import DONE
from bngtui.engine_socket import Access
from engine.api.client import EngineUnreachable, RequestError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from prompt_toolkit.completion import CompleteEvent
    from prompt_toolkit.document import Document

    from bngtui.command.lines import Lines
    from bngtui.engine_socket import EngineSocket
    from engine.api.messages import State

PROMPT = "bng# "
GOES_ON = "...> "
_REFRESH_S = 1.0  # the countdown's step; a prompt that stays as it is writes nothing
_FRESH_S = 2.0  # names and numbers are asked for again after this
_PATIENCE_S = 0.5  # for which a Tab waits for the engine


def history_file(environ: Mapping[str, str] = os.environ) -> Path:
    """Return where lines are remembered (XDG Base Directory Specification: user-specific state)."""
    base = environ.get("XDG_STATE_HOME", "")
    folder = Path(base) if base.startswith("/") else Path.home() / ".local/state"
    return folder / "bng" / "bngctl_history"


def interact(run: Callable[[str], int | None], engine: EngineSocket, lines: Lines) -> int:
    """Read and run lines until the end of input, `exit` or `quit`. `run` returns None to leave.

    `engine` is asked for what completion offers and for what the prompt shows; `lines` says what of a
    block waits. Returns the exit code, which is always 0: what failed was seen by who typed it.
    """
    prompt: PromptSession[str] = PromptSession(
        history=_history(),
        completer=_Completer(engine, lines),
        complete_while_typing=False,
        complete_in_thread=True,
    )
    with Watcher(engine, prompt.app.invalidate) as watcher:
        watcher.settle(_PATIENCE_S)
        while True:
            try:
                text = prompt.prompt(
                    lambda: label(lines, watcher.left_s(time.monotonic())), refresh_interval=_REFRESH_S
                )
            except KeyboardInterrupt:
                lines.drop()
                continue
            except EOFError:
                return DONE
            if run(text) is None:
                return DONE


def label(lines: Lines, left_s: float | None) -> str:
    """Return the prompt: what is being collected, and how long a change still waits to be confirmed."""
    if lines.open:
        return GOES_ON
    notes = ["begin"] if lines.collecting() else []
    if left_s is not None:
        notes.append(f"confirm {left_s:.0f}s")
    return f"bng({', '.join(notes)})# " if notes else PROMPT


def _history() -> History:
    path = history_file()
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        path.touch(mode=0o600)
    except OSError:
        return InMemoryHistory()
    return FileHistory(str(path))


class _Completer(Completer):
    def __init__(self, engine: EngineSocket, lines: Lines) -> None:
        self._engine = engine
        self._lines = lines
        self._state: State | None = None
        self._asked = 0.0

    def get_completions(self, document: Document, complete_event: CompleteEvent) -> Iterable[Completion]:  # noqa: ARG002 - its interface
        text = document.text_before_cursor
        before = text.split()
        partial = "" if not text or text[-1].isspace() else before.pop()
        for word in candidates(before, partial, self._now, self._lines.text):
            shown = word.rpartition(",")[2]
            yield Completion(word + " " * is_whole(word), start_position=-len(partial), display=shown)

    def _now(self) -> State | None:
        if time.monotonic() - self._asked > _FRESH_S:
            self._state = None
            with contextlib.suppress(EngineUnreachable, RequestError):
                self._state = self._engine.ask("state", Access.LOOK, timeout_s=_PATIENCE_S)
            self._asked = time.monotonic()
        return self._state
