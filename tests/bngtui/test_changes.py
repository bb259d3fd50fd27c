"""What the console says of every change it asks for, without a terminal and without an engine."""

from __future__ import annotations

import asyncio
from pathlib import Path

import msgspec
import pytest

from bngtui.candidate import Candidate
from bngtui.changes import CHOICES_S, CONFIRM_WITHIN_S, SLOW_S, Changes
from bngtui.connection import trouble_of
from bngtui.dialogs.confirm import ConfirmDialog
from bngtui.dialogs.question import QuestionDialog
from bngtui.store import Store
from engine.api.client import AnswerMissing, EngineUnreachable, RequestError
from engine.api.messages import AdminResult, Applied, ConfigStatus, Pending, Revision
from tests.helpers.console_states import make_state

UNREACHABLE = EngineUnreachable(Path("/run/bng/operator.sock"), "no such socket")
PENDING = Pending(revision=2, reverts_to=1, seconds_left=60.0, actor="root(0) pid 812")
STATUS = ConfigStatus(revision=2, language="balanceng")
REVISION = Revision(number=1, time="2026-03-01T12:00:00Z", uid=0, user="root", note="", language="balanceng")


def applied(number=2, pending=None):
    return Applied(revision=number, pending=pending)


class Bench:
    """Changes with a screen that only remembers, and an engine that gives one answer."""

    def __init__(self, **state):
        self.store = Store()
        self.store.connection = "up"
        self.store.take_state(make_state(config=STATUS, **state), 0.0)
        self.said = []
        self.asked = []
        self.dialogs = []
        self.work = []
        self.answer = None
        self.now = 0.0
        self.changes = Changes(
            self,
            self.store,
            self,
            lambda text, role: self.said.append((text, role)),
            clock=lambda: self.now,
        )

    def status(self, **changes):
        config = msgspec.structs.replace(STATUS, **changes)
        self.store.take_state(msgspec.structs.replace(self.store.live, config=config), 0.0)

    # -- the application
    def push_screen(self, dialog, then):
        self.dialogs.append((dialog, then))

    def run_worker(self, work, *, name):
        self.work.append((name, work))

    # -- the connection
    async def ask(self, op, **args):
        self.asked.append((op, args))
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer

    async def done(self, answer):
        self.answer = answer
        ((_, work),) = self.work
        self.work.clear()
        await work
        return self.said[-1]

    async def dismiss(self, with_, answer):
        ((_, then),) = self.dialogs
        self.dialogs.clear()
        then(with_)
        return await self.done(answer)


@pytest.fixture
def bench():
    return Bench()


def candidate(note=""):
    return Candidate("/etc/bng/bng.conf", "balanceng", 1, "old\n", "new\n", note)


# -- whether anything may be changed ------------------------------------------------------------------------------


def test_what_may_be_changed_is_not_talked_about(bench):
    assert bench.changes.may() is True
    assert bench.said == []


@pytest.mark.parametrize("connection", ["connecting", "down"])
def test_without_a_connection_nothing_may_be_changed(bench, connection):
    bench.store.connection = connection
    assert bench.changes.may() is False
    assert bench.said == [("The engine is not reachable: nothing can be changed.", "down")]


def test_before_the_first_state_nothing_may_be_changed(bench):
    bench.store.live = None
    assert bench.changes.may() is False
    assert bench.said == [("The engine is not reachable: nothing can be changed.", "down")]


def test_a_read_only_console_says_that_first(bench):
    bench.store.read_only = True
    bench.store.connection = "down"
    assert bench.changes.may() is False
    assert bench.said == [("READ-ONLY: nothing can be changed from this console.", "warning")]


@pytest.mark.parametrize(
    "change",
    [
        lambda changes: changes.admin("disable", "target", 1),
        lambda changes: changes.confirm(),
        lambda changes: changes.take_back(),
        lambda changes: changes.save(),
    ],
)
def test_what_may_not_be_is_neither_asked_nor_done(bench, change):
    bench.status(pending=PENDING, differs=["target 2 disabled (file: enabled)"])
    bench.store.read_only = True
    change(bench.changes)
    assert not bench.dialogs
    assert not bench.work
    assert len(bench.said) == 1


# -- a target or a server -------------------------------------------------------------------------------------------


async def test_a_target_is_asked_about_and_disabled(bench):
    bench.changes.admin("disable", "target", 2)
    assert isinstance(bench.dialogs[0][0], ConfirmDialog)
    assert bench.dialogs[0][0].effect.object == "target 2 web2"
    said = await bench.dismiss(True, AdminResult(changed=[2], unchanged=[]))
    assert said == ("Done: target 2 web2 is disabled.", "up")
    assert bench.asked == [("admin", {"what": "target", "action": "disable", "numbers": [2]})]


async def test_what_was_so_before_is_said(bench):
    bench.changes.admin("drain", "target", 2)
    said = await bench.dismiss(True, AdminResult(changed=[], unchanged=[2]))
    assert said == ("Done: target 2 web2 is draining already.", "up")


@pytest.mark.parametrize("no", [False, None])
def test_no_changes_nothing(bench, no):
    bench.changes.admin("disable", "server", 1)
    bench.dialogs[0][1](no)
    assert not bench.work
    assert bench.said == [("Nothing was changed: server 1 www stays as it is.", "text")]


def test_what_is_gone_and_what_is_pointless_is_said_and_not_asked(bench):
    bench.changes.admin("disable", "target", 99)
    bench.changes.admin("enable", "target", 1)
    assert bench.said == [
        ("target 99 is not in the running configuration.", "warning"),
        ("target 1 web1 is enabled already.", "text"),
    ]
    assert not bench.dialogs


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (RequestError("refused", "a reload is under way"), "Refused: a reload is under way"),
        (UNREACHABLE, "Not done, the engine is not reachable: no such socket"),
    ],
)
async def test_why_it_was_not_done(bench, error, said):
    bench.changes.admin("disable", "target", 2)
    assert await bench.dismiss(True, error) == (said, "down")
    bench.status(pending=PENDING)
    for change in (bench.changes.confirm, bench.changes.take_back):
        change()
        assert await bench.done(error) == (said, "down")


def test_why_a_question_has_no_answer():
    assert trouble_of(UNREACHABLE) == "The engine is not reachable: no such socket"
    assert trouble_of(RequestError("gone", "there is no revision 9")) == "Refused: there is no revision 9"


# -- a new configuration --------------------------------------------------------------------------------------------


async def test_applied_on_trial(bench):
    bench.answer = applied(pending=PENDING)
    told = []
    assert (
        await bench.changes.apply(candidate(), 60, lambda result: told.append((result, *bench.said))) is None
    )
    # The page goes on before the outcome is said.
    assert told == [(bench.answer, ("Applying …", "text"))]
    assert bench.said[1:] == [("Revision 2 runs on trial: F8 keeps it, F9 takes it back.", "warning")]
    op, args = bench.asked[0]
    assert op == "apply"
    assert args == {
        "text": "new\n",
        "file": "bng.conf",
        "base": 1,
        "confirm_within_s": 60,
        "note": "edited in bngtui",
        "timeout_s": SLOW_S,
    }


async def test_applied_for_good_with_a_note(bench):
    bench.answer = applied()
    await bench.changes.apply(candidate("why"), None, lambda _: None)
    assert bench.said[-1] == ("Done: applied, revision 2 runs.", "up")
    assert bench.asked[0][1]["confirm_within_s"] is None
    assert bench.asked[0][1]["note"] == "why"


@pytest.mark.parametrize(
    ("error", "returned", "said"),
    [
        (RequestError("conflict", "revision 2 runs"), "revision 2 runs", "Applying …"),
        (RequestError("invalid", "no such target"), None, "Not applied: no such target"),
        (UNREACHABLE, None, "Not done, the engine is not reachable: no such socket"),
    ],
)
async def test_not_applied(bench, error, returned, said):
    bench.answer = error
    told = []
    assert await bench.changes.apply(candidate(), 60, told.append) == returned
    assert bench.said[-1][0] == said
    assert not told


@pytest.mark.parametrize(
    ("within_s", "pending", "said"),
    [
        (None, None, ("Done: rolled back to revision 1, revision 3 runs.", "up")),
        (60, PENDING, ("Revision 3 runs on trial: F8 keeps it, F9 takes it back.", "warning")),
    ],
)
async def test_rollback(bench, within_s, pending, said):
    bench.changes.rollback(REVISION, within_s)
    assert await bench.done(applied(3, pending)) == said
    assert bench.asked == [("rollback", {"revision": 1, "confirm_within_s": within_s, "timeout_s": SLOW_S})]


async def test_a_rollback_that_is_refused(bench):
    bench.changes.rollback(REVISION, None)
    assert await bench.done(RequestError("gone", "no revision 1")) == ("Refused: no revision 1", "down")


# -- the change on trial --------------------------------------------------------------------------------------------


async def test_the_change_on_trial_stays_or_is_taken_back(bench):
    bench.status(pending=PENDING)
    bench.changes.confirm()
    said = await bench.done(applied())
    assert said == ("Confirmed: revision 2 stays, and is in the file.", "up")
    bench.changes.take_back()
    assert await bench.done(applied(1)) == ("Taken back: revision 1 runs again.", "up")
    assert bench.asked == [("confirm", {"trial": 2}), ("rollback", {"trial": 2, "timeout_s": SLOW_S})]


async def test_a_key_held_down_answers_a_trial_once(bench):
    bench.status(pending=PENDING)
    bench.changes.take_back()
    bench.changes.take_back()
    bench.changes.confirm()
    assert [name for name, _ in bench.work] == ["take back"]
    refused = RequestError("refused", "revision 2 is not on trial any more")
    assert await bench.done(refused) == ("Refused: revision 2 is not on trial any more", "down")
    bench.changes.confirm()
    assert (await bench.done(applied()))[1] == "up"


@pytest.mark.parametrize("config", [STATUS, None])
def test_without_a_change_on_trial_there_is_nothing_to_confirm(bench, config):
    bench.store.take_state(msgspec.structs.replace(bench.store.live, config=config), 0.0)
    bench.changes.confirm()
    bench.changes.take_back()
    assert bench.said == [("No change waits to be confirmed.", "text")] * 2
    assert not bench.work


# -- operational state into the file --------------------------------------------------------------------------------


async def test_what_differs_is_asked_about_and_saved(bench):
    bench.status(differs=["target 2 disabled (file: enabled)"])
    bench.changes.save()
    dialog = bench.dialogs[0][0]
    assert isinstance(dialog, QuestionDialog)
    assert dialog.question.title == "Write into /etc/bng/bng.conf?"
    assert dialog.question.lines[0] == "target 2 disabled (file: enabled)"
    assert not dialog.guard.passes("W")
    assert await bench.dismiss("yes", applied(3)) == ("Saved: the file is revision 3.", "up")
    assert bench.asked == [("save", {"timeout_s": SLOW_S})]


def test_the_file_is_left_as_it_is(bench):
    bench.status(differs=["target 2 disabled (file: enabled)"])
    bench.changes.save()
    bench.dialogs[0][1]("")
    assert not bench.work
    assert bench.said == []


def test_nothing_to_save(bench):
    bench.changes.save()
    assert bench.said == [("Nothing to save: the file says what runs.", "text")]
    bench.store.take_state(msgspec.structs.replace(bench.store.live, config=None), 0.0)
    bench.changes.save()
    assert not bench.dialogs


def test_the_time_to_confirm_is_one_of_the_choices():
    assert CONFIRM_WITHIN_S in CHOICES_S
    assert CHOICES_S == (15, 30, 60, 120, 300, 600, 1800)
    assert SLOW_S == 60


# -- three outcomes ---------------------------------------------------------------------------------------------------

LOST = AnswerMissing(Path("/run/bng/operator.sock"), "no answer to admin within 10 s")


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (LOST, "Unknown, it may have been done: no answer to admin within 10 s. Look at the events before "),
        (UNREACHABLE, "Not done, the engine is not reachable: no such socket"),
        (RequestError("refused", "a reload is under way"), "Refused: a reload is under way"),
    ],
)
async def test_a_change_is_done_refused_or_unknown(bench, answer, said):
    bench.changes.admin("disable", "target", 2)
    text, role = await bench.dismiss(True, answer)
    assert text.startswith(said)
    assert role == "down"
    await bench.changes.apply(candidate(), None, lambda _: None)
    assert bench.said[-1][0].startswith(said.replace("Refused", "Not applied"))


def test_nothing_is_offered_or_done_while_the_data_is_old(bench):
    bench.now = 15.4
    bench.changes.admin("disable", "target", 2)
    assert not bench.dialogs
    assert bench.said == [
        ("The data is 15 s old: nothing can be changed until the engine tells how it is.", "down")
    ]


def test_an_engine_that_falls_silent_while_the_question_is_open_is_not_asked(bench):
    bench.changes.admin("disable", "target", 2)
    ((_, answered),) = bench.dialogs
    bench.now = 3.0
    answered(True)
    assert not bench.work
    assert bench.said[-1][0].startswith("The data is 3 s old")


# -- the end of a trial -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("after", "said"),
    [
        ({"revision": 2}, "The trial is over: revision 2 was confirmed, and stays."),
        ({"revision": 1}, "The trial is over: revision 1 runs again."),
        (
            {
                "revision": 3,
                "pending": msgspec.structs.replace(PENDING, revision=3, actor="eve(1001) pid 9"),
            },
            "Revision 3 of eve(1001) pid 9 is on trial now.",
        ),
    ],
)
def test_the_end_of_a_trial_elsewhere_is_told(bench, after, said):
    bench.status(pending=PENDING)
    bench.changes.follow()
    bench.status(pending=msgspec.structs.replace(PENDING, seconds_left=59.0))
    bench.changes.follow()
    assert not bench.said
    bench.status(**after)
    bench.changes.follow()
    bench.changes.follow()
    assert [text for text, _ in bench.said] == [said]


@pytest.mark.parametrize("end", ["confirm", "take_back"])
async def test_the_end_that_this_console_asked_for_is_told_once(bench, end):
    bench.status(pending=PENDING)
    bench.changes.follow()
    getattr(bench.changes, end)()
    await bench.done(applied())
    bench.changes.follow()  # a reading from before
    bench.status()
    bench.changes.follow()
    assert len(bench.said) == 1


# -- others' work -----------------------------------------------------------------------------------------------------

DIFFERS = RequestError("file-differs", "/etc/bng/bng.conf was changed by somebody else at 23:30 UTC")
THEIRS = RequestError("on-trial", "revision 2 of root(0) pid 812 is on trial for 26 s more")


async def agreeing(bench, work, answer):
    """Do it, and answer the one question that comes."""
    doing = asyncio.ensure_future(work)
    await asyncio.sleep(0)
    ((dialog, then),) = bench.dialogs
    bench.dialogs.clear()
    bench.answer = applied(3)
    then(answer)
    await doing
    return dialog.question


@pytest.mark.parametrize(
    ("refusal", "answer", "added"),
    [(DIFFERS, "yes", {"overwrite": True}), (THEIRS, "keep", {"keep_trial": 2})],
)
async def test_others_work_is_asked_about_and_then_done(bench, refusal, answer, added):
    bench.status(pending=PENDING)
    bench.answer = refusal
    question = await agreeing(bench, bench.changes.apply(candidate(), None, lambda _: None), answer)
    assert question.lines == question.grave == (refusal.message,)
    assert [args.items() >= added.items() for _, args in bench.asked] == [False, True]
    assert bench.said[-1] == ("Done: applied, revision 3 runs.", "up")


@pytest.mark.parametrize("refusal", [DIFFERS, THEIRS])
async def test_who_does_not_agree_changes_nothing(bench, refusal):
    bench.status(pending=PENDING)
    bench.answer = refusal
    await agreeing(bench, bench.changes.apply(candidate(), None, lambda _: None), "")
    assert len(bench.asked) == 1
    assert bench.said[-1] == (f"Not applied: {refusal.message}", "down")


async def test_what_is_refused_again_after_the_answer_is_not_asked_again(bench):
    bench.answer = DIFFERS
    doing = asyncio.ensure_future(bench.changes.apply(candidate(), None, lambda _: None))
    await asyncio.sleep(0)
    ((_, then),) = bench.dialogs
    then("yes")
    await doing
    assert len(bench.dialogs) == 1
    assert len(bench.asked) == 2


async def test_the_trial_of_somebody_else_that_is_over_by_now_is_only_refused(bench):
    bench.answer = THEIRS
    await bench.changes.apply(candidate(), None, lambda _: None)
    assert not bench.dialogs
