"""Numbers and times at the edges where their unit, their digits or their plural changes."""

from __future__ import annotations

import pytest

from bngtui.render import units
from bngtui.render.spark import ceiling, sparkline
from bngtui.render.text import cut, cut_left, fit, wrap


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (-1234, "-1.23k"),
        (0.001, "0.1"),
        (0.94, "0.9"),
        (0.95, "1"),
        (999.49, "999"),
        (999.5, "1.00k"),
        (9994, "9.99k"),
        (9995, "10.0k"),
        (99_949, "99.9k"),
        (99_950, "100k"),
        (999_499, "999k"),
        (999_500, "1.00M"),
        (2.5e9, "2.50G"),
        (2.5e15, "2.50P"),
    ],
)
def test_short(value, text):
    assert units.short(value) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [(999_999, "999,999"), (1_000_000, "1.00M"), (-999_999, "-999,999"), (-1_000_000, "-1.00M")],
)
def test_count(value, text):
    assert units.count(value) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.094, "0.09 ms"),
        (0.095, "0.1 ms"),
        (9.94, "9.9 ms"),
        (9.95, "10 ms"),
        (999.4, "999 ms"),
        (999.5, "1.0 s"),
        (2500, "2.5 s"),
    ],
)
def test_round_trip(value, text):
    assert units.rtt(value) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (-1, "0 s"),
        (119.9, "119 s"),
        (120, "2 min"),
        (7199, "119 min"),
        (7200, "2 h"),
        (172_799, "47 h"),
        (172_800, "2 d"),
        (259_199, "2 d"),
    ],
)
def test_age(value, text):
    assert units.age(value) == text


def test_the_age_of_a_check_is_a_word_while_it_is_fresh():
    assert units.check_age(4.999) == "<5 s"
    assert units.check_age(5.0) == "5 s"


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (-1, "0 s"),
        (119, "119 s"),
        (120, "2 min"),
        (3599, "59 min"),
        (3600, "1 h 00 min"),
        (7500, "2 h 05 min"),
        (86_399, "23 h 59 min"),
        (86_400, "1 d 0 h"),
        (180_000, "2 d 2 h"),
    ],
)
def test_uptime(value, text):
    assert units.uptime(value) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("2026-03-01T12:34:56Z", "12:34:56"),
        ("2026-03-01T12:34:5", "2026-03-"),
        ("2026-03-01T12:34:56", "12:34:56"),
        ("12:34:56 of today", "12:34:56"),
    ],
)
def test_clock(value, text):
    assert units.clock(value) == text


@pytest.mark.parametrize(
    ("number", "text"), [(0, "no flows"), (1, "1 flow"), (2, "2 flows"), (1_000_000, "1.00M flows")]
)
def test_plural(number, text):
    assert units.plural(number, "flow") == text


@pytest.mark.parametrize(
    ("address", "port", "text"),
    [
        ("10.0.0.1", 80, "10.0.0.1:80"),
        ("10.0.0.1", 0, "10.0.0.1:any"),
        ("::1", 0, "[::1]:any"),
        ("::1", 1, "[::1]:1"),
    ],
)
def test_endpoint(address, port, text):
    assert units.endpoint(address, port) == text


@pytest.mark.parametrize(
    ("values", "top"),
    [
        ([None], 1),
        ([1], 1),
        ([1.1], 2),
        ([2], 2),
        ([2.1], 5),
        ([5], 5),
        ([5.1], 10),
        ([10], 10),
        ([99, None], 100),
        ([100], 100),
        ([101], 200),
    ],
)
def test_the_top_of_a_graph(values, top):
    assert ceiling(values) == top


def test_cells_of_a_graph():
    assert sparkline([None, 0.04, 0.05, 1.24, 1.26, 9.9, 10], 7) == " ·▁▁▂██"
    assert sparkline([1, 2, 3], 2) == sparkline([2, 3], 2)
    assert sparkline([1, 2], 0) == sparkline([1, 2], -1) == ""
    assert sparkline([], 3) == "   "
    assert sparkline([2], 3) == "  █"


def test_a_cut_at_the_cell():
    assert [cut("abcd", width) for width in (5, 4, 3, 1, 0, -1)] == ["abcd", "abcd", "ab…", "…", "", ""]
    assert [cut_left("abcd", width) for width in (5, 4, 3, 1)] == ["abcd", "abcd", "…cd", "…"]
    assert [fit("abcd", width) for width in (6, 4, 3, 0)] == ["abcd  ", "abcd", "ab…", ""]
    assert [fit("ab", width, right=True) for width in (4, 2, 1)] == ["  ab", "ab", "…"]
    assert cut("世界", 3) == "世…"


def test_a_wrap_at_the_cell():
    assert wrap("ab cd", 5) == ["ab cd"]
    assert wrap("ab cd", 4) == ["ab", "cd"]
    assert wrap("abcde fg", 4) == ["abcd", "e fg"]
    assert wrap("x abcdefgh", 4) == ["x", "abcd", "efgh"]
    assert wrap("世界", 2) == ["世", "界"]
    assert wrap("世", 1)[-1] == "世"  # no room for it, and no endless search for some
