"""Workers as the control process sees them, their processes replaced by the other end of their sockets."""

from __future__ import annotations

import asyncio
import io
import os
import socket
import subprocess
import time
from types import SimpleNamespace

import msgspec
import numpy as np
import pytest

from engine.datapath.afpacket import datapath as of_interface
from engine.datapath.afpacket import messages
from engine.datapath.afpacket import process as module
from engine.datapath.afpacket.datapath import AfPacketDatapath
from engine.datapath.contract import FLOW_RECORD, DatapathError, Description, Flow, Found, WorkerEvent
from engine.datapath.counters import GENERATION, HEARTBEAT_NS, word
from engine.datapath.flowtable import WAYS
from engine.datapath.keys import flow_hash
from engine.datapath.shared_memory import SharedMemory, load_table
from engine.datapath.table import Compiler
from engine.domain.address import Address
from tests.helpers.frames import VIP, compiled, server

BUCKETS = 16
CLIENT = Address.parse("192.0.2.1")


class Worker:
    """A worker's process: what it was started with, and its end of the control socket."""

    def __init__(self, command, *, pass_fds, env, says, **_more):
        self.arguments = msgspec.json.decode(command[-1], type=messages.Arguments)
        assert self.arguments.control_fd in pass_fds
        self.inherited = pass_fds
        assert env["OPENBLAS_NUM_THREADS"] == "1"
        self.control = socket.socket(fileno=os.dup(self.arguments.control_fd))
        self.control.setblocking(False)
        self.pid = id(self)
        self.returncode = None
        self.killed = False
        self.ends = True
        reader, writer = os.pipe()
        os.close(writer)
        self.stderr = os.fdopen(reader, "rb")
        if says is None:
            table = load_table(SharedMemory.attach(os.dup(self.arguments.table_fd)))
            says = messages.encode(messages.Ready(table.generation))
        if says:
            self.control.send(says)
        elif says is not False:
            self.control.close()

    def poll(self):
        return self.returncode

    def wait(self, timeout=None):
        if timeout is not None and not self.ends:
            raise subprocess.TimeoutExpired("worker", timeout)

    def kill(self):
        self.killed = True

    def communicate(self):
        self.stderr.close()
        return b"", b"Traceback\n  ...\nOSError: no ring"

    def heard(self) -> list:
        found = []
        while True:
            try:
                data, descriptors, _, _ = socket.recv_fds(self.control, 1000, 4)
            except BlockingIOError:
                return found
            if not data:
                return [*found, "end"]
            memory = SharedMemory.attach(descriptors[0])
            found.append((messages.decode_to_worker(data), memory))

    def close(self):
        self.control.close()
        if not self.stderr.closed:
            self.stderr.close()


@pytest.fixture
def started(monkeypatch):
    """Return the processes that were started, and what the next ones say.

    None: what a worker says; b"" to end, False to say nothing.
    """
    made = []
    answers = {"says": None}

    def popen(command, **more):
        made.append(Worker(command, **more, says=answers["says"]))
        return made[-1]

    monkeypatch.setattr(module.subprocess, "Popen", popen)
    yield made, answers
    for worker in made:
        worker.close()


@pytest.fixture
def datapath(started):
    made = AfPacketDatapath("eth9", 1500, 2, BUCKETS)
    yield made
    made.close()


def test_workers_are_started_with_what_they_need(started, datapath):
    made, _ = started
    datapath.start()
    one, two = (worker.arguments for worker in made)
    assert (one.ifname, one.mtu, one.workers, one.buckets) == ("eth9", 1500, 2, BUCKETS)
    assert (one.index, two.index) == (0, 1)
    assert one.counters_fd != two.counters_fd
    assert one.flows_fd != two.flows_fd
    assert one.table_fd == two.table_fd
    assert (one.beside_fds, two.beside_fds) == ((two.counters_fd,), (one.counters_fd,))
    assert {*one.beside_fds, one.counters_fd} <= set(made[0].inherited)
    assert datapath.process_ids() == [worker.pid for worker in made]
    assert datapath.describe() == Description(
        "afpacket", "eth9", 2, 2 * BUCKETS * WAYS, tuple(worker.pid for worker in made)
    )


def test_a_worker_that_does_not_start_says_why_and_none_runs(started, datapath):
    made, answers = started
    answers["says"] = b""
    with pytest.raises(DatapathError, match="the worker on eth9 did not start: OSError: no ring"):
        datapath.start()
    assert made[0].killed
    assert datapath.process_ids() == []


@pytest.mark.parametrize("says", [b"\xc1", messages.encode(messages.Fault("x")), bytes(2000)])
def test_a_worker_that_does_not_say_that_it_is_ready_does_not_run(started, datapath, says):
    made, answers = started
    answers["says"] = says
    with pytest.raises(DatapathError, match="did not start: OSError: no ring"):
        datapath.start()
    assert made[0].killed


def test_what_a_worker_says_and_nobody_understands_is_told(started, datapath):
    made, _ = started
    datapath.start()
    alive(datapath)
    for data in (b"\xc1", messages.encode({"type": "later"}), messages.encode(messages.Fault("at x"))):
        made[0].control.send(data)
    told = [event.message for event in datapath.watch(0.0)]
    assert [("not understood" in text, "fault: at x" in text) for text in told] == [
        (True, False),
        (True, False),
        (False, True),
    ]


def test_a_worker_that_says_nothing_is_not_waited_for_long(started, datapath, monkeypatch):
    made, answers = started
    answers["says"] = False
    monkeypatch.setattr(module, "START_TIMEOUT_S", 0.01)
    with pytest.raises(DatapathError, match="the worker on eth9 did not start"):
        datapath.start()
    assert made[0].killed


def test_what_a_worker_writes_to_its_errors_holds_nobody_up(started, datapath):
    made, _ = started
    datapath.start()
    assert not os.get_blocking(made[0].stderr.fileno())
    datapath.stop()
    assert all(worker.stderr.closed for worker in made)


def test_a_stop_closes_the_sockets_and_waits(started, datapath):
    made, _ = started
    datapath.start()
    made[1].ends = False
    datapath.stop()
    assert [worker.heard() for worker in made] == [["end"], ["end"]]
    assert [worker.killed for worker in made] == [False, True]
    assert datapath.process_ids() == []
    datapath.stop()  # nothing to stop


def test_a_restart_is_with_another_mtu(started, datapath):
    made, _ = started
    datapath.start()
    datapath.restart(9000)
    assert datapath.mtu == 9000
    assert [worker.arguments.mtu for worker in made] == [1500, 1500, 9000, 9000]
    assert [worker.heard() for worker in made[:2]] == [["end"], ["end"]]


def test_a_part_is_started_afresh_alone(started, datapath):
    made, _ = started
    datapath.start()
    datapath.restart_part(1)
    assert [worker.arguments.index for worker in made] == [0, 1, 1]
    assert made[0].heard() == []
    assert made[1].heard() == ["end"]


def test_a_table_is_handed_to_every_worker_and_to_those_started_later(started, datapath):
    made, _ = started
    datapath.start()
    table = compiled(server(), compiler=Compiler(generation=6))
    datapath.install(table)
    for worker in made:
        ((message, memory),) = worker.heard()
        assert message == messages.UseTable(7)
        assert load_table(memory).generation == 7
    datapath.restart_part(0)
    assert load_table(SharedMemory.attach(os.dup(made[-1].arguments.table_fd))).generation == 7


def use(datapath, *generations):
    for process, generation in zip(datapath._processes, generations, strict=True):
        process.block.flat[GENERATION] = generation


def test_in_force_is_what_the_slowest_uses(datapath):
    use(datapath, 5, 3)
    assert datapath.generation_in_force() == 3


def test_waiting_ends_when_a_table_is_in_force_or_takes_too_long(datapath):
    use(datapath, 5, 3)
    assert asyncio.run(datapath.wait_in_force(3, 0))
    assert not asyncio.run(datapath.wait_in_force(4, 0.01))

    async def later():
        waiting = asyncio.create_task(datapath.wait_in_force(4, 5), name="waiting")
        await asyncio.sleep(0.005)
        assert not waiting.done()
        use(datapath, 5, 4)
        return await waiting

    assert asyncio.run(later())


def test_a_wait_of_no_time_does_not_wait(datapath, monkeypatch):
    use(datapath, 5, 3)
    monkeypatch.setattr(of_interface, "time", SimpleNamespace(monotonic=lambda: 5.0))
    monkeypatch.setattr(of_interface, "asyncio", SimpleNamespace(sleep=None))
    assert not asyncio.run(datapath.wait_in_force(4, 0))


def alive(datapath, age_s=0.0):
    for process in datapath._processes:
        process.block.flat[HEARTBEAT_NS] = time.monotonic_ns() - int(age_s * 1e9)


def test_a_worker_that_died_is_told_and_started_again(started, datapath):
    made, _ = started
    datapath.start()
    alive(datapath)
    made[0].returncode = -9
    made[0].stderr.close()
    made[0].stderr = io.BytesIO(b"first\nlast words")
    assert datapath.watch(100.0) == [
        WorkerEvent("error", "worker 0 on eth9 ended with code -9: last words"),
        WorkerEvent("info", "worker 0 on eth9 forwards again"),
    ]
    assert len(made) == 3
    assert made[2].arguments.index == 0
    assert datapath.watch(101.0) == []


def test_where_the_interface_is_gone_nothing_is_started_until_it_is_back(started, datapath):
    made, _ = started
    datapath.start()
    alive(datapath)
    made[1].returncode = messages.EXIT_INTERFACE_GONE
    assert datapath.watch(100.0, present=False) == [
        WorkerEvent("error", "worker 1 ended: interface eth9 is gone")
    ]
    assert datapath.watch(101.0, present=False) == []
    assert len(made) == 2
    assert datapath.watch(102.0) == [WorkerEvent("info", "worker 1 on eth9 forwards again")]


def test_one_that_cannot_be_started_is_tried_again_after_a_while(started, datapath):
    made, answers = started
    datapath.start()
    alive(datapath)
    made[0].returncode = 1
    answers["says"] = b""
    assert [e.severity for e in datapath.watch(100.0)] == ["error", "error"]
    answers["says"] = None
    assert datapath.watch(100.0 + module.RETRY_S - 0.1) == []
    assert [e.severity for e in datapath.watch(100.0 + module.RETRY_S)] == ["info"]


def test_a_stall_is_told_once_and_its_end(started, datapath):
    datapath.start()
    alive(datapath)
    assert datapath.watch(1.0) == []
    datapath._processes[1].block.flat[HEARTBEAT_NS] -= int(5e9)
    (event,) = datapath.watch(2.0)
    assert event == WorkerEvent("warning", "worker 1 on eth9 gives no sign of life for 5 s")
    assert datapath.watch(3.0) == []
    alive(datapath)
    assert datapath.watch(4.0) == [WorkerEvent("info", "worker 1 on eth9 works again")]
    assert datapath.watch(5.0) == []


def test_a_table_for_which_there_was_no_room_is_handed_over_again(started, datapath):
    made, _ = started
    datapath.start()
    alive(datapath)
    datapath.install(compiled(server(), compiler=Compiler(generation=6)))
    for worker in made:
        worker.heard()
    use(datapath, 7, 6)
    datapath.watch(1.0)
    assert made[0].heard() == []
    assert [message for message, _ in made[1].heard()] == [messages.UseTable(7)]
    alive(datapath, age_s=10)  # not to one that does not take it up anyway
    datapath.watch(2.0)
    assert made[1].heard() == []


def test_a_full_socket_holds_nobody_up(started, datapath):
    datapath.start()
    for _ in range(1000):
        datapath._processes[0].hand_over(1, datapath._table_memory)
    assert not datapath._processes[0].take_flows(1, datapath._table_memory)


def test_flows_are_handed_to_a_worker_that_runs(started, datapath):
    assert not datapath._processes[0].take_flows(1, datapath._table_memory)
    datapath.start()
    assert datapath._processes[0].take_flows(1, datapath._table_memory)


def test_a_sign_of_life_may_be_two_seconds_old(started, datapath, monkeypatch):
    datapath.start()
    now = time.monotonic_ns()
    monkeypatch.setattr(module.time, "monotonic_ns", lambda: now)
    for process in datapath._processes:
        process.block.flat[HEARTBEAT_NS] = now - 2 * 10**9
    assert datapath.watch(1.0) == []
    datapath._processes[0].block.flat[HEARTBEAT_NS] -= 1000
    assert [event.severity for event in datapath.watch(2.0)] == ["warning"]


def test_counters_are_those_of_all_workers(datapath):
    for process, value in zip(datapath._processes, (3, 4), strict=True):
        process.block.flat[word("received")] = value
        process.block.flat[word("swaps")] = value
    counters = datapath.counters()
    assert (counters.received, counters.swaps) == (7, 4)


# -- flows --------------------------------------------------------------------------------------------------------------


def records(*clients: str, port: int = 0, target: int = 2) -> np.ndarray:
    made = np.zeros(len(clients), FLOW_RECORD)
    for record, client in zip(made, clients, strict=True):
        record["client"] = np.void(bytes(Address.parse(client)))
        record["port"], record["server"], record["target"], record["state"] = port, 1, target, 1
    return made


def known(datapath) -> list[list[str]]:
    rules = datapath._lookup.rules
    now_s = int(time.monotonic())
    return [
        sorted(str(f.client) for f in p.flows.flows(now_s, rules, 99, None, None))
        for p in datapath._processes
    ]


def test_flows_are_imported_into_the_table_of_their_clients_worker(datapath):
    datapath.install(compiled(server()))
    datapath.import_flows(records("192.0.2.1", "192.0.2.2", "192.0.2.4"))
    assert known(datapath) == [["192.0.2.2", "192.0.2.4"], ["192.0.2.1"]]
    assert datapath.pairs() == {(1, 2): 3}
    assert sorted(datapath.export_flows()["client"].tolist()) == sorted(
        records("192.0.2.1", "192.0.2.2", "192.0.2.4")["client"].tolist()
    )
    datapath.import_flows(records())


def test_workers_that_run_take_them_themselves(started, datapath):
    made, _ = started
    datapath.install(compiled(server()))
    datapath._processes[1].start(1500, datapath._table_memory)
    handed = records("192.0.2.1", "192.0.2.2")
    datapath.import_flows(handed)
    assert known(datapath) == [["192.0.2.2"], []]
    ((message, memory),) = made[0].heard()
    assert message == messages.TakeFlows(2)
    assert bytes(memory.view) == handed.tobytes()


def test_flows_are_told_up_to_a_limit_and_by_client(datapath):
    datapath.install(compiled(server()))
    datapath.import_flows(records("192.0.2.1", "192.0.2.2", "192.0.2.4"))
    assert datapath.flows(2) == datapath.flows(9)[:2]
    assert len(datapath.flows(3)) == len(datapath.flows(9)) == 3
    (flow,) = datapath.flows(9, client=CLIENT)
    assert (flow.server, flow.target, flow.client, flow.port) == (1, 2, CLIENT, None)
    assert isinstance(flow, Flow)
    assert datapath.flows(9, server=2) == datapath.flows(9, target=1) == []


def find(datapath, client=CLIENT, client_port=40000, port=80, protocol=6, address=VIP):
    return datapath.find(client, client_port, Address.parse(address), port, protocol)


def test_a_flow_is_found_where_its_entry_is(datapath):
    datapath.install(compiled(server()))
    assert (
        find(datapath, port=81) is find(datapath, protocol=17) is find(datapath, address="10.0.0.1") is None
    )
    assert find(datapath) == Found(0, 1, None, known=False, idle_s=None)  # round robin foretells nothing
    made = records(str(CLIENT))
    made["idle_s"] = 20
    datapath.import_flows(made)
    found = find(datapath)
    assert (found.target, found.known) == (2, True)
    assert 20 <= found.idle_s <= 22


def test_a_flow_is_known_wherever_in_the_table_it_stands():
    datapath = AfPacketDatapath("eth9", 1500, 1, 1)
    datapath.install(compiled(server()))
    clients = [f"192.0.2.{n}" for n in range(1, WAYS + 1)]
    datapath.import_flows(records(*clients))
    assert all(find(datapath, client=Address.parse(client)).known for client in clients)
    datapath.close()


def test_a_flow_that_its_target_has_lost_is_not_known(datapath):
    compiler = Compiler()
    datapath.install(compiled(server(), compiler=compiler))
    datapath.import_flows(records(str(CLIENT), target=2))
    datapath.install(compiled(server(new=(1,), keep=(1,)), compiler=compiler))
    assert find(datapath) == Found(0, 1, 1, known=False, idle_s=None)


def test_a_flow_by_port_is_found_by_it(datapath):
    datapath.install(compiled(server(by_port=True)))
    datapath.import_flows(records(str(CLIENT), port=40000))
    assert find(datapath).known
    assert not find(datapath, client_port=40001).known


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"method": "first", "new": (2, 1)}, 2),
        ({"method": "first", "new": (3, 1), "keep": (1, 3)}, 3),
        ({"new": (1,)}, 1),
        ({"new": ()}, None),
        ({"method": "random"}, None),
        ({"method": "session"}, None),
    ],
)
def test_what_a_new_flow_would_get_is_told_where_the_method_tells(datapath, changes, expected):
    datapath.install(compiled(server(**changes)))
    assert find(datapath).target == expected


def test_hash_foretells_what_frames_get(datapath):
    table = compiled(server(method="hash", new=(1, 2, 3), keep=(1, 2, 3)))
    datapath.install(table)
    for n in range(20):
        client = Address.parse(f"192.0.2.{n}")
        hashed = flow_hash(client, 0, 1)
        slot = (hashed >> 20 & 0xFFFFFFFF) % len(table.buckets)
        assert find(datapath, client=client).target == table.buckets[slot]
