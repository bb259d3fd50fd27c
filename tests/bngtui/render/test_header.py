"""The header's second line at the cell where something has room."""

from __future__ import annotations

from bngtui.render.header import Freshness, paint_header
from engine.domain.notices import Alarm
from tests.helpers.console_states import make_state


def test_an_alarm_is_told_beside_the_numbers_where_thirteen_cells_are_left_for_it():
    state = make_state(alarms=[Alarm(severity="error", subject="target 3", message="is a black hole")])

    def flow(width):
        return paint_header(state, Freshness(connection="up", age_s=0.1), width)[1].text

    numbers = flow(60).rstrip()
    assert numbers.endswith("sessions 308")
    beside = len(numbers) + 4
    assert flow(beside + 12) == numbers + " " * 16
    assert flow(beside + 13) == numbers + "    target 3: is…"
    assert flow(beside + 25) == numbers + "    target 3: is a black hole"
