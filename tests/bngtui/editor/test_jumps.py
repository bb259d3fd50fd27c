"""From a finding to its place in the text."""

from __future__ import annotations

import pytest
from textual import events

from bngtui.editor.jumps import Jumps
from bngtui.widgets.findings_view import FindingsView
from engine.config.finding import Finding


class Area:
    def __init__(self):
        self.cursor_location = (0, 0)

    def go(self, line, column):
        self.cursor_location = (line - 1, column - 1)


class Page:
    def __init__(self):
        self.said = []

    def say(self, text, role):
        self.said.append((text, role))


def finding(line, column):
    return Finding(file="f", line=line, column=column, severity="error", code="c", message="m")


PLACES = [(2, 3), (5, 1), (5, 9)]


class Bench:
    def __init__(self, places=PLACES):
        self.page, self.area, self.findings = Page(), Area(), FindingsView(list)
        self.findings.take([finding(*place) for place in places], "engine")
        self.jumps = Jumps(self.page, self.area, self.findings)

    @property
    def here(self):
        row, column = self.area.cursor_location
        return (row + 1, column + 1)

    def press(self, key):
        return self.jumps.key(events.Key(key, key if len(key) == 1 else None))


@pytest.fixture
def bench():
    return Bench()


def test_forward_and_round(bench):
    seen = []
    for _ in range(4):
        bench.jumps.step(1)
        seen.append(bench.here)
    assert seen == [*PLACES, PLACES[0]]


def test_back_and_round(bench):
    seen = []
    for _ in range(4):
        bench.jumps.step(-1)
        seen.append(bench.here)
    assert seen == [*reversed(PLACES), PLACES[-1]]


def test_while_the_list_has_no_keys_none_is_its(bench):
    assert bench.press("down") is False
    assert bench.here == (1, 1)


def test_the_list_has_keys_until_they_are_given_back(bench):
    assert bench.jumps.start() is True
    assert bench.here == PLACES[0]
    for key, chosen in [("down", 1), ("j", 2), ("down", 2), ("up", 1), ("k", 0), ("up", 0), ("pagedown", 2)]:
        assert bench.press(key) is True
        assert (bench.findings.chosen, bench.here) == (chosen, PLACES[chosen]), key
    assert bench.press("pageup") is True
    assert bench.here == PLACES[0]
    for key in ("enter", "escape", "f4", "tab"):
        bench.jumps.start()
        assert bench.press(key) is True
        assert bench.findings.chosen is None


def test_who_types_means_the_text(bench):
    bench.jumps.start()
    assert bench.press("x") is False
    assert bench.findings.chosen is None


def test_no_finding_is_said():
    bench = Bench([])
    assert bench.jumps.start() is False
    bench.jumps.step(1)
    assert bench.page.said == [("There is no finding.", "up")] * 2
    assert bench.here == (1, 1)


def test_a_page_of_the_list_is_five_findings():
    bench = Bench([(line, 1) for line in range(1, 21)])
    bench.jumps.start()
    for key, line in [("pagedown", 6), ("pagedown", 11), ("pageup", 6)]:
        bench.press(key)
        assert bench.here == (line, 1)
