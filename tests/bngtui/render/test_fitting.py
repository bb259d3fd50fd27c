"""Exactly which columns fit and how wide they are, at the cell where it changes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bngtui.render.fitting import Size, fit_sizes, total


def test_columns_are_parted_by_two_cells():
    assert [total(widths) for widths in ([], [5], [5, 3], [1, 1, 1])] == [0, 5, 10, 7]


def test_a_column_is_shown_from_the_cell_on_where_it_fits():
    sizes = [Size(10), Size(5, priority=1)]
    assert fit_sizes(sizes, 17) == {0: 10, 1: 5}
    assert fit_sizes(sizes, 16) == {0: 10}


def test_a_priority_goes_as_a_whole_and_the_largest_first():
    sizes = [Size(4, priority=2), Size(4), Size(4, priority=2), Size(4, priority=1)]
    assert fit_sizes(sizes, 22) == {0: 4, 1: 4, 2: 4, 3: 4}
    assert fit_sizes(sizes, 21) == {1: 4, 3: 4}
    assert fit_sizes(sizes, 9) == {1: 4}


def test_comfort_comes_before_what_is_worth_less_and_not_before_its_equals():
    sizes = [Size(10, priority=1, comfort=20), Size(5, priority=2)]
    assert fit_sizes(sizes, 27) == {0: 20, 1: 5}
    assert fit_sizes(sizes, 26) == {0: 10}
    equals = [Size(10, priority=1, comfort=20), Size(5, priority=1)]
    assert fit_sizes(equals, 17) == {0: 10, 1: 5}


def test_a_column_that_may_be_cut_to_what_is_readable_keeps_the_others():
    sizes = [Size(30, floor=4, readable=10, yields="evenly"), Size(5, floor=5, priority=1)]
    assert fit_sizes(sizes, 17) == {0: 10, 1: 5}
    assert fit_sizes(sizes, 16) == {0: 16}
    short = [Size(6, floor=4, readable=10, yields="evenly"), Size(5, floor=5, priority=1)]
    assert fit_sizes(short, 13) == {0: 6, 1: 5}
    assert fit_sizes(short, 12) == {0: 6}


def test_the_widest_give_way_evenly_down_to_their_floor():
    sizes = [Size(40, floor=4, yields="evenly"), Size(16, floor=4, yields="evenly"), Size(6, floor=6)]
    assert fit_sizes(sizes, 65) == {0: 39, 1: 16, 2: 6}
    assert fit_sizes(sizes, 36) == {0: 13, 1: 13, 2: 6}
    assert fit_sizes(sizes, 18) == {0: 4, 1: 4, 2: 6}
    assert fit_sizes(sizes, 5) == {0: 4, 1: 4, 2: 6}


def test_no_column_is_cut_below_its_floor_however_wide_it_is():
    assert fit_sizes([Size(40, floor=38, yields="evenly")], 30) == {0: 38}
    assert fit_sizes([Size(40, floor=38, yields="evenly"), Size(16, floor=4, yields="evenly")], 50) == {
        0: 38,
        1: 10,
    }


def test_what_yields_first_gives_way_from_the_right_then_the_rest():
    sizes = [Size(10), Size(10, floor=6, yields="first"), Size(10), Size(10, floor=6, yields="first")]
    assert fit_sizes(sizes, 46) == {0: 10, 1: 10, 2: 10, 3: 10}
    assert fit_sizes(sizes, 43) == {0: 10, 1: 10, 2: 10, 3: 7}
    assert fit_sizes(sizes, 40) == {0: 10, 1: 8, 2: 10, 3: 6}
    assert fit_sizes(sizes, 30) == {0: 10, 1: 6, 2: 2, 3: 6}
    assert fit_sizes(sizes, 3) == {0: 1, 1: 6, 2: 1, 3: 6}


def test_room_that_is_left_is_shared_by_growth_and_up_to_the_widest():
    assert fit_sizes([Size(5, grow=1), Size(5, grow=3), Size(5)], 39) == {0: 10, 1: 20, 2: 5}
    assert fit_sizes([Size(5, grow=1), Size(5, grow=3, widest=8), Size(5)], 39) == {0: 22, 1: 8, 2: 5}
    assert fit_sizes([Size(5, grow=1, widest=6)], 39) == {0: 6}
    assert fit_sizes([Size(5, grow=1), Size(5, grow=1)], 13) == {0: 6, 1: 5}
    assert fit_sizes([Size(5)], 39) == {0: 5}
    assert fit_sizes([], 10) == {}


SIZES = st.builds(
    Size,
    wanted=st.integers(1, 30),
    floor=st.just(1),
    priority=st.integers(0, 4),
    comfort=st.integers(0, 40),
    readable=st.sampled_from([0, 0, 5]),
    yields=st.sampled_from(["evenly", "first", "last"]),
    grow=st.integers(0, 2),
)


@given(st.lists(SIZES, min_size=1, max_size=8), st.integers(1, 200))
def test_the_room_is_never_exceeded_where_all_may_shrink_to_a_cell(sizes, room):
    fitted = fit_sizes(sizes, room)
    assert total(fitted.values()) <= max(room, total([1] * len(fitted)))
    if any(sizes[at].grow for at in fitted) and total([1] * len(fitted)) <= room:
        assert total(fitted.values()) == room
    assert {at for at, size in enumerate(sizes) if not size.priority} <= set(fitted)


@pytest.mark.parametrize("level", [1, 2, 3])
def test_what_is_needed_while_others_are_shown(level):
    assert Size(8, priority=2, comfort=12).needed(level) == (12 if level == 3 else 8)
    assert Size(8, readable=5, comfort=12).needed(level) == 5
    assert Size(3, readable=5).needed(level) == 3
