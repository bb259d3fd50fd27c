"""One worker as the control process sees it: a child process, the socket to it, and the memory they share."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import msgspec

from engine.datapath.afpacket import messages
from engine.datapath.afpacket.ring import receive_slots
from engine.datapath.contract import DatapathError, WorkerEvent
from engine.datapath.counters import GENERATION, HEARTBEAT_NS, CounterBlock
from engine.datapath.flowtable import FlowTable, table_bytes
from engine.datapath.shared_memory import SharedMemory

if TYPE_CHECKING:
    from collections.abc import Iterator

TX_SLOTS = 1024

START_TIMEOUT_S = 10.0
STOP_TIMEOUT_S = 2.0
STALL_S = 2.0
"""A worker whose heartbeat is older than this is reported as stalled."""

RETRY_S = 5.0
"""A worker that could not be started is tried again after this."""


class WorkerProcess:
    """Worker `index` of `workers` on an interface. Flow table and counters outlive the process."""

    def __init__(self, ifname: str, index: int, workers: int, buckets: int) -> None:
        self.ifname = ifname
        self.index = index
        self._workers = workers
        self.block = CounterBlock.create()
        self.beside: tuple[CounterBlock, ...] = ()  # of the other workers, which this one reads
        self._flow_memory = SharedMemory.create("bng-flows", table_bytes(buckets))
        self.flows = FlowTable(self._flow_memory.view, buckets)
        self.flows.choose_seed()
        self._process: subprocess.Popen[bytes] | None = None
        self._control: socket.socket | None = None
        self._retry_at = 0.0
        self._stalled = False

    @property
    def pid(self) -> int | None:
        """Process id, None where none runs."""
        return None if self._process is None else self._process.pid

    @property
    def generation(self) -> int:
        """Generation of the table that it forwards by."""
        return int(self.block.flat[GENERATION])

    # -- life -------------------------------------------------------------------------------------------------------

    def start(self, mtu: int, table: SharedMemory) -> None:
        """Start the process and wait until it receives; raises DatapathError."""
        try:
            ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        except OSError as error:
            raise DatapathError(f"no worker for {self.ifname}: {error}") from error
        arguments = messages.Arguments(
            ifname=self.ifname,
            mtu=mtu,
            index=self.index,
            workers=self._workers,
            buckets=self.flows.buckets,
            rx_slots=receive_slots(mtu),
            tx_slots=TX_SLOTS,
            control_fd=theirs.fileno(),
            counters_fd=self.block.memory.fd,
            beside_fds=tuple(block.memory.fd for block in self.beside),
            flows_fd=self._flow_memory.fd,
            table_fd=table.fd,
        )
        inherited = (
            theirs.fileno(),
            self.block.memory.fd,
            *arguments.beside_fds,
            self._flow_memory.fd,
            table.fd,
        )
        command = [
            sys.executable,
            "-P",  # nothing in the working directory is imported (python(1))
            "-m",
            "engine.datapath.afpacket.worker",
            msgspec.json.encode(arguments).decode(),
        ]
        # One thread a worker: the vector library must not start its own.
        environment = os.environ | {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
        try:
            process = subprocess.Popen(  # noqa: S603 - our own interpreter and module
                command, pass_fds=inherited, stderr=subprocess.PIPE, env=environment
            )
        except OSError as error:
            ours.close()
            raise DatapathError(f"no worker for {self.ifname}: {error}") from error
        finally:
            theirs.close()
        if not _is_ready(ours):
            ours.close()
            process.kill()
            _, errors = process.communicate()  # closes the pipe too
            raise DatapathError(f"the worker on {self.ifname} did not start: {_last_line(errors)}")
        ours.setblocking(False)
        if process.stderr is not None:
            os.set_blocking(process.stderr.fileno(), False)
        self._process, self._control = process, ours

    def ask_to_stop(self) -> None:
        """Have the process end, without waiting for it: it does where the control socket is closed."""
        if self._control is not None:
            self._control.close()

    def stop(self) -> None:
        """End the process, by force where it takes too long. Counters and flows can still be read."""
        self.ask_to_stop()
        if self._process is None:
            return
        try:
            self._process.wait(STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._forget(self._process)

    def close(self) -> None:
        """Stop, and give the memory back."""
        self.stop()
        self._flow_memory.close()
        self.block.memory.close()

    def _forget(self, process: subprocess.Popen[bytes]) -> None:
        self.ask_to_stop()
        if process.stderr is not None:
            process.stderr.close()
        self._process = self._control = None

    # -- looking after it -------------------------------------------------------------------------------------------

    def watch(self, now: float, mtu: int, table: SharedMemory, *, present: bool) -> Iterator[WorkerEvent]:
        """Start it again if it died, and tell of stalls (contract.Datapath.watch)."""
        yield from self._take_messages()
        if self._process is not None and self._process.poll() is not None:
            yield WorkerEvent("error", self._epitaph(self._process))
            self._forget(self._process)
        if self._process is not None:
            yield from self._watch_heartbeat()
        elif present and now >= self._retry_at:
            try:
                self.start(mtu, table)
                yield WorkerEvent("info", f"worker {self.index} on {self.ifname} forwards again")
            except DatapathError as error:
                self._retry_at = now + RETRY_S
                yield WorkerEvent("error", str(error))

    def _take_messages(self) -> Iterator[WorkerEvent]:
        while self._control is not None:
            try:
                data = self._control.recv(messages.MESSAGE_BYTES)
            except (BlockingIOError, ConnectionResetError):
                return
            if not data:
                return
            message = messages.decode_from_worker(data)
            if message is None:
                yield WorkerEvent(
                    "warning", f"worker {self.index} on {self.ifname} said something that is not understood"
                )
            elif isinstance(message, messages.Fault):
                yield WorkerEvent(
                    "error",
                    f"worker {self.index} on {self.ifname} dropped a frame by a fault: {message.text}",
                )

    def silent_s(self) -> float:
        """Return the age of its heartbeat in seconds; 0 where it does not run."""
        if self._process is None:
            return 0.0
        return float(time.monotonic_ns() - self.block.flat[HEARTBEAT_NS]) / 1e9

    def _watch_heartbeat(self) -> Iterator[WorkerEvent]:
        age_s = self.silent_s()
        stalled = age_s > STALL_S
        if stalled and not self._stalled:
            yield WorkerEvent(
                "warning", f"worker {self.index} on {self.ifname} gives no sign of life for {age_s:.0f} s"
            )
        elif self._stalled and not stalled:
            yield WorkerEvent("info", f"worker {self.index} on {self.ifname} works again")
        self._stalled = stalled

    def _epitaph(self, process: subprocess.Popen[bytes]) -> str:
        if process.returncode == messages.EXIT_INTERFACE_GONE:
            return f"worker {self.index} ended: interface {self.ifname} is gone"
        errors = process.stderr.read() if process.stderr is not None else b""
        code = process.returncode
        return f"worker {self.index} on {self.ifname} ended with code {code}: {_last_line(errors or b'')}"

    # -- messages ---------------------------------------------------------------------------------------------------

    def hand_over(self, generation: int, table: SharedMemory) -> None:
        """Hand over a table. Where the worker does not run, or its socket is full, `remind` does it again."""
        self._send(messages.UseTable(generation), table)

    def remind(self, generation: int, table: SharedMemory) -> None:
        """Hand the table over again where the worker had no room for it, and works on."""
        if self.generation != generation and not self._stalled:
            self.hand_over(generation, table)

    def take_flows(self, count: int, records: SharedMemory) -> bool:
        """Hand over flow records; False where the worker does not run or has no room for the message."""
        return self._send(messages.TakeFlows(count), records)

    def _send(self, message: messages.ToWorker, memory: SharedMemory) -> bool:
        if self._control is None:
            return False
        with contextlib.suppress(BlockingIOError, BrokenPipeError, ConnectionResetError):
            socket.send_fds(self._control, [messages.encode(message)], [memory.fd])
            return True
        return False


def _is_ready(control: socket.socket) -> bool:
    control.settimeout(START_TIMEOUT_S)
    with contextlib.suppress(TimeoutError, ConnectionResetError):
        data = control.recv(messages.MESSAGE_BYTES)
        return isinstance(messages.decode_from_worker(data), messages.Ready)
    return False


def _last_line(errors: bytes) -> str:
    lines = errors.decode(errors="replace").strip().splitlines()
    return lines[-1] if lines else "no message"
