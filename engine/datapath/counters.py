"""The counters of one worker in shared memory, laid out and added up as contract.py declares them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from engine.datapath.contract import Counters
from engine.datapath.declare import Counter, declared
from engine.datapath.shared_memory import SharedMemory

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

_DECLARED = declared(Counters, Counter)
_LINE_WORDS = 8
"""Arrays begin on cache lines of their own."""

GENERATION, HEARTBEAT_NS = 0, 1
"""Words of the block that are not counters: the generation in force, and when the worker last showed itself
(CLOCK_MONOTONIC)."""


def _lay_out() -> tuple[dict[str, int], int]:
    """Return each counter's first word, scalars in front, and the size of it all in words."""
    at, words = HEARTBEAT_NS + 1, {}
    for name, one in sorted(_DECLARED.items(), key=lambda item: bool(item[1].shape)):
        if one.shape:
            at = -(-at // _LINE_WORDS) * _LINE_WORDS
        words[name] = at
        at += one.words
    return words, at


_FIRST, _WORDS = _lay_out()


def word(name: str) -> int:
    """Return the (first) word of a counter in `CounterBlock.flat`."""
    return _FIRST[name]


def block_words() -> int:
    """Return the size of a block in words."""
    return _WORDS


class CounterBlock:
    """The counters of one worker: it alone writes, anybody reads.

    `flat` gives single words (int64) at the places that `word` names. Counters that are arrays are attributes by their
    names, views of the same memory.
    """

    def __init__(self, memory: SharedMemory) -> None:
        self.memory = memory
        self.flat = memory.view.cast("q")
        words: NDArray[np.int64] = np.frombuffer(memory.view, np.int64)
        for name, one in _DECLARED.items():
            if one.shape:
                setattr(self, name, words[_FIRST[name] : _FIRST[name] + one.words].reshape(one.shape))

    def __getattr__(self, name: str) -> NDArray[np.int64]:
        raise AttributeError(name)  # the existing ones are in the instance

    @classmethod
    def create(cls) -> CounterBlock:
        """Make one, all zero."""
        return cls(SharedMemory.create("bng-counters", 8 * _WORDS))

    def get(self, name: str) -> int:
        """Read a counter that is one number."""
        return int(self.flat[_FIRST[name]])

    def read(self) -> Counters:
        """Copy all of it."""
        values: dict[str, Any] = {
            name: getattr(self, name).copy() if one.shape else self.get(name)
            for name, one in _DECLARED.items()
        }
        return Counters(**values)


def total(live: Sequence[Counters], ended: Sequence[Counters] = ()) -> Counters:
    """Make one of several; of those that have ended only what is counted for all time."""

    def of(name: str, one: Counter) -> Any:
        return one.together([getattr(c, name) for c in (live if one.now else (*live, *ended))])

    return Counters(**{name: of(name, one) for name, one in _DECLARED.items()})


def numbers(counters: Counters) -> dict[str, int]:
    """Return every counter that is one number, by its name."""
    return {name: int(getattr(counters, name)) for name, one in _DECLARED.items() if not one.shape}
