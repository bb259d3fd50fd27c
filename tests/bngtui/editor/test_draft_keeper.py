"""No text is lost, whatever the operator answers."""

from __future__ import annotations

import shutil

import pytest

from bngtui.candidate import Candidate
from bngtui.editor.draft_keeper import DRAFT_S, DraftKeeper
from bngtui.editor.drafts import Drafts
from bngtui.editor.edited import EditedText
from engine.api.messages import RunningConfig

FILE = "/etc/bng/bng.conf"
RUNNING = RunningConfig(file=FILE, language="balanceng", revision=2, text="runs\n")


class Bench:
    def __init__(self, page, area, state_home):
        self.page, self.area = page, area
        self.folder = state_home / "bngtui" / "drafts"
        self.edited = EditedText(area)
        self.keeper = DraftKeeper(page, self.edited, self.edited.show)

    @property
    def kept(self):
        return len(list(self.folder.glob("*.draft")))

    async def edit(self, text):
        """Open the editor on what runs, and type."""
        await self.keeper.open("lb1", FILE, RUNNING)
        self.edited.show(Candidate.of(RUNNING))
        self.area.text = text

    async def write(self):
        self.keeper.keep()
        await self.page.done()

    async def leave_one_behind(self, text="typed\n"):
        other = DraftKeeper(self.page, self.edited, self.edited.show)
        await other.open("lb1", FILE, RUNNING)
        self.edited.show(Candidate.of(RUNNING))
        self.area.text = text
        self.area.cursor_location = (0, 3)
        other.close()
        self.edited.candidate = None

    async def found(self, running=RUNNING):
        await self.leave_one_behind()
        return await self.keeper.open("lb1", FILE, running)


@pytest.fixture
def bench(page, area, state_home):
    return Bench(page, area, state_home)


# -- keeping --------------------------------------------------------------------------------------------------------


async def test_one_timer_at_a_time_writes_what_is_typed(bench):
    bench.keeper.touch()
    assert not bench.page.timers  # there is no text yet
    await bench.edit("typed\n")
    bench.keeper.touch()
    bench.keeper.touch()
    ((delay_s, then),) = bench.page.timers
    assert delay_s == DRAFT_S < 1
    then()
    await bench.page.done()
    assert bench.kept == 1
    bench.keeper.touch()
    assert len(bench.page.timers) == 2


async def test_a_text_as_it_was_needs_no_draft(bench):
    await bench.edit("typed\n")
    await bench.write()
    bench.area.text = "runs\n"
    await bench.write()
    assert bench.kept == 0


async def test_what_was_applied_while_it_was_written_is_dropped(bench):
    await bench.edit("typed\n")
    bench.keeper.keep()
    bench.edited.candidate.base_text = "typed\n"
    await bench.page.done()
    assert bench.kept == 0


async def test_without_a_place_nothing_is_kept(bench):
    bench.edited.show(Candidate.of(RUNNING))
    bench.area.text = "typed\n"
    await bench.write()
    bench.keeper.drop()
    bench.keeper.close()
    assert bench.kept == 0


async def test_a_disk_that_refuses_is_told_once(bench):
    await bench.edit("typed\n")
    for path in bench.folder.iterdir():
        path.unlink()
    bench.folder.rmdir()
    await bench.write()
    await bench.write()
    ((said, role),) = bench.page.said
    assert said.startswith("The draft is not kept")
    assert role == "warning"


async def test_closing_keeps_what_was_typed_last_and_gives_the_place_back(bench):
    await bench.edit("typed\n")
    bench.keeper.close()
    assert bench.kept == 1
    found = Drafts("lb1", FILE).open()
    assert (found.text, found.base, found.base_text) == ("typed\n", 2, "runs\n")


async def test_closing_keeps_nothing_where_nothing_was_typed(bench):
    await bench.edit("runs\n")
    bench.keeper.close()
    assert bench.kept == 0


# -- offering -------------------------------------------------------------------------------------------------------


async def test_what_runs_already_is_not_offered(bench):
    applied = RunningConfig(file=FILE, language="balanceng", revision=3, text="typed\n")
    assert await bench.found(applied) is None
    assert bench.kept == 0


async def test_going_on_is_where_it_was_left(bench):
    draft = await bench.found()
    bench.edited.show(Candidate.of(RUNNING))
    bench.keeper.offer(draft, RUNNING)
    question, _, opened_by = bench.page.questions[0]
    assert question.lines == (f"{FILE} on lb1, 1 line", "it was made from revision 2")
    assert opened_by == "open('editor')"
    bench.page.answer("go")
    assert bench.area.text == "typed\n"
    assert bench.area.cursor_location == (0, 3)
    assert bench.area.focused
    assert bench.kept == 1
    assert bench.page.left == 0


async def test_that_something_else_runs_is_said(bench):
    newer = RunningConfig(file=FILE, language="balanceng", revision=5, text="five\n")
    bench.keeper.offer(await bench.found(newer), newer)
    assert "; revision 5 runs now" in bench.page.questions[0][0].lines[1]


@pytest.mark.parametrize("answer", ["later", ""])
@pytest.mark.parametrize("running", [True, False])
async def test_leaving_it_for_later(bench, answer, running):
    draft = await bench.found()
    if running:
        bench.edited.show(Candidate.of(RUNNING))
    bench.keeper.offer(draft, RUNNING if running else None)
    bench.page.answer(answer)
    # Without an engine there is nothing to edit, so the editor is left: once.
    assert bench.page.left == (0 if running else 1)
    assert bool(bench.page.said) is running
    assert bench.kept == 1
    bench.area.text = "something else\n"
    await bench.write()
    assert Drafts("lb1", FILE).open().text == "typed\n"


@pytest.mark.parametrize("running", [True, False])
async def test_discarding_it(bench, running):
    draft = await bench.found()
    if running:
        bench.edited.show(Candidate.of(RUNNING))
    bench.keeper.offer(draft, RUNNING if running else None)
    bench.page.answer("discard")
    assert bench.kept == 0
    assert bench.page.left == (0 if running else 1)


# -- leaving --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("answer", "left", "kept"), [("", 0, 1), ("keep", 1, 1), ("discard", 1, 0)])
async def test_leaving(bench, answer, left, kept):
    await bench.edit("typed\n")
    await bench.write()
    bench.keeper.ask_leave()
    question, _, opened_by = bench.page.questions[0]
    assert question.lines == ("it is kept, and offered when the editor is opened again",)
    assert opened_by == "leave"
    bench.page.answer(answer)
    bench.keeper.close()
    assert (bench.page.left, bench.kept) == (left, kept)


async def test_leaving_says_that_the_disk_refuses(bench):
    bench.folder.parent.mkdir(parents=True, exist_ok=True)
    bench.folder.write_text("not a folder")
    await bench.edit("typed\n")
    ((said, role),) = bench.page.said
    assert said.startswith("The draft is not kept")
    assert role == "warning"
    bench.keeper.ask_leave()
    question = bench.page.questions[0][0]
    assert question.lines == ("it is lost when you leave; Ctrl-O writes it to a file", said)
    assert question.grave == (said,)
    assert [answer.value for answer in question.answers] == ["", "discard"], "nothing says that it is kept"


async def test_who_cannot_keep_the_text_stays_in_the_editor(bench):
    await bench.edit("typed\n")
    await bench.write()
    bench.keeper.ask_leave()
    shutil.rmtree(bench.folder)
    bench.folder.write_text("the disk refuses by now")
    bench.page.answer("keep")
    assert bench.page.left == 0
    said, role = bench.page.said[-1]
    assert said.startswith("You are still in the editor. The draft is not kept")
    assert role == "down"


async def test_what_was_typed_last_is_kept_at_leaving(bench):
    await bench.edit("typed\n")
    bench.area.text = "typed in the last moment\n"
    bench.keeper.ask_leave()
    bench.page.answer("keep")
    bench.keeper.close()
    assert bench.page.left == 1
    assert Drafts("lb1", FILE).open().text == "typed in the last moment\n"


async def test_leaving_says_where_the_text_cannot_be_kept(bench):
    bench.edited.show(Candidate.of(RUNNING))
    bench.keeper.ask_leave()
    question = bench.page.questions[0][0]
    assert question.lines[1] == "Another draft has its place"
    assert [answer.value for answer in question.answers] == ["", "discard"]
