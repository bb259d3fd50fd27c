"""Connections through a ring that decides: what the program does with a segment, said slowly, and histories for it.

python -m tests.reference.tracked --histories 100000 --seed 1

The theorem (docs/datapath.md): whatever happens to the ring, and however changes overlap, every segment of a connection
goes to one target until that target loses its flows. A history is a ring of a few buckets whose targets come, go, drain
and fail at random while connections begin, send at most an idle time apart, and end.
"""

from __future__ import annotations

import argparse
import random
import sys
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from engine.datapath.contract import NOT_MEMBER
from engine.datapath.flow_states import CLOSING_S, HALF_OPEN_S
from engine.datapath.xdp.rings import Ring

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable

S, A, FA = 2, 16, 17
FIN, SYN, RST = 1, 2, 4
TARGETS = 6
BUCKETS = 5
IDLE_S = 30


@dataclass
class Entry:
    target: int
    generation: int
    state: str  # half open, open, closing
    seen_s: int


@dataclass
class Tracked:
    """The program's decision about segments of one server whose ring decides, with room for every entry."""

    ring: Ring
    entries: dict[Hashable, Entry] = field(default_factory=dict)

    def live(self, entry: Entry | None, now_s: int) -> bool:
        if entry is None:
            return False
        limit = {"half open": HALF_OPEN_S, "closing": CLOSING_S}.get(entry.state, self.ring.idle_s)
        member = int(self.ring.generation[entry.target])
        return member == entry.generation and now_s - entry.seen_s <= min(limit, self.ring.idle_s)

    def segment(self, flow: Hashable, bucket: int, flags: int, now_s: int) -> int:
        """Return the target of a segment; 0 where there is none."""
        ring = self.ring
        target, before = int(ring.target[bucket]), int(ring.before[bucket])
        if not ring.marked[bucket]:
            return target
        entry = self.entries.get(flow)
        if self.live(entry, now_s):
            entry.seen_s = now_s
            entry.state = _next(entry.state, flags)
            return entry.target
        if flags & RST or not before:
            return before or target
        to = target if flags & SYN else before
        if to:
            state = "half open" if flags & SYN else "open"
            self.entries[flow] = Entry(to, int(ring.generation[to]), state, now_s)
        return to

    def follow(self, target: np.ndarray, members: np.ndarray, now_s: int) -> None:
        """Go over to another ring."""
        self.ring.follow(target, IDLE_S, members, now_s)

    def settle(self, buckets: dict[Hashable, int], now_s: int) -> None:
        """End what is over; `buckets` are those of all flows."""
        differing = [
            bucket
            for flow, entry in self.entries.items()
            if self.live(entry, now_s) and entry.target != self.ring.target[bucket := buckets[flow]]
        ]
        self.ring.settle(np.array(differing, np.intp))
        self.ring.expire(now_s)


def _next(state: str, flags: int) -> str:
    if flags & FIN:
        return "closing"
    if flags & SYN:
        return "open" if state == "open" else "half open"
    return "closing" if state == "closing" else "open"


@dataclass
class Connection:
    bucket: int
    target: int
    last_s: int
    segments: int = 1


class BrokenError(Exception):
    """A connection went to another target though its own had kept it."""


class History:
    """One random history; `step` by step it changes something, lets time go by, or has connections send."""

    def __init__(self, seed: int, make: Callable[[np.ndarray, np.ndarray], Tracked] | None = None) -> None:
        self.rng = random.Random(seed)
        self.now_s = 1000
        self.generation = np.zeros(TARGETS + 1, np.uint8)
        self.kept = set(range(1, 4))
        self.new = set(self.kept)
        begin = make or (lambda target, members: Tracked(Ring(target, IDLE_S, members)))
        self.members = self._members()
        self.tracked = begin(self._targets(), self.members)
        self.went: list[int] = []  # the target of each segment
        self.open: dict[int, Connection] = {}
        self.buckets: dict[int, int] = {}  # of every connection there ever was
        self.began = 0
        self.said: list[str] = []

    def _members(self) -> np.ndarray:
        members = np.full(TARGETS + 1, NOT_MEMBER, np.uint8)
        for number in self.kept:
            members[number] = self.generation[number]
        return members

    def _targets(self) -> np.ndarray:
        """Any ring over those that get new flows: the theorem does not ask how it is made."""
        choice = sorted(self.new)
        return np.array([self.rng.choice(choice) if choice else 0 for _ in range(BUCKETS)], np.uint16)

    def play(self, steps: int) -> int:
        """Return how many segments were sent."""
        sent = 0
        for _ in range(steps):
            what = self.rng.random()
            if what < 0.25:
                self._change()
            elif what < 0.5:
                self._wait()
            elif what < 0.6:
                self._settle()
            else:
                sent += self._send()
        return sent

    def _change(self) -> None:
        rng, number = self.rng, self.rng.randint(1, TARGETS)
        before = set(self.kept)
        match rng.randrange(5):
            case 0:  # comes, or is enabled again
                self.kept.add(number)
                self.new.add(number)
            case 1:  # is drained
                self.new.discard(number)
            case 2:  # fails, or is removed
                self.kept.discard(number)
                self.new.discard(number)
            case 3:  # fails and is back before anybody looked
                self.generation[number] = (self.generation[number] + 1) % 16
            case _:
                pass  # weights
        for gone in before - self.kept:
            self.generation[gone] = (self.generation[gone] + 1) % 16
        members = self._members()
        lost = {n for n in before if members[n] != self.members[n]}
        self.members = members
        self.open = {flow: one for flow, one in self.open.items() if one.target not in lost}
        target = self._targets()
        self.tracked.follow(target, members, self.now_s)
        self.said.append(f"{self.now_s}: new {sorted(self.new)} keep {sorted(self.kept)} ring {target}")

    def _wait(self) -> None:
        """Let time go by; each connection sends in time, or it is forgotten as one that has ended."""
        for _ in range(self.rng.choice((1, 2, 9, IDLE_S - 1))):
            self.now_s += 1
            for flow, one in list(self.open.items()):
                patience = HALF_OPEN_S if one.segments == 1 else IDLE_S
                if self.now_s - one.last_s >= patience:
                    self._segment(flow, one)

    def _settle(self) -> None:
        self.tracked.settle(self.buckets, self.now_s)

    def _send(self) -> int:
        rng = self.rng
        count = 0
        for flow, one in list(self.open.items()):
            if rng.random() < 0.5:
                self._segment(flow, one)
                count += 1
            elif rng.random() < 0.1:
                self._sent(flow, one.bucket, FA)
                del self.open[flow]
        for _ in range(rng.randrange(3)):
            self.began += 1
            bucket = rng.randrange(BUCKETS)
            self.buckets[self.began] = bucket
            target = self._sent(self.began, bucket, S)
            if target:
                self.open[self.began] = Connection(bucket, target, self.now_s)
            count += 1
        return count

    def _sent(self, flow: int, bucket: int, flags: int) -> int:
        target = self.tracked.segment(flow, bucket, flags, self.now_s)
        self.went.append(target)
        return target

    def _segment(self, flow: int, one: Connection) -> None:
        target = self._sent(flow, one.bucket, A)
        if target != one.target:
            raise BrokenError(
                "\n".join([*self.said, f"{self.now_s}: connection {flow} of {one} goes to {target}"])
            )
        one.last_s = self.now_s
        one.segments += 1


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m tests.reference.tracked", description=__doc__.split("\n")[0]
    )
    parser.add_argument("--histories", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args(argv)
    begin, segments, broken = time.monotonic(), 0, 0
    for seed in range(args.seed, args.seed + args.histories):
        try:
            segments += History(seed).play(60)
        except BrokenError as error:
            broken += 1
            if broken == 1:
                print(f"seed {seed}\n{error}")
    took = time.monotonic() - begin
    print(
        f"{args.histories} histories, {segments} segments in {took:.0f} s: {broken} with a broken connection"
    )
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
