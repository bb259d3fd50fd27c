"""What runs meanwhile, told to who edits."""

from __future__ import annotations

from pathlib import Path

import pytest

from bngtui.candidate import Candidate
from bngtui.editor.edited import EditedText
from bngtui.editor.meanwhile import Meanwhile
from engine.api.client import EngineUnreachable
from engine.api.messages import ConfigStatus, Revision, RunningConfig
from tests.helpers.console_states import make_state


class Keeper:
    kept = 0

    def keep(self):
        self.kept += 1


class Bench:
    """An operator who edits revision 2, and an engine that may run another one."""

    def __init__(self, page, area):
        self.page, self.area, self.keeper = page, area, Keeper()
        self.edited = EditedText(area)
        self.edited.show(Candidate("/etc/bng/bng.conf", "balanceng", 2, "two\n", "two\n"))
        self.meanwhile = Meanwhile(page, self.edited, self.keeper, self.edited.show)
        page.store.connection = "up"
        self.runs(2, "two\n")

    def runs(self, number, text):
        config = ConfigStatus(revision=number, language="balanceng")
        self.page.store.take_state(make_state(config=config), 0.0)
        self.page.answers = {
            "running": RunningConfig(
                file="/etc/bng/bng.conf", language="balanceng", revision=number, text=text
            ),
            "revision": Revision(
                number=number,
                time="2026-03-01T12:03:00Z",
                uid=0,
                user="eve",
                note="shop is slow",
                language="balanceng",
            ),
        }

    async def look(self):
        self.meanwhile.look()
        await self.page.done()
        said, self.page.said = self.page.said, []
        return said


@pytest.fixture
def bench(page, area):
    return Bench(page, area)


async def test_what_is_edited_runs(bench):
    assert await bench.look() == []
    assert bench.page.renewed == 0


async def test_who_typed_something_is_told_once(bench):
    bench.area.text = "typed\n"
    bench.runs(3, "three\n")
    assert await bench.look() == [
        ("Meanwhile revision 3 by eve, 03-01 12:03:00 UTC: shop is slow", "warning")
    ]
    assert await bench.look() == []
    assert bench.area.text == "typed\n"
    assert bench.edited.candidate.base == 2
    assert bench.page.renewed == 1


async def test_who_typed_nothing_is_shown_what_runs(bench):
    bench.area.cursor_location = (0, 2)
    bench.runs(3, "three\n")
    ((said, role),) = await bench.look()
    assert said.startswith("Shown now: revision 3 by eve")
    assert role == "accent"
    assert bench.area.text == "three\n"
    assert bench.area.cursor_location == (0, 2)
    assert bench.keeper.kept == 0


async def test_a_trial_that_was_taken_back_leaves_the_text_as_a_change(bench):
    bench.runs(1, "one\n")
    assert await bench.look() == [
        ("Back to revision 1. The text is still here, as a change of it.", "warning")
    ]
    assert (bench.edited.candidate.base, bench.edited.candidate.base_text) == (1, "one\n")
    assert bench.area.text == "two\n"
    assert bench.edited.changed
    assert bench.keeper.kept == 1


async def test_what_is_known_is_not_told(bench):
    bench.meanwhile.known(3)
    bench.meanwhile.known(1)
    bench.runs(3, "three\n")
    assert await bench.look() == []


@pytest.mark.parametrize("missing", ["engine", "state", "config", "text"])
async def test_where_nothing_is_known_nothing_is_asked(bench, missing):
    bench.runs(3, "three\n")
    if missing == "engine":
        bench.page.store.connection = "down"
    elif missing == "state":
        bench.page.store.live = None
    elif missing == "config":
        bench.page.store.live.config = None
    else:
        bench.edited.candidate = None
    bench.meanwhile.look()
    assert not bench.page.work


async def test_one_question_at_a_time_and_again_after_one_that_failed(bench):
    bench.area.text = "typed\n"
    bench.runs(3, "three\n")
    bench.meanwhile.look()
    bench.meanwhile.look()
    assert len(bench.page.work) == 1
    good = bench.page.answers
    bench.page.answers = {"running": EngineUnreachable(Path("s"), "gone")}
    await bench.page.done()
    assert bench.page.said == []
    bench.page.answers = good
    assert len(await bench.look()) == 1


async def test_an_answer_about_another_text_is_dropped(bench):
    bench.runs(3, "three\n")
    bench.meanwhile.look()
    bench.edited.show(Candidate("/etc/bng/bng.conf", "balanceng", 2, "two\n", "two\n"))
    await bench.page.done()
    assert bench.page.said == []
    assert bench.page.renewed == 0


async def test_an_engine_that_went_back_meanwhile_is_no_news(bench):
    bench.runs(3, "three\n")
    bench.meanwhile.look()
    bench.runs(2, "two\n")
    await bench.page.done()
    assert bench.page.said == []
