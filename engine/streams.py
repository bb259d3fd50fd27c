"""Standard streams that are closed, full, or read by nobody: a command ends quietly, or with one line.

`run` is the outermost thing that every command of the house does.
"""

from __future__ import annotations

import io
import os
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from _typeshed import ReadableBuffer, WriteableBuffer

FAILED = 1
INTERRUPTED = 130
"""128 and the number of SIGINT, as shells have it."""

_STREAMS = (("stdin", "standard input"), ("stdout", "standard output"), ("stderr", "standard error"))


class StreamError(Exception):
    """A standard stream cannot be read or written. No OSError, so that nobody takes it for a fault of the network."""

    def __init__(self, stream: str, error: OSError) -> None:
        super().__init__(f"{stream}: {(error.strerror or str(error)).lower()}")
        self.reader_gone = isinstance(error, BrokenPipeError)


def run(command: str, main: Callable[[], int], *, cut_short: int = 0, interrupted: int = INTERRUPTED) -> int:
    """Run `main` and return its exit status, or `FAILED` with one line where a stream cannot be used.

    `command` begins that line. `cut_short` is the status where a reader has gone who had enough (`| head`),
    `interrupted` that of Ctrl-C. Whatever else `main` raises goes on, SystemExit after all is written.
    """
    _open_missing()
    _replace_streams()
    try:
        try:
            return main()
        finally:
            sys.stdout.flush()
    except KeyboardInterrupt:
        return interrupted
    except StreamError as error:
        # What is buffered still would be tried again when the interpreter ends.
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        if error.reader_gone:
            return cut_short
        print(f"{command}: {error}", file=sys.stderr)  # noqa: T201 - a command's answer
        return FAILED


def _open_missing() -> None:
    """Open /dev/null where a stream is closed: the next file or socket would be taken for it otherwise."""
    for number, (name, _) in enumerate(_STREAMS):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # the lowest number that is free, which is this one
            stream = open(number, "w" if number else "r", encoding="utf-8", closefd=False)  # noqa: SIM115 - by number, for good
            setattr(sys, name, stream)
            setattr(sys, f"__{name}__", stream)


def _replace_streams() -> None:
    """Have the streams raise StreamError; standard error never raises, since there is nobody to tell."""
    for number, (name, meaning) in enumerate(_STREAMS):
        old = getattr(sys, name)
        if old is not getattr(sys, f"__{name}__") or not isinstance(old, io.TextIOWrapper):
            continue  # a stream that a test put there
        raw = _Stream(number, meaning)
        stream = io.TextIOWrapper(
            io.BufferedWriter(raw) if number else io.BufferedReader(raw),
            encoding=old.encoding,
            errors=old.errors,
            line_buffering=old.line_buffering or number == 2,
            write_through=old.write_through,
        )
        setattr(sys, name, stream)


class _Stream(io.FileIO):
    """File descriptor `number`, one of the three, with errors of this module."""

    def __init__(self, number: int, meaning: str) -> None:
        super().__init__(number, "w" if number else "r", closefd=False)
        self._meaning = meaning
        self._may_fail = number != 2

    def readinto(self, buffer: WriteableBuffer, /) -> int:
        try:
            return super().readinto(buffer)
        except OSError as error:
            raise StreamError(self._meaning, error) from None

    def write(self, data: ReadableBuffer, /) -> int:
        try:
            return super().write(data)
        except OSError as error:
            if self._may_fail:
                raise StreamError(self._meaning, error) from None
            return memoryview(data).nbytes
