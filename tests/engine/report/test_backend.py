"""Every op of the table has one handler, and it reaches the part that does it."""

from __future__ import annotations

import time
from types import SimpleNamespace

import numpy as np
import pytest

from engine.api.console import Console
from engine.api.messages import AdminResult, Applied, ConfigStatus
from engine.api.ops import (
    OPS,
    AdminArgs,
    ApplyArgs,
    CommandArgs,
    ConfirmArgs,
    Consent,
    NoArgs,
    RollbackArgs,
    SessionsArgs,
)
from engine.config.model import Config
from engine.datapath.contract import Counters
from engine.datapath.flow_states import FlowState
from engine.domain.actor import Actor
from engine.domain.errors import OpError
from engine.domain.notices import Alarm, Notice
from engine.domain.states import NodeRole
from engine.modules.state.world import World
from engine.report.backend import SESSIONS_MOST, Backend, _handlers
from engine.report.events import EventLog
from engine.trends.rates import Rates
from tests.helpers import states

ACTOR = Actor("alice", 1000, 42)


def test_every_op_is_answered_by_the_connection_or_by_the_backend_and_not_by_both():
    own = Console("operator", ACTOR, None, None, None, frame_s=1)._own
    assert own.keys() | _handlers.keys() == OPS.keys()
    assert not own.keys() & _handlers.keys()


class Transactions:
    def __init__(self):
        self.asked = []

    def __getattr__(self, name):
        async def change(*args):
            self.asked.append((name, args))
            return Applied(revision=2)

        return change


class Forwarding:
    def __init__(self):
        self.asked = None

    def flows(self, limit, server, target, client):
        if client == "nonsense":
            raise ValueError("'nonsense' is not an address")
        self.asked = limit, server, target, client
        flow = SimpleNamespace(server=1, target=2, client="10.1.1.1", port=None, idle_s=3)
        return [SimpleNamespace(**vars(flow), state=state) for state in FlowState]

    def counters(self):
        return Counters(target_sessions=np.array([0, 4, 1]), target_half_open=np.array([0, 0, 2]))


@pytest.fixture
def engine():
    async def change_admin(args, actor):
        asked.append((args, actor))
        return AdminResult(changed=[1], unchanged=[])

    asked = []
    return SimpleNamespace(
        world=None,
        chain=None,
        rates=None,
        admin=None,
        drained=None,
        forwarding=Forwarding(),
        lights=None,
        transactions=Transactions(),
        in_force=False,
        change_admin=change_admin,
        asked=asked,
    )


@pytest.mark.parametrize(
    ("op", "args"),
    [
        ("apply", ApplyArgs(text="x")),
        ("command", CommandArgs(text="x")),
        ("rollback", RollbackArgs(revision=1)),
        ("confirm", ConfirmArgs(trial=1)),
        ("save", Consent(overwrite=True)),
    ],
)
async def test_a_change_is_made_in_the_name_of_who_asked(engine, op, args):
    applied = await Backend(engine).call(op, args, ACTOR)
    assert (applied.revision, applied.in_force) == (2, False)
    ((name, given),) = engine.transactions.asked
    assert name == op
    assert ACTOR in given
    assert args in given


async def test_operational_state_is_changed_in_the_name_of_who_asked(engine):
    args = AdminArgs(what="target", action="drain", numbers=[1])
    assert (await Backend(engine).call("admin", args, ACTOR)).changed == [1]
    assert engine.asked == [(args, ACTOR)]


@pytest.mark.parametrize(
    ("asked", "given"), [(-1, 0), (0, 0), (5, 5), (SESSIONS_MOST, SESSIONS_MOST), (1 << 40, SESSIONS_MOST)]
)
async def test_sessions_are_bounded_and_told_apart(engine, asked, given):
    answer = await Backend(engine).call("sessions", SessionsArgs(server=1, client="", limit=asked), ACTOR)
    assert engine.forwarding.asked == (given, 1, None, None)
    assert answer.total == 7
    assert [s.state for s in answer.sessions] == ["half-open", "open", "closing", "half-open"]


async def test_an_address_that_is_none_is_a_wrong_argument(engine):
    with pytest.raises(OpError, match="not an address") as refused:
        await Backend(engine).call("sessions", SessionsArgs(client="nonsense"), ACTOR)
    assert refused.value.code == "bad-args"


async def test_an_op_without_a_handler_is_unknown(engine):
    with pytest.raises(OpError, match="not built into this version") as refused:
        await Backend(engine).call("state", NoArgs(), ACTOR)
    assert refused.value.code == "unknown-op"


# -- the state ------------------------------------------------------------------------------------------------------


def running(*, first_round_done=True, settled=True, role=NodeRole.MASTER):
    """An engine with an empty configuration, as far as a state tells of it."""
    slb = SimpleNamespace(eligibility=lambda _: {1: "decision"}, targets=lambda _: {}, members=lambda _: {})
    return SimpleNamespace(
        world=World(Config(), role=role),
        chain=SimpleNamespace(
            slb=slb,
            view=None,
            first_round_done=first_round_done,
            arp=SimpleNamespace(entries=lambda _: []),
            vrrp=SimpleNamespace(elections=list),
            describe=list,
        ),
        forwarding=SimpleNamespace(
            counters=Counters,
            settled=lambda decisions: settled and decisions == {1: "decision"},
            describe=list,
            choice=SimpleNamespace(kind="afpacket", why=()),
            generation=0,
        ),
        rates=Rates(),
        admin=None,
        drained=None,
        options=SimpleNamespace(config="/etc/bng/bng.conf"),
        host=SimpleNamespace(addresses={}),
        control_sockets=SimpleNamespace(counts=list),
        event_log=EventLog(),
        alarms=[Alarm(severity="error", subject="host", message="refused")],
        duties=SimpleNamespace(states=lambda _: [states.duty("links", "follow links")]),
        server=SimpleNamespace(sockets=list),
        lights=None,
        transactions=SimpleNamespace(status=lambda _: ConfigStatus(revision=4, language="toml")),
    )


@pytest.mark.parametrize(
    ("first_round_done", "settled", "ready"),
    [(True, True, True), (False, True, False), (True, False, False), (False, False, False)],
)
def test_the_first_round_is_done_when_the_checks_are_and_the_workers_have_their_table(
    first_round_done, settled, ready
):
    engine = running(first_round_done=first_round_done, settled=settled)
    assert Backend(engine).state().first_round_done is ready


@pytest.mark.parametrize("role", NodeRole)
def test_the_role_is_what_the_election_says(role):
    assert Backend(running(role=role)).state().role == role.value


def test_a_state_has_the_engine_s_own_alarms_before_those_of_its_modules():
    engine = running()
    engine.world.alarms["arp", "server 1"] = Alarm(severity="warning", subject="server 1", message="conflict")
    state = Backend(engine).state()
    assert [alarm.message for alarm in state.alarms] == ["refused", "conflict"]
    assert (state.config_file, state.config.revision) == ("/etc/bng/bng.conf", 4)
    assert [duty.name for duty in state.duties] == ["links"]


def test_the_newest_event_of_a_state_is_the_last_that_is_kept():
    engine = running()
    backend = Backend(engine)
    for text in ("up", "down"):
        engine.event_log.add(Notice("health", "info", "target 1", text))
    assert backend.state().last_event_id == 2
    assert [event.message for event in backend.events(1, 10)] == ["down"]


def test_the_uptime_runs_from_the_start(monkeypatch):
    clock = iter([100.0, 102.26])
    monkeypatch.setattr(time, "monotonic", lambda: next(clock))
    assert Backend(running()).uptime_s == 2.3
