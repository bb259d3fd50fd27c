"""What is due, and how fast it may go: a token bucket and an agenda. Time comes in as a parameter."""

from __future__ import annotations

import hashlib
import heapq
import math
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterator

K = TypeVar("K", bound="Hashable")


REFILL_S = 0.05
"""How long an empty bucket is left to fill: a bundle of tokens a turn, instead of a turn for each."""


class TokenBucket:
    """Lets `rate` things a second pass, and after a pause up to `burst` at once."""

    def __init__(self, rate: float, burst: float) -> None:
        self.rate = rate
        self.burst = burst
        self._tokens = burst
        self._at: float | None = None

    def take(self, now: float) -> bool:
        """Take one token; False where there is none."""
        if self.left(now) < 1:
            return False
        self.spend(1)
        return True

    def left(self, now: float) -> int:
        """Return how many may pass now."""
        if self._at is not None and now > self._at:
            self._tokens = min(self.burst, self._tokens + (now - self._at) * self.rate)
        if self._at is None or now > self._at:
            self._at = now
        return int(self._tokens)

    def spend(self, count: int) -> None:
        """Take `count` tokens, of those that are left."""
        self._tokens -= count


class Agenda(Generic[K]):
    """Keys with the time each is due; putting a key again moves it. A pop costs the logarithm of the length."""

    def __init__(self) -> None:
        self._due: dict[K, float] = {}
        self._heap: list[tuple[float, int, K]] = []
        self._count = 0  # keeps equal times in the order they were put, and keys out of comparisons

    def put(self, key: K, due: float) -> None:
        """Make `key` due at `due`, whatever it was before."""
        self._due[key] = due
        self._count += 1
        heapq.heappush(self._heap, (due, self._count, key))

    def discard(self, key: K) -> None:
        """Forget `key`."""
        self._due.pop(key, None)

    def pop(self, now: float) -> K | None:
        """Remove and return the key that has been due longest; None where none is."""
        while self._heap and self._heap[0][0] <= now:
            due, _, key = heapq.heappop(self._heap)
            if self._due.get(key) == due:  # otherwise it was moved or forgotten
                del self._due[key]
                return key
        return None

    def next_due(self) -> float:
        """Return when the first key is due; infinity where there is none."""
        while self._heap:
            due, _, key = self._heap[0]
            if self._due.get(key) == due:
                return due
            heapq.heappop(self._heap)  # it was moved or forgotten
        return math.inf

    def shift(self, seconds: float) -> None:
        """Make everything due that much later."""
        self._due = {key: due + seconds for key, due in self._due.items()}
        self._heap = [(due, count, key) for count, (key, due) in enumerate(self._due.items())]
        self._count = len(self._heap)
        heapq.heapify(self._heap)

    def __contains__(self, key: K) -> bool:
        return key in self._due

    def __iter__(self) -> Iterator[K]:
        return iter(self._due)

    def __len__(self) -> int:
        return len(self._due)


class PacedAgenda(Agenda[K]):
    """An agenda whose keys come no faster than a token bucket lets them, in bundles of some dozens."""

    def __init__(self, rate: float, burst: float) -> None:
        super().__init__()
        self._bucket = TokenBucket(rate, burst)
        self._resume_at = -math.inf

    def pop(self, now: float) -> K | None:
        """Remove and return the key that has been due longest; None where none is, or where it is too soon."""
        if self.next_due() > now:
            return None
        if not self._bucket.take(now):
            self._resume_at = now + REFILL_S
            return None
        return super().pop(now)

    def next_due(self) -> float:
        """Return when a key can be had next; infinity where there is none."""
        return max(super().next_due(), self._resume_at)


def spread(key: str) -> float:
    """Return a fraction in [0, 1) that is the same for a key in every run, to keep many of them apart in time."""
    # Not hash(): that of a str changes from run to run.
    return int.from_bytes(hashlib.blake2b(key.encode(), digest_size=4).digest(), "big") / 2**32
