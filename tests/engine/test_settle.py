"""When tables are compiled, and when consoles are shown what came of it."""

import asyncio

import pytest

from engine.domain.actor import Actor
from engine.report.alarms import Alarms
from engine.report.duties import Duties
from engine.report.events import EventLog
from engine.settle import PREPARE_AGAIN, Settler


class Tables:
    """Stands for slb and forwarding: what was asked of them, in order."""

    def __init__(self):
        self.decisions = [{1: "a"}]
        self.did = []
        self.error = None
        self.forwards = True

    def eligibility(self, _now):
        return self.decisions.pop(0) if len(self.decisions) > 1 else self.decisions[0]

    async def prepare(self, decisions):
        self.did.append(("prepare", decisions))

    def compile(self, decisions):
        if self.error:
            raise self.error
        self.did.append(("compile", decisions))

    async def wait_in_force(self, _timeout_s):
        return self.forwards

    def in_force(self):
        return self.forwards


@pytest.fixture
def tables():
    return Tables()


@pytest.fixture
def duties():
    made = Duties(Alarms(EventLog()))
    made.add("tables", "compile")
    made.add("publishing", "show")
    return made


@pytest.fixture
def settler(tables, duties):
    return Settler(tables, tables, duties["tables"], duties["publishing"], lambda: tables.did.append("show"))


async def test_the_first_settling_compiles_and_shows(settler, tables):
    await settler.settle()
    assert tables.did == [("prepare", {1: "a"}), ("compile", {1: "a"}), "show"]


async def test_whoever_settles_hears_whether_the_table_is_in_force(settler, tables):
    assert await settler.settle()
    tables.forwards = False
    assert not await settler.settle()


async def test_without_a_wish_nothing_is_compiled_or_shown_again(settler, tables):
    await settler.settle()
    tables.did.clear()
    await settler.settle()
    assert tables.did == []


async def test_news_alone_are_shown_without_a_table(settler, tables):
    await settler.settle()
    tables.did.clear()
    settler.want_shown()
    await settler.settle()
    assert tables.did == ["show"]


async def test_a_wanted_table_is_compiled_and_shown(settler, tables):
    await settler.settle()
    tables.did.clear()
    settler.want_table()
    await settler.settle()
    assert tables.did == [("prepare", {1: "a"}), ("compile", {1: "a"}), "show"]


async def test_decisions_that_change_meanwhile_are_prepared_anew(settler, tables):
    tables.decisions = [{1: "a"}, {1: "b"}, {1: "b"}]
    await settler.settle()
    assert tables.did == [("prepare", {1: "a"}), ("prepare", {1: "b"}), ("compile", {1: "b"}), "show"]


async def test_decisions_that_never_rest_are_compiled_all_the_same(settler, tables):
    tables.decisions = [{1: n} for n in range(100)]
    await settler.settle()
    assert sum(what[0] == "prepare" for what in tables.did) == PREPARE_AGAIN
    assert tables.did[-2][0] == "compile"


async def test_what_failed_to_compile_is_tried_again_and_its_asker_told(settler, tables):
    tables.error = ValueError("no room")
    with pytest.raises(ValueError, match="no room"):
        await settler.settle()
    tables.error = None
    await settler.settle()
    assert ("compile", {1: "a"}) in tables.did


async def until(said):
    for _ in range(1000):
        if said():
            return
        await asyncio.sleep(0.001)
    raise AssertionError("never came")


async def test_woken_it_settles_and_a_fault_is_told_until_it_is_over(settler, tables, duties):
    def fault():
        return duties.states(0)[0].fault

    tables.error = RuntimeError("broken")
    task = asyncio.create_task(settler.keep_settled())
    try:
        await asyncio.sleep(0.01)
        assert tables.did == []  # nobody has woken it
        settler.wake()
        await until(lambda: fault() == "RuntimeError: broken")
        await until(lambda: "show" in tables.did)  # consoles see the alarm, whatever becomes of the table
        tables.error = None
        settler.wake()
        await until(lambda: ("compile", {1: "a"}) in tables.did)
        await until(lambda: fault() is None)
    finally:
        task.cancel()


async def test_what_cannot_be_shown_keeps_no_table_back(tables, duties):
    def broken():
        raise RuntimeError("no such row")

    settler = Settler(tables, tables, duties["tables"], duties["publishing"], broken)
    assert await settler.settle()
    assert ("compile", {1: "a"}) in tables.did
    assert [d.fault for d in duties.states(0)] == [None, "RuntimeError: no such row"]


async def test_what_a_worker_has_not_taken_up_is_told_and_told_again_when_it_has(settler, tables):
    root = Actor("root", 0)
    assert await settler.put_in_force("configuration", root) is None
    assert settler.in_force
    tables.forwards = False
    late = await settler.put_in_force("configuration", root)
    assert (late.severity, late.subject) == ("warning", "configuration")
    assert "accepted, not yet in force" in late.message
    assert not settler.in_force
    assert settler.in_force_at_last() == []
    tables.forwards = True
    ((notice, actor),) = settler.in_force_at_last()
    assert (notice.severity, notice.subject, actor) == ("info", "configuration", root)
    assert notice.message == "in force: every worker forwards by it now"
    assert settler.in_force
    assert settler.in_force_at_last() == []


async def test_a_later_change_that_is_in_force_takes_the_late_one_along(settler, tables):
    tables.forwards = False
    await settler.put_in_force("configuration", None)
    tables.forwards = True
    assert await settler.put_in_force("operational state", None) is None
    assert settler.in_force
    assert [notice.subject for notice, _ in settler.in_force_at_last()] == ["configuration"]
