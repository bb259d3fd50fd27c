"""The worker going over to another table, its ring and filter replaced by records of what was asked of them."""

from __future__ import annotations

import errno
import os
import select
import signal
import socket
import subprocess
import sys
import types
from pathlib import Path

import msgspec
import numpy as np
import pytest

from engine.datapath.afpacket import messages, sender
from engine.datapath.afpacket import worker as module
from engine.datapath.afpacket.worker import Worker
from engine.datapath.contract import FLOW_RECORD
from engine.datapath.counters import GENERATION, HEARTBEAT_NS, CounterBlock, word
from engine.datapath.flowtable import FlowTable, pack, table_bytes
from engine.datapath.lookup import Lookup
from engine.datapath.shared_memory import SharedMemory, store_table
from engine.datapath.table import Compiler
from engine.domain.address import Address
from tests.helpers.frames import compiled, server
from tests.helpers.paths import ROOT


@pytest.fixture
def swapped(worker_tables, monkeypatch):
    """Return a worker at which a frame always waits, and what it did, in order."""
    did: list[object] = []
    monkeypatch.setattr(module.packet_filter, "attach", lambda _sock, _program: did.append("filter"))

    def make(table) -> tuple[Worker, list[object]]:
        worker = object.__new__(Worker)
        worker.tables = worker_tables(table)
        worker.counters = worker.tables.counters
        worker.args = types.SimpleNamespace(index=0, workers=1)
        worker.rx = types.SimpleNamespace(sock=None, ready=lambda most: min(1, most))
        worker.forwarder = types.SimpleNamespace(
            frames=lambda count, _now_s: did.append((count, worker.tables.lookup.generation)),
            follow_table=lambda _now_s: None,
        )
        return worker, did

    return make


def hand_over(table) -> int:
    """Return a descriptor that the worker closes."""
    memory = store_table(table)
    descriptor = os.dup(memory.fd)
    memory.close()
    return descriptor


def test_frames_are_forwarded_by_the_former_table_while_the_next_is_taken_up(swapped):
    compiler = Compiler()
    worker, did = swapped(compiled(server(), compiler=compiler))
    worker.swap(hand_over(compiled(server(new=(2,), keep=(2,)), compiler=compiler)))
    assert did.count((1, 1)) >= 4  # in between, again and again
    assert did[-1] == (1, 2)  # and at once when it is in use
    assert did == sorted(did)  # and never again by the former one
    flat = worker.counters.flat
    assert flat[word("swaps")] == 1
    assert 0 < flat[word("swap_last_ns")] == flat[word("swap_longest_ns")] < 60e9
    worker.swap(hand_over(compiled(server(), compiler=compiler)))
    assert flat[word("swaps")] == 2
    assert flat[word("swap_longest_ns")] >= flat[word("swap_last_ns")]


def test_no_frame_to_a_new_address_meets_the_former_table(swapped):
    compiler = Compiler()
    worker, did = swapped(compiled(server(), compiler=compiler))
    other = compiled(
        server(address=Address.parse("172.16.1.11")), compiler=compiler, virtual=("172.16.1.11",)
    )
    worker.swap(hand_over(other))
    assert did[did.index("filter") + 1] == (1, 2)


def test_the_filter_stays_where_the_addresses_do(swapped):
    compiler = Compiler()
    worker, did = swapped(compiled(server(), compiler=compiler))
    worker.swap(hand_over(compiled(server(new=(2,)), compiler=compiler)))
    assert "filter" not in did


def test_a_table_taken_up_in_pieces_is_the_same(worker_tables):
    table = compiled(server(new=(1, 2, 3), keep=(1, 2, 3), by_port=True))
    pieces = []
    parted, whole = Lookup(table, lambda: pieces.append(1)), Lookup(table)
    assert len(pieces) >= 3
    for name, value in vars(whole).items():
        other = getattr(parted, name)
        assert repr(other) == repr(value), name


# -- orders -------------------------------------------------------------------------------------------------------------


class EndedError(Exception):
    """The worker's process would have ended."""


@pytest.fixture
def ordered(swapped, monkeypatch):
    """Return a worker with a control socket, the other end of it, and what it did."""
    ends = []

    def end(code):
        raise EndedError(code)

    monkeypatch.setattr(module.os, "_exit", end)

    def make(index=0, workers=1):
        worker, did = swapped(compiled(server()))
        did.clear()
        ours, worker.control = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        worker.control.setblocking(False)
        ends.extend((ours, worker.control))
        worker.args = types.SimpleNamespace(index=index, workers=workers)
        worker._held = worker._breath = 0
        return worker, ours, did

    yield make
    for end in ends:
        end.close()


def open_files() -> int:
    return sum(1 for _ in Path("/proc/self/fd").iterdir())


def send(control, message, memory) -> None:
    socket.send_fds(control, [messages.encode(message)], [memory.fd])
    memory.close()


def test_of_several_tables_that_wait_the_newest_is_taken_up(ordered):
    worker, control, _ = ordered()
    compiler = Compiler(generation=1)
    before = open_files()
    for _ in range(3):
        table = compiled(server(), compiler=compiler)
        send(control, messages.UseTable(table.generation), store_table(table))
    worker.take_orders()
    assert worker.tables.lookup.generation == 4
    assert worker.counters.get("swaps") == 1
    assert worker.counters.flat[GENERATION] == 4
    assert open_files() <= before + 1  # the mapping of the table in use, and nothing of the others
    worker.take_orders()  # nothing waits
    assert worker.counters.get("swaps") == 1


def memory_of(records) -> SharedMemory:
    memory = SharedMemory.create("test-records", records.nbytes)
    memory.map[:] = records.tobytes()
    return memory


def flows_of(*clients: str, target: int = 2) -> np.ndarray:
    records = np.zeros(len(clients), FLOW_RECORD)
    for record, client in zip(records, clients, strict=True):
        record["client"] = np.void(bytes(Address.parse(client)))
        record["server"], record["target"], record["state"] = 1, target, 1
    return records


@pytest.mark.parametrize(("index", "workers", "taken"), [(0, 1, 4), (0, 2, 1), (1, 2, 3)])
def test_flows_of_its_clients_are_taken_over_and_counted(ordered, index, workers, taken):
    worker, control, did = ordered(index, workers)
    records = flows_of("192.0.2.1", "192.0.2.3", "192.0.2.5", "192.0.2.8")
    send(control, messages.TakeFlows(len(records)), memory_of(records))
    worker.take_orders()
    assert worker.counters.target_sessions[2] == worker.counters.server_sessions[1] == taken
    assert np.count_nonzero(worker.tables.flows.entries) == taken
    assert did  # frames that waited were forwarded meanwhile


def test_flows_come_after_the_table_that_was_handed_over_before(ordered):
    worker, control, _ = ordered()
    compiler = Compiler(generation=1)
    table = compiled(server(new=(3,), keep=(3,)), compiler=compiler)
    send(control, messages.UseTable(table.generation), store_table(table))
    records = flows_of("192.0.2.1", target=3)
    send(control, messages.TakeFlows(1), memory_of(records))
    worker.take_orders()
    assert worker.tables.lookup.generation == 2
    assert worker.counters.target_sessions[3] == 1


def test_flows_that_are_replaced_are_off_the_counts(ordered):
    worker, control, _ = ordered()
    worker.tables.flows.lines[:] = pack(1, 1, 1, 9, 0, 0)  # void: of another generation
    worker.tables.recount()
    all_of_them = worker.counters.target_sessions[1]
    send(control, messages.TakeFlows(1), memory_of(flows_of("192.0.2.1")))
    worker.take_orders()
    assert worker.counters.target_sessions[1] == all_of_them - 1
    assert worker.counters.target_sessions[2] == 1


@pytest.mark.parametrize(
    ("data", "count"),
    [
        (messages.encode(messages.UseTable(9)), 0),
        (messages.encode(messages.TakeFlows(1)), 0),
        (messages.encode(messages.UseTable(9))[:-3], 1),
        (messages.encode({"type": "of-a-later-version"}), 1),
        (messages.encode({"type": "use-table", "generation": "seven"}), 1),
        (b"\xc1", 0),
        (bytes(messages.MESSAGE_BYTES + 1), 1),
    ],
)
def test_an_order_that_is_not_understood_or_came_without_its_memory_is_left(ordered, data, count):
    worker, control, _ = ordered()
    memory = store_table(compiled(server()))
    before, generation = open_files(), worker.tables.lookup.generation
    socket.send_fds(control, [data], [memory.fd] * count)
    worker.take_orders()
    assert worker.tables.lookup.generation == generation
    assert open_files() == before
    memory.close()
    table = compiled(server(new=(3,), keep=(3,)), compiler=Compiler(generation=6))
    send(control, messages.UseTable(table.generation), store_table(table))
    worker.take_orders()
    assert worker.tables.lookup.generation == 7


def test_when_the_other_end_is_closed_the_worker_ends(ordered):
    worker, control, _ = ordered()
    control.close()
    with pytest.raises(EndedError, match="0"):
        worker.take_orders()


def test_messages_are_told_apart_by_their_tags():
    assert messages.decode_to_worker(messages.encode(messages.UseTable(7))) == messages.UseTable(7)
    assert messages.decode_to_worker(messages.encode(messages.TakeFlows(7))) == messages.TakeFlows(7)
    assert messages.decode_from_worker(messages.encode(messages.Ready(7))) == messages.Ready(7)
    assert len(messages.encode(messages.TakeFlows(2**63))) < messages.MESSAGE_BYTES


def test_a_worker_starts_without_what_only_the_control_process_needs():
    code = "import sys, engine.datapath.afpacket.worker; print(*sys.modules)"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not {"ipaddress", "asyncio", "scapy", "pyroute2", "engine.datapath.table"} & set(
        run.stdout.split()
    )


# -- the loop -----------------------------------------------------------------------------------------------------------


class OverError(Exception):
    """The playbook is at its end."""


class Loop:
    """What the loop meets, by a clock of its own: `polls` are the answers of poll, each `frames` takes 1/8 s.

    An idle worker sleeps 1/4 s here. `did` is what it did, and when.
    """

    CONTROL, RING = 7, 8

    def __init__(self, monkeypatch):
        self.now = 100.0
        self.did: list[tuple] = []
        self.counts: list[int] = []
        self.polls: list[list[tuple[int, int]]] = []
        self.lost = 0
        self.registered: list[tuple] = []
        worker = self.worker = object.__new__(Worker)
        worker.control = types.SimpleNamespace(fileno=lambda: self.CONTROL)
        worker.rx = types.SimpleNamespace(
            sock=self.RING, ready=self.ready, troubled=False, lost=lambda: self.lost
        )
        worker.forwarder = types.SimpleNamespace(frames=self.frames, unsent=False, flush=self.flush)
        worker.tables = types.SimpleNamespace(sweep=lambda now_s: self.note("sweep", now_s))
        worker.counters = types.SimpleNamespace(flat={HEARTBEAT_NS: 0, word("ring_lost"): 0})
        worker.take_orders = lambda: self.note("orders")
        worker.look_after_interface = lambda: self.note("interface")
        worker.tell_fault = lambda: None
        clock = types.SimpleNamespace(monotonic=lambda: self.now, monotonic_ns=lambda: int(self.now * 1e9))
        monkeypatch.setattr(module, "time", clock)
        monkeypatch.setattr(module, "IDLE_POLL_MS", 250)
        monkeypatch.setattr(module, "select", types.SimpleNamespace(poll=lambda: self, POLLIN=select.POLLIN))

    def note(self, what, *more):
        self.did.append((what, self.now, *more))

    def register(self, fd, events):
        self.registered.append((fd, events))

    def ready(self, most):
        assert most == module.BATCH
        if not self.counts:
            raise OverError
        return self.counts.pop(0)

    def frames(self, count, now_s):
        self.note("frames", count, now_s)
        self.now += 0.125

    def flush(self):
        self.note("flush")
        self.worker.forwarder.unsent = False

    def poll(self, timeout_ms):
        events = self.polls.pop(0) if self.polls else []
        if not events:
            self.now += timeout_ms / 1000
        return events

    def run(self, *counts: int) -> list[tuple]:
        """Run until nothing more is told of the ring; each count is what stands ready at one look."""
        self.counts = list(counts)
        with pytest.raises(OverError):
            self.worker.run()
        return self.did


@pytest.fixture
def loop(monkeypatch):
    return Loop(monkeypatch)


def test_while_frames_come_orders_and_the_sweep_have_their_times_between_them(loop):
    assert loop.run(3, 4, 5) == [
        ("frames", 100.0, 3, 100),
        ("sweep", 100.125, 100),
        ("orders", 100.125),
        ("frames", 100.125, 4, 100),
        ("frames", 100.25, 5, 100),
        ("sweep", 100.375, 100),
        ("orders", 100.375),
    ]
    assert loop.registered == [(loop.RING, select.POLLIN), (loop.worker.control, select.POLLIN)]


def test_an_idle_worker_sleeps_and_sweeps_and_shows_that_it_lives(loop):
    assert loop.run(0, 0, 0) == [("sweep", 100.25, 100), ("sweep", 100.5, 100), ("sweep", 100.75, 100)]
    assert loop.worker.counters.flat[HEARTBEAT_NS] == 100_750_000_000


def test_it_wakes_for_orders_and_for_frames(loop):
    loop.polls = [[(loop.CONTROL, select.POLLIN)], [(loop.RING, select.POLLIN)]]
    did = loop.run(0, 0, 1)
    assert [what for what, *_ in did] == ["orders", "sweep", "frames"]


@pytest.mark.parametrize("events", [select.POLLERR, select.POLLIN | select.POLLERR, select.POLLHUP])
def test_an_error_of_the_ring_is_looked_after(loop, events):
    loop.polls = [[(loop.RING, events)]]
    assert loop.run(0)[0] == ("interface", 100.0)


def test_what_the_device_did_not_take_is_tried_again_soon(loop):
    loop.worker.forwarder.unsent = True
    assert loop.run(1)[:2] == [("flush", 100.0), ("frames", 100.0, 1, 100)]
    loop.worker.forwarder.flush = lambda: None  # it still takes nothing
    loop.worker.forwarder.unsent = True
    before = loop.now
    loop.run(0)
    assert loop.now == before + 0.001


def test_once_a_second_losses_are_counted_and_a_hidden_error_is_looked_after(loop):
    loop.lost = 5
    loop.worker.rx.troubled = True
    did = loop.run(*[0] * 4)  # until 101.0
    assert loop.worker.counters.flat[word("ring_lost")] == 5
    loop.now, loop.worker.rx.troubled = 100.0, True
    did.clear()
    loop.run(*[0] * 5)  # until 101.25: the second time, a second after the first
    assert [one for one in did if one[0] == "interface"] == [("interface", 100.25)]
    assert loop.worker.counters.flat[word("ring_lost")] == 15


# -- its interface, its start -------------------------------------------------------------------------------------------


@pytest.fixture
def interface(monkeypatch):
    """Return a worker on eth9, of which the socket's name can be changed, and what it did."""
    did = []
    worker = object.__new__(Worker)
    worker.args = types.SimpleNamespace(ifname="eth9")
    sock = types.SimpleNamespace(
        getsockopt=lambda level, option: did.append((level, option)), getsockname=lambda: ("eth9", 3)
    )
    worker.rx = types.SimpleNamespace(sock=sock)
    monkeypatch.setattr(module.time, "sleep", did.append)
    monkeypatch.setattr(module.socket, "if_nametoindex", lambda name: {"eth9": 4}[name])
    return worker, did


def test_a_link_that_is_down_is_waited_for(interface):
    worker, did = interface
    worker.look_after_interface()
    assert did == [(socket.SOL_SOCKET, socket.SO_ERROR), module.IDLE_POLL_MS / 1000]


def test_a_worker_whose_interface_is_gone_ends(interface, monkeypatch):
    def gone(_name):
        raise OSError(errno.ENODEV, "no interface with this name")

    worker, _ = interface
    monkeypatch.setattr(module.socket, "if_nametoindex", gone)
    with pytest.raises(SystemExit) as ended:
        worker.look_after_interface()
    assert ended.value.code == messages.EXIT_INTERFACE_GONE


def test_a_worker_whose_interface_has_another_name_ends(interface):
    worker, _ = interface
    worker.rx.sock.getsockname = lambda: ("eth8", 3)
    with pytest.raises(SystemExit) as ended:
        worker.look_after_interface()
    assert ended.value.code == messages.EXIT_INTERFACE_GONE


@pytest.fixture
def arguments():
    """Return arguments with memory behind them: a flow of target 1 is in the flow table, the table is of generation 5."""
    buckets = 16
    flows = SharedMemory.create("test-flows", table_bytes(buckets))
    block, beside = CounterBlock.create(), CounterBlock.create()
    beside.target_sessions[2] = 7
    table = store_table(compiled(server(), compiler=Compiler(generation=4)))
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    FlowTable(flows.view, buckets).flat[3] = pack(1, 1, 1, 0, 0, 0)
    yield messages.Arguments(
        ifname="eth9",
        mtu=1500,
        index=1,
        workers=2,
        buckets=buckets,
        rx_slots=64,
        tx_slots=32,
        control_fd=theirs.detach(),
        counters_fd=block.memory.fd,
        beside_fds=(beside.memory.fd,),
        flows_fd=flows.fd,
        table_fd=os.dup(table.fd),
    )
    ours.close()
    for memory in (flows, block.memory, beside.memory, table):
        memory.close()


@pytest.fixture
def built(monkeypatch):
    """Have rings and sockets be records of what they were made with."""
    made = []

    def ring(kind):
        def make(*args):
            made.append((kind, *args))
            return types.SimpleNamespace(sock=kind, ready=lambda _most: 0, slot=args[2])

        return make

    def plain(ifname, **options):
        made.append(("socket", ifname, options))
        return "socket"

    monkeypatch.setattr(module, "ReceiveRing", ring("rx"))
    monkeypatch.setattr(sender, "TransmitRing", ring("tx"))
    monkeypatch.setattr(sender, "packet_socket", plain)
    monkeypatch.setattr(module.packet_filter, "attach", lambda sock, _program: made.append(("filter", sock)))
    return made


def test_a_worker_begins_with_the_flows_and_the_table_that_are_there(arguments, built):
    worker = Worker(arguments)
    try:
        slot = module.slot_bytes(1500)
        assert built[:2] == [("rx", "eth9", 64, slot), ("tx", "eth9", 32, slot)]
        assert ("socket", "eth9", {"protocol": 0}) in built
        assert ("socket", "eth9", {"protocol": 0, "direct": False}) in built
        assert built[-1] == ("filter", "rx")  # nothing was received before
        counters = worker.counters.read()
        assert worker.counters.flat[GENERATION] == 5
        assert worker.counters.flat[HEARTBEAT_NS] > 0
        assert counters.target_sessions[1] == counters.server_sessions[1] == 1
        assert counters.swaps == 0  # nothing had to wait
        assert worker.tables.sessions(np.array([1, 2])).tolist() == [1, 7]
    finally:
        worker.control.close()


def test_a_worker_that_may_open_no_more_sockets_makes_room_for_one_that_has_them(
    arguments, built, monkeypatch
):
    worker = Worker(arguments)

    def refuse(*_args, **_options):
        raise PermissionError

    monkeypatch.setattr(sender, "packet_socket", refuse)
    with pytest.raises(SystemExit, match="the sockets opened ahead are used up"):
        worker.open_sender("eth9")
    worker.control.close()


def test_a_worker_imports_nothing_later():
    """It may not read the files of modules any more, and what is written into memory cannot be executed."""
    program = """
import sys
from engine.datapath.afpacket import worker
before = set(sys.modules)
from tests.helpers.conformance import PATHS
from tests.helpers.fixtures import cases
helpers = set(sys.modules)
for path in PATHS:
    for case in cases():
        path.run(case)
print(sorted(set(sys.modules) - helpers), sorted(n for n in helpers - before if n.startswith("numpy")))
"""
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False, cwd=ROOT, timeout=60
    )
    assert (done.stdout, done.stderr) == ("[] []\n", "")


def test_without_addresses_a_worker_still_begins_with_a_filter(arguments, built):
    nothing = Compiler().compile([], [], virtual=[], own_mac=[], blocked_mac=[], mtu=1500)
    empty = store_table(nothing)
    os.dup2(empty.fd, arguments.table_fd)
    empty.close()
    worker = Worker(arguments)
    worker.control.close()
    assert built[-1] == ("filter", "rx")


def test_it_runs_before_others_ignores_ctrl_c_and_says_that_it_is_ready(arguments, monkeypatch):
    did = []

    class Ready:
        def __init__(self, given):
            assert given == arguments
            self.control = types.SimpleNamespace(
                send=lambda data: did.append(messages.decode_from_worker(data))
            )
            self.tables = types.SimpleNamespace(lookup=types.SimpleNamespace(generation=5))

        def run(self):
            did.append("run")

    monkeypatch.setattr(module, "Worker", Ready)
    monkeypatch.setattr(module.sys, "argv", ["-c", "something", msgspec.json.encode(arguments).decode()])
    monkeypatch.setattr(module.signal, "signal", lambda *args: did.append(args))
    monkeypatch.setattr(module.os, "setpriority", lambda _kind, who, nice: did.append((who, nice < 0)))
    monkeypatch.setattr(module.sockets, "open_ahead", did.append)
    monkeypatch.setattr(module.privileges, "restrict_worker", lambda: did.append("restricted"))
    monkeypatch.setattr(
        module, "gc", types.SimpleNamespace(collect=int, freeze=int, disable=lambda: did.append("gc"))
    )
    module.main()
    assert did == [
        (signal.SIGINT, signal.SIG_IGN),
        (0, True),
        module.SOCKETS,
        "restricted",  # with everything open, and before it looks at a frame
        messages.Ready(5),
        "gc",
        "run",
    ]
    os.close(arguments.control_fd)
    os.close(arguments.table_fd)


class Control:
    """A control socket that keeps what is sent, and is full the first time."""

    def __init__(self):
        self.sent, self.full = [], True

    def send(self, data):
        if self.full:
            self.full = False
            raise BlockingIOError
        self.sent.append(messages.decode_from_worker(data))


def test_a_fault_is_told_once_however_many_frames_it_meets():
    worker = object.__new__(Worker)
    worker._told = False
    worker.control = Control()
    worker.forwarder = types.SimpleNamespace(fault=None)
    worker.tell_fault()
    assert worker.control.full  # there was nothing to tell
    worker.forwarder.fault = "IndexError at scalar.py:1: first"
    worker.tell_fault()
    assert worker.control.sent == []
    worker.tell_fault()
    worker.forwarder.fault = "IndexError at scalar.py:2: second"
    worker.tell_fault()
    assert worker.control.sent == [messages.Fault("IndexError at scalar.py:1: first")]
