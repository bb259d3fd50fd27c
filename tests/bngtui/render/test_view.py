"""Filter, faults, order, selection and scroll of a table."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from bngtui.render import events, targets
from bngtui.render.view import View
from tests.helpers.console_states import EVENTS, busy_state, make_event, make_target


def view_of(*numbers, **changes):
    view = View(targets.SPEC)
    view.take(rows(*numbers, **changes))
    return view


def rows(*numbers, **changes):
    return [targets.TargetRow(make_target(number, [1], **changes)) for number in numbers]


def shown(view):
    return [row.target.number for row in view.rows]


def order_by(view, title):
    orders = len(view.spec.columns) + 1
    assert title in (view.cycle_order(1) for _ in range(orders))


def test_the_first_row_is_selected_at_first():
    assert view_of(1, 2, 3).row.target.number == 1


def test_selection_follows_the_row_and_not_the_index():
    view = view_of(1, 2, 3)
    view.select(1)
    view.take(rows(5, 4, 3, 2, 1))
    assert (view.row.target.number, view.index) == (2, 3)


def test_a_table_does_not_follow_what_comes_before_its_first_row():
    view = view_of(2, 3)
    view.take(rows(1, 2, 3))
    assert (view.row.target.number, view.index) == (2, 1)


def test_names_are_ordered_from_the_first_letter():
    view = view_of(2, 3, 1)
    order_by(view, "Name")
    view.take(rows(2, 3, 1))
    assert shown(view) == [1, 2, 3]


def test_where_the_selected_row_goes_its_neighbour_is_selected():
    view = view_of(1, 2, 3)
    view.select(1)
    view.take(rows(1, 3))
    assert view.row.target.number == 3
    view.take(rows(1))
    assert view.row.target.number == 1
    view.take([])
    assert view.row is None
    view.take(rows(7))
    assert view.row.target.number == 7


def test_all_words_of_a_filter_must_match():
    view = View(targets.SPEC)
    view.needle = "WEB1 down"
    view.take([targets.TargetRow(t) for t in busy_state(40).targets])
    assert shown(view) == [12]
    assert view.total == 40


def test_faults_only():
    view = View(targets.SPEC)
    view.faults_only = True
    view.take([targets.TargetRow(t) for t in busy_state(40).targets])
    assert shown(view) == [3, 12, 9, 4, 7]


def test_orders_go_round_and_numbers_start_with_the_largest():
    view = view_of(2, 3, 1)
    titles = [view.cycle_order(1) for _ in range(len(targets.SPEC.sortable) + 1)]
    assert titles[-1] == "what is worst"
    assert titles[0] == "State"
    view.order = None
    order_by(view, "pkt/s")
    view.take(rows(2, 3, 1))
    assert shown(view) == [3, 2, 1]
    view.reverse = False
    view.take(rows(2, 3, 1))
    assert shown(view) == [1, 2, 3]
    assert view.cycle_order(-1) == "Address"


@given(st.integers(1, 60), st.integers(1, 30), st.lists(st.integers(-80, 80), max_size=10))
def test_the_selected_row_is_always_in_the_window(total, height, moves):
    view = view_of(*range(1, total + 1))
    for by in moves:
        view.move(by)
        view.scroll_to_selection(height)
        assert view.top <= view.index < view.top + height
        assert view.top == 0 or view.top + height <= total


def test_a_window_that_grows_at_the_end_shows_the_rows_before_it():
    view = view_of(*range(1, 21))
    view.select(19)
    view.scroll_to_selection(5)
    assert view.top == 15
    view.scroll_to_selection(12)
    assert view.top == 8
    view.scroll_to_selection(30)
    assert view.top == 0


def test_events_follow_the_newest_until_another_is_chosen():
    view = View(events.SPEC)
    view.take(EVENTS[::-1])
    assert view.row.id == 7
    view.take([make_event(8), *EVENTS[::-1]])
    assert view.row.id == 8
    view.move(1)
    view.take([make_event(9), make_event(8), *EVENTS[::-1]])
    assert view.row.id == 7
    view.select(0)
    view.take([make_event(10), make_event(9)])
    assert view.row.id == 10


def test_a_chosen_event_that_goes_leaves_the_next_one_chosen():
    view = View(events.SPEC)
    view.take([make_event(number) for number in (7, 6, 5, 4)])
    view.select(2)
    view.take([make_event(number) for number in (7, 6, 4)])
    assert view.row.id == 4
    view.take([make_event(number) for number in (8, 7, 6, 4)])
    assert view.row.id == 4


def test_where_the_oldest_chosen_event_goes_the_newest_is_followed_again():
    view = View(events.SPEC)
    view.take([make_event(number) for number in (7, 6)])
    view.select(1)
    view.take([make_event(6)])
    view.take([make_event(number) for number in (9, 8)])
    view.take([make_event(number) for number in (10, 9, 8)])
    assert view.row.id == 10


def test_no_event_is_chosen_where_there_is_none():
    view = View(events.SPEC)
    view.take([])
    assert (view.index, view.row) == (None, None)
