"""What the terminal shows already is not sent again, and whatever else was drawn is never trusted to be there."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bngtui.terminal.partial_updates import Sent
from tests.helpers.config_engine import ConfigEngine
from tests.helpers.driving import Pty


def test_the_same_cells_with_the_same_text_are_no_news():
    sent = Sent()
    assert sent.news(3, 0, 10, "abc")
    assert not sent.news(3, 0, 10, "abc")
    assert sent.news(4, 0, 10, "abc")
    assert sent.news(3, 0, 10, "abd")
    sent.forget()
    assert sent.news(3, 0, 10, "abd")


@given(
    st.lists(
        st.tuples(st.integers(0, 9), st.integers(1, 5), st.sampled_from("xyz"))
        | st.just(None),  # the whole screen is drawn
        max_size=30,
    )
)
def test_a_terminal_that_gets_only_the_news_shows_the_same(updates):
    sent = Sent()
    wanted, shown = ["."] * 15, ["."] * 15
    for update in updates:
        if update is None:
            shown[:] = wanted
            sent.forget()
            continue
        start, length, char = update
        wanted[start : start + length] = [char] * length
        if sent.news(0, start, start + length, char * length):
            shown[start : start + length] = [char] * length
        assert shown == wanted


@pytest.mark.terminal
async def test_a_key_in_the_editor_costs_less_than_two_kilobytes(run_dir, monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    async with ConfigEngine(run_dir), Pty("--run-dir", str(run_dir)) as console:
        await console.until(lambda: "● live" in console.text())
        console.type("C")
        await console.until(lambda: "checked by the engine" in console.text())
        console.type("x")
        await console.until(lambda: "1 error" in console.text())
        for key in ("y", "\x1b[C", "\x7f"):
            before = console.received
            console.type(key)
            await asyncio.sleep(0.6)
            assert 0 < console.received - before < 2048, repr(key)
        piecemeal = console.text().splitlines()[1:]  # the first line may say how old the data is
        console.screen.reset()
        console.type("\x0c")
        await console.until(lambda: "F1 help" in console.text())
        await asyncio.sleep(0.3)
        assert console.text().splitlines()[1:] == piecemeal
