"""Faults to plant in the datapath of this process, one for each sort of difference: the comparison has to find them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from engine.datapath.afpacket.forwarder import Forwarder
from engine.datapath.afpacket.tables import Tables
from engine.datapath.afpacket.vector_flows import VectorFlows
from engine.datapath.counters import word

if TYPE_CHECKING:
    from collections.abc import Callable


@dataclass(frozen=True)
class Fault:
    """`around` makes the faulty method of the right one; `what` is the sort of difference that shows it."""

    name: str
    what: str
    owner: type
    method: str
    around: Callable[[Callable[..., Any]], Callable[..., Any]]


def planted(fault: Fault, setattr_: Callable[[type, str, object], None] = setattr) -> None:
    """Plant a fault."""
    setattr_(fault.owner, fault.method, fault.around(getattr(fault.owner, fault.method)))


def _backwards(_):
    def few(self, count, now_s):
        """Handle few frames from the last to the first."""
        head = self.rx.head
        for slot in reversed(range(head, head + count)):
            self.one(slot, now_s)
        self.rx.release(count)

    return few


def _counted_twice(right):
    def batch(self, count, now_s):
        self.counters.flat[word("passed")] += 1
        right(self, count, now_s)

    return batch


def _to_another(right):
    """Choose target 2 for 1, and 1 for 2."""

    def pick(self, row, flow_hash):
        return right(self, row, flow_hash) % 2 + 1

    return pick


def _state_not_set(_):
    def refresh(self, index, entries, now_s):
        """Leave the flows of a vector as they were."""

    return refresh


FAULTS = [
    Fault("few frames out of order", "frames out", Forwarder, "few", _backwards),
    Fault("a counter off by one", "counters", Forwarder, "batch", _counted_twice),
    Fault("another target", "frames out", Tables, "pick", _to_another),
    Fault("a state not set", "flow entries", VectorFlows, "_refresh", _state_not_set),
]
