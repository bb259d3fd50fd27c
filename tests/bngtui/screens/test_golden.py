"""The exact text of whole screens (tests/helpers/golden.py)."""

from __future__ import annotations

import random
from pathlib import Path

import msgspec
import pytest

from tests.helpers.config_engine import seed_state
from tests.helpers.console_states import busy_state, move
from tests.helpers.driving import make_app, screen_text, until
from tests.helpers.fake_engine import FakeEngine
from tests.helpers.golden import screen_agrees


async def shot(run_dir, name, state, size, keys=(), **options):
    """Show `state` after twenty seconds of traffic, press `keys`, and compare the screen."""
    chance = random.Random(7)
    app = make_app(run_dir, **options)
    for _ in range(20):
        app.store.take_state(state, 0.0)
        state = move(state, chance)
    app.store.take_state(state, 0.0)
    # The picture is of a fresh reading, however slow the machine is that draws it.
    freshness = app.store.freshness
    app.store.freshness = lambda now: freshness(now if app.store._read_at is None else app.store._read_at)
    async with FakeEngine(run_dir, state), app.run_test(size=size) as pilot:
        await until(
            pilot, lambda: app.store.connection == "up" and len(app.store.events) == 7 and app._due is None
        )
        await pilot.pause()
        for key in keys:
            await pilot.press(key)
        await pilot.pause(0.1)
        screen_agrees(name, screen_text(app))


@pytest.mark.parametrize("size", [(80, 24), (120, 40), (200, 60)])
async def test_many_targets(run_dir, size):
    await shot(run_dir, f"many-{size[0]}x{size[1]}", busy_state(40), size)


@pytest.mark.parametrize("size", [(80, 24), (120, 40), (200, 60)])
async def test_the_seed(run_dir, size):
    await shot(run_dir, f"seed-{size[0]}x{size[1]}", seed_state(), size)


async def test_sixteen_colours_and_plain_signs(run_dir):
    await shot(run_dir, "serial-80x24", busy_state(40), (80, 24), theme="serial", plain_signs=True)


async def test_read_only(run_dir):
    await shot(run_dir, "read-only-80x24", busy_state(40), (80, 24), read_only=True)


async def test_faults_only_ordered_by_state(run_dir):
    await shot(run_dir, "faults-120x40", busy_state(40), (120, 40), ["f", "s"])


async def test_details_of_a_target_that_is_down(run_dir):
    await shot(run_dir, "details-120x40", busy_state(40), (120, 40), ["j", "j", "enter"])


async def test_help(run_dir):
    await shot(run_dir, "help-120x40", seed_state(), (120, 40), ["question_mark"])


async def test_help_read_only_names_no_key_that_changes(run_dir):
    await shot(run_dir, "help-read-only-120x40", seed_state(), (120, 40), ["question_mark"], read_only=True)


async def test_confirm(run_dir):
    await shot(run_dir, "confirm-80x24", busy_state(40), (80, 24), ["d"])


async def test_confirm_the_last_healthy_target(run_dir):
    state = seed_state()
    state.targets[0] = msgspec.structs.replace(
        state.targets[0], health="down", operational=False, reason="tcpopen 80: connection refused"
    )
    await shot(run_dir, "confirm-last-80x24", state, (80, 24), ["j", "d"])


async def test_no_engine(run_dir):
    app = make_app(Path("/run/not-there"))
    async with app.run_test(size=(80, 24)) as pilot:
        await until(pilot, lambda: "no such socket" in screen_text(app))
        screen_agrees("no-engine-80x24", screen_text(app))
