"""A page and a text area that only remember, for parts of the editor without an application."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from bngtui.store import Store


class FakeArea:
    """As much of the text area as the parts use."""

    def __init__(self):
        self.text = ""
        self.speech = "balanceng"
        self.cursor_location = (0, 0)
        self.focused = False

    @property
    def lines(self):
        return self.text.split("\n")

    def take(self, text, language):
        self.text, self.speech = text.replace("\r\n", "\n"), language
        self.cursor_location = (0, 0)

    def swap(self, text):
        self.text = text

    def go(self, line, column):
        self.cursor_location = (line - 1, column - 1)

    def move_cursor(self, place, **_):
        self.cursor_location = place

    def clamp_visitable(self, place):
        return place

    def focus(self):
        self.focused = True


class FakePage:
    """Remembers what is said and asked; work waits until the test does it."""

    def __init__(self):
        self.said = []
        self.questions = []
        self.work = []
        self.timers = []
        self.left = 0
        self.renewed = 0
        self.store = Store()
        self.answers = {}
        self.console = SimpleNamespace(
            store=self.store, connection=SimpleNamespace(ask=self._answer_of), say=self.say
        )

    def say(self, text, role="text"):
        self.said.append((text, role))

    def renew(self):
        self.renewed += 1

    def leave(self):
        self.left += 1

    def set_timer(self, delay_s, then):
        self.timers.append((delay_s, then))

    def start(self, work, _name):
        self.work.append(work)

    async def done(self):
        while self.work:
            await self.work.pop(0)()

    def ask(self, question, then, *, opened_by=""):
        self.questions.append((question, then, opened_by))

    def answer(self, value):
        _, then, _ = self.questions.pop()
        then.get(value, lambda: None)()

    async def _answer_of(self, op, **_):
        found = self.answers[op]
        if isinstance(found, Exception):
            raise found
        return found


@pytest.fixture
def page():
    return FakePage()


@pytest.fixture
def area():
    return FakeArea()
