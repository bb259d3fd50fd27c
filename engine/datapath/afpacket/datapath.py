"""The AF_PACKET datapath as the control process sees it: workers started, fed with tables, watched and read."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import sys
import time
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import msgspec

from engine.datapath import shared_memory
from engine.datapath.afpacket.ring import receive_slots
from engine.datapath.afpacket.worker import EXIT_INTERFACE_GONE, WorkerArgs, no_table
from engine.datapath.flowtable import (
    DEFAULT_BUCKETS,
    TARGET_MASK,
    WAYS,
    FlowTable,
    is_live,
    table_bytes,
)
from engine.datapath.keys import address16, flow_hash
from engine.datapath.lookup import Installed

if TYPE_CHECKING:
    from collections.abc import Iterator

    from engine.datapath.contract import Counters, Flow, ForwardingTable, Swaps

TX_SLOTS = 1024

START_TIMEOUT_S = 10.0
STOP_TIMEOUT_S = 2.0
STALL_S = 2.0
"""A worker whose heartbeat is older than this is reported as stalled."""


class DatapathError(Exception):
    """The datapath could not be started; the message says why and what to do."""


@dataclass
class _Running:
    process: subprocess.Popen[bytes]
    control: socket.socket


@dataclass(frozen=True)
class WorkerEvent:
    """Something that happened to a worker, for an event."""

    severity: Literal["info", "warning", "error"]
    message: str


@dataclass(frozen=True)
class Found:
    """Where a flow goes: its entry if it has one, else what a new flow would get."""

    row: int
    server: int | None
    target: int | None
    known: bool
    idle_s: int | None


class AfPacketDatapath:
    """Workers for one interface. Flow tables and counters outlive a worker that dies and is started again."""

    kind = "afpacket"

    def __init__(self, ifname: str, mtu: int, workers: int = 1, buckets: int = DEFAULT_BUCKETS) -> None:
        self.ifname = ifname
        self.mtu = mtu
        self.workers = workers
        self.buckets = buckets
        self._blocks = [shared_memory.CounterBlock.create() for _ in range(workers)]
        self._flow_memory = [
            shared_memory.SharedMemory.create("bng-flows", table_bytes(buckets)) for _ in range(workers)
        ]
        self._flows = [FlowTable(memory.view, buckets) for memory in self._flow_memory]
        self._running: list[_Running | None] = [None] * workers
        self._table = no_table()
        self._installed = Installed(self._table)
        self._table_memory = shared_memory.store_table(self._table)
        self._retry_at = 0.0
        self._stalled: set[int] = set()

    # -- life -------------------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Start the workers and wait until they receive; raises DatapathError."""
        for index in range(self.workers):
            self._start_worker(index)

    def restart(self, mtu: int) -> None:
        """Start the workers afresh for another MTU; flows and counters stay. Raises DatapathError."""
        self.stop()
        self.mtu = mtu
        self.start()

    def stop(self) -> None:
        """End the workers. Counters and flows can still be read."""
        for running in self._running:
            if running is not None:
                running.control.close()
        for index, running in enumerate(self._running):
            if running is None:
                continue
            try:
                running.process.wait(STOP_TIMEOUT_S)
            except subprocess.TimeoutExpired:
                running.process.kill()
                running.process.wait()
            self._forget(index, running)

    def close(self) -> None:
        """End the workers and give the memory back: counters and flows are gone."""
        self.stop()
        for memory in (self._table_memory, *self._flow_memory, *(block.memory for block in self._blocks)):
            memory.close()

    def _forget(self, index: int, running: _Running) -> None:
        running.control.close()
        if running.process.stderr is not None:
            running.process.stderr.close()
        self._running[index] = None

    def _start_worker(self, index: int) -> None:
        try:
            ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        except OSError as error:
            raise DatapathError(f"no worker for {self.ifname}: {error}") from error
        block, flows = self._blocks[index], self._flow_memory[index]
        descriptors = (theirs.fileno(), block.memory.fd, flows.fd, self._table_memory.fd)
        args = WorkerArgs(
            ifname=self.ifname,
            mtu=self.mtu,
            control_fd=descriptors[0],
            counters_fd=descriptors[1],
            flows_fd=descriptors[2],
            table_fd=descriptors[3],
            buckets=self.buckets,
            index=index,
            workers=self.workers,
            rx_slots=receive_slots(self.mtu),
            tx_slots=TX_SLOTS,
        )
        command = [
            sys.executable,
            "-m",
            "engine.datapath.afpacket.worker",
            msgspec.json.encode(args).decode(),
        ]
        # One thread a worker: the vector library must not start its own.
        environment = os.environ | {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
        try:
            process = subprocess.Popen(  # noqa: S603 - our own interpreter and module
                command, pass_fds=descriptors, stderr=subprocess.PIPE, env=environment
            )
        except OSError as error:
            ours.close()
            raise DatapathError(f"no worker for {self.ifname}: {error}") from error
        finally:
            theirs.close()
        ours.settimeout(START_TIMEOUT_S)
        with contextlib.suppress(TimeoutError, ConnectionResetError):
            if ours.recv(16) == b"ready":
                ours.setblocking(False)
                self._running[index] = _Running(process, ours)
                if process.stderr is not None:
                    os.set_blocking(process.stderr.fileno(), False)
                return
        ours.close()
        process.kill()
        _, errors = process.communicate()  # closes the pipe too
        raise DatapathError(f"the worker on {self.ifname} did not start: {_last_line(errors)}")

    def watch(self, now: float, *, present: bool = True) -> list[WorkerEvent]:
        """Start workers again that died, report stalls; call about once a second.

        `present` False: the interface does not exist now, so there is nothing to start a worker on.
        """
        events: list[WorkerEvent] = []
        for index, running in enumerate(self._running):
            if running is not None and running.process.poll() is not None:
                events.append(WorkerEvent("error", self._epitaph(index, running)))
                self._forget(index, running)
            if self._running[index] is None:
                if now < self._retry_at or not present:
                    continue
                try:
                    self._start_worker(index)
                    events.append(WorkerEvent("info", f"worker {index} on {self.ifname} forwards again"))
                except DatapathError as error:
                    self._retry_at = now + 5
                    events.append(WorkerEvent("error", str(error)))
            else:
                events += self._watch_heartbeat(index)
                self._remind(index)
        return events

    def _remind(self, index: int) -> None:
        """Hand the table over again where its worker had no room for it, and works on."""
        behind = self._blocks[index].get("generation") != self._table.generation
        if behind and index not in self._stalled:
            self._hand_over(self._running[index])

    def _watch_heartbeat(self, index: int) -> Iterator[WorkerEvent]:
        age = (time.monotonic_ns() - self._blocks[index].get("heartbeat_ns")) / 1e9
        if age > STALL_S and index not in self._stalled:
            self._stalled.add(index)
            yield WorkerEvent(
                "warning", f"worker {index} on {self.ifname} gives no sign of life for {age:.0f} s"
            )
        elif age <= STALL_S and index in self._stalled:
            self._stalled.discard(index)
            yield WorkerEvent("info", f"worker {index} on {self.ifname} works again")

    def _epitaph(self, index: int, running: _Running) -> str:
        code = running.process.returncode
        if code == EXIT_INTERFACE_GONE:
            return f"worker {index} ended: interface {self.ifname} is gone"
        errors = running.process.stderr.read() if running.process.stderr is not None else b""
        return f"worker {index} on {self.ifname} ended with code {code}: {_last_line(errors or b'')}"

    def process_ids(self) -> list[int]:
        """Process ids of the workers that run."""
        return [r.process.pid for r in self._running if r is not None]

    # -- tables in --------------------------------------------------------------------------------------------------

    def install(self, table: ForwardingTable) -> None:
        """Hand a table to every worker, which takes it up between two frames. Returns at once."""
        memory = shared_memory.store_table(table)
        self._table_memory.close()
        self._table_memory = memory
        self._table = table
        self._installed = Installed(table)
        for running in self._running:
            self._hand_over(running)

    def _hand_over(self, running: _Running | None) -> None:
        if running is not None:
            # A worker that died gets it when it is started again, one whose socket is full of tables from `watch`.
            with contextlib.suppress(BlockingIOError, BrokenPipeError, ConnectionResetError):
                socket.send_fds(running.control, [b"table"], [self._table_memory.fd])

    def installed_generation(self) -> int:
        """Return the oldest generation that a worker still uses."""
        return min(block.get("generation") for block in self._blocks)

    # -- counters and flows out -------------------------------------------------------------------------------------

    def counters(self) -> Counters:
        """Totals of all workers."""
        return shared_memory.sum_counters(self._blocks)

    def swaps(self) -> Swaps:
        """How often the workers went over to another table, and how long frames waited for it."""
        return shared_memory.slowest_swaps(self._blocks)

    def sessions_max(self) -> int:
        """How many flows fit."""
        return self.workers * self.buckets * WAYS

    def flows(
        self, limit: int, server: int | None = None, target: int | None = None, client: str | None = None
    ) -> list[Flow]:
        """Live flows for people, at most `limit`. Raises ValueError where `client` is no address."""
        now_s = int(time.monotonic())
        address = None if client is None else address16(client)
        found: list[Flow] = []
        for table in self._flows:
            left = limit - len(found)
            if left > 0:
                found += table.flows(now_s, self._installed.rules, left, server, target, address)
        return found

    def pairs(self) -> Counter[tuple[int, int]]:
        """Count live flows by (server, target)."""
        now_s = int(time.monotonic())
        total: Counter[tuple[int, int]] = Counter()
        for table in self._flows:
            total.update(table.pairs(now_s, self._installed.rules))
        return total

    def find(self, client: str, client_port: int, address: str, port: int, protocol: int) -> Found | None:
        """Where a flow goes; None where no server takes it. For round robin a new flow's target is not foretold."""
        word = int.from_bytes(address16(address)[12:], "little")
        network_port = int.from_bytes(port.to_bytes(2, "big"), "little")
        installed = self._installed
        row = installed.find_row(word, network_port, protocol)
        if row < 0:
            return None
        server = installed.number[row]
        key_port = int.from_bytes(client_port.to_bytes(2, "big"), "little") if installed.by_port[row] else 0
        flow = flow_hash(address16(client), key_port, server)
        now_s = int(time.monotonic())
        for table in self._flows:
            index = table.find(flow, server)
            if index >= 0 and is_live(entry := table.flat[index], now_s, installed.rules):
                idle = now_s - (entry >> 27) & 0xFFFF
                return Found(row, server, entry & TARGET_MASK, known=True, idle_s=idle)
        return Found(row, server, self.would_pick(row, flow), known=False, idle_s=None)

    def would_pick(self, row: int, flow: int) -> int | None:
        """Target of a new flow where the method tells it beforehand (hash, first, one target), else None."""
        from engine.datapath.afpacket.state import hash_slot  # noqa: PLC0415 - keeps the import graph a tree
        from engine.datapath.contract import Pick  # noqa: PLC0415 - as above

        installed = self._installed
        start, length = installed.bucket_start[row], installed.bucket_len[row]
        if not length:
            return None
        if installed.pick[row] == Pick.HASH:
            return int(installed.table.buckets[start + hash_slot(flow, length)])
        choices = set(installed.table.buckets[start : start + length].tolist())
        return int(choices.pop()) if len(choices) == 1 else None


def _last_line(errors: bytes) -> str:
    lines = errors.decode(errors="replace").strip().splitlines()
    return lines[-1] if lines else "no message"
