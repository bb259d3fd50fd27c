"""Every key, on the real application with a real socket to a small engine."""

from __future__ import annotations

import asyncio
import ctypes
import os
import re
import struct

import msgspec
import pytest

from bngtui.render.layout import PANELS
from bngtui.screens.confirm import GUARD_S, ConfirmScreen
from bngtui.screens.details import DetailScreen
from bngtui.screens.help import HelpScreen
from bngtui.screens.main import MainScreen
from engine.domain.errors import OpError
from tests.helpers.driving import console, make_app, screen_text, until
from tests.helpers.fake_engine import FakeEngine, busy_state, make_server, make_state, make_target

pytestmark = pytest.mark.usefixtures("run_dir")


@pytest.fixture
async def engine(run_dir):
    async with FakeEngine(run_dir, busy_state(40)) as fake:
        yield fake


def panel(pilot, name=None):
    screen = pilot.app.screen_stack[0]
    return screen._panels[name or screen.active]


def selected(pilot):
    return panel(pilot).view.row.target.number


async def ask(pilot, key):
    """Press a key that asks, and wait until the dialog listens."""
    await pilot.press(key)
    await until(pilot, lambda: isinstance(pilot.app.screen, ConfirmScreen))
    await pilot.pause(GUARD_S + 0.05)


# -- moving and looking -----------------------------------------------------------------------------------------


async def test_moving(engine, run_dir):
    async with console(run_dir) as pilot:
        assert selected(pilot) == 1
        for keys, number in [
            (["down"], 2),
            (["j"], 3),
            (["up"], 2),
            (["k"], 1),
            (["k"], 1),
            (["end"], 40),
            (["home"], 1),
            (["G"], 40),
            (["g"], 1),
        ]:
            await pilot.press(*keys)
            assert selected(pilot) == number, keys
        page = panel(pilot).page
        await pilot.press("pagedown")
        assert selected(pilot) == page
        assert "▸" in screen_text(pilot.app)
        await pilot.press("pageup")
        assert selected(pilot) == 1


async def test_selection_stays_on_its_target_when_the_order_changes(engine, run_dir):
    async with console(run_dir) as pilot:
        await pilot.press(*["j"] * 4)
        assert selected(pilot) == 5
        engine.publish(targets=engine.current.targets[::-1])
        await until(pilot, lambda: panel(pilot).view.rows[0].target.number == 40)
        assert selected(pilot) == 5
        line = next(text for text in screen_text(pilot.app).splitlines() if "▸" in text)
        assert "web5 " in line


async def test_filter_is_typed_kept_and_dropped(engine, run_dir):
    async with console(run_dir) as pilot:
        await pilot.press("slash", *"web1", "x", "backspace")
        assert "/web1█" in screen_text(pilot.app)
        assert len(panel(pilot).view.rows) == 11
        assert not engine.calls  # "e" and "d" were letters
        await pilot.press("enter")
        text = screen_text(pilot.app)
        assert "/web1 11 of 40" in text
        assert "q quit" in text
        await pilot.press("escape")
        assert len(panel(pilot).view.rows) == 40
        await pilot.press("slash", *"nothing has this")
        assert "Nothing matches /nothing has this; Esc shows all 40." in screen_text(pilot.app)
        await pilot.press("escape")
        assert panel(pilot).view.needle == ""


@pytest.mark.parametrize("key", ["f", "exclamation_mark"])
async def test_faults_only(engine, run_dir, key):
    async with console(run_dir) as pilot:
        await pilot.press(key)
        assert [row.target.number for row in panel(pilot).view.rows] == [3, 4, 7, 9, 12]
        assert "faults only 5 of 40" in screen_text(pilot.app)
        await pilot.press(key)
        assert len(panel(pilot).view.rows) == 40


async def test_order_is_kept_over_news(engine, run_dir):
    async with console(run_dir) as pilot:
        while panel(pilot).view.order != "pps":
            await pilot.press("s")
        assert "pkt/s↓" in screen_text(pilot.app)
        first = panel(pilot).view.rows[0].target.number
        assert first == 40
        targets = [
            msgspec.structs.replace(t, pps=1e9 if t.number == 6 else t.pps) for t in engine.current.targets
        ]
        engine.publish(targets=targets)
        await until(pilot, lambda: panel(pilot).view.rows[0].target.number == 6)
        await pilot.press("o")
        assert "pkt/s↑" in screen_text(pilot.app)
        await pilot.press("S")
        assert panel(pilot).view.order == "address"


@pytest.mark.parametrize("key", ["z", "space"])
async def test_freeze(engine, run_dir, key):
    async with console(run_dir) as pilot:
        await pilot.press(key)
        assert "■ frozen" in screen_text(pilot.app)
        engine.publish(hostname="other")
        await until(pilot, lambda: pilot.app.store.live.hostname == "other")
        await pilot.pause(0.3)
        assert " lb1 " in screen_text(pilot.app)
        await pilot.press(key)
        assert " other " in screen_text(pilot.app)


async def test_panels(engine, run_dir):
    for size in ((80, 24), (120, 40), (200, 60)):
        async with console(run_dir, size) as pilot:
            screen = pilot.app.screen
            order = [screen.active]
            for _ in PANELS:
                await pilot.press("tab")
                order.append(screen.active)
                assert screen.active in set(screen.shown_panels())
                assert sum(line.count("▌") for line in screen_text(pilot.app).splitlines()) == 1
            assert order == ["targets", "events", "arp", "node", "servers", "targets"]
            await pilot.press("shift+tab")
            assert screen.active == "servers"
            for number, name in enumerate(PANELS, 1):
                await pilot.press(str(number))
                assert screen.active == name
                assert name in set(screen.shown_panels())
            await pilot.press("2", "m")
            assert set(screen.shown_panels()) == {"targets"}
            await pilot.press("4")
            assert set(screen.shown_panels()) == {"arp"}
            await pilot.press("m")
            assert len(set(screen.shown_panels())) >= 3


async def test_copy(engine, run_dir):
    async with console(run_dir) as pilot:
        await pilot.press("j", "j", "c")
        assert pilot.app.clipboard.startswith("✖ down\t3\tweb3\t172.17.2.103:80\t")
        assert "does not accept 172.16.1.10" in pilot.app.clipboard


async def test_themes_go_round(engine, run_dir):
    async with console(run_dir) as pilot:
        seen = [pilot.app.theme]
        while len(seen) == 1 or seen[-1] != seen[0]:
            await pilot.press("t")
            seen.append(pilot.app.theme)
            assert "Targets 40" in screen_text(pilot.app)
        assert sorted(seen[1:]) == sorted(pilot.app._themes)


async def test_redraw_keeps_the_screen(engine, run_dir):
    async with console(run_dir) as pilot:
        before = screen_text(pilot.app)
        await pilot.press("ctrl+l")
        await pilot.pause()
        assert screen_text(pilot.app) == before


@pytest.mark.parametrize("key", ["question_mark", "f1"])
async def test_help(engine, run_dir, key):
    async with console(run_dir, (80, 24)) as pilot:
        await pilot.press(key)
        assert isinstance(pilot.app.screen, HelpScreen)
        assert "Change (asks before it does)" in screen_text(pilot.app)
        await pilot.press("end")
        assert "↓" not in screen_text(pilot.app).splitlines()[0]
        await pilot.press("d")
        assert isinstance(pilot.app.screen, HelpScreen)
        await pilot.press("q")
        assert isinstance(pilot.app.screen, MainScreen)


@pytest.mark.parametrize("key", ["q", "ctrl+c"])
async def test_quit(engine, run_dir, key):
    async with console(run_dir) as pilot:
        await pilot.press(key)
        await until(pilot, lambda: pilot.app._exit)
        assert pilot.app.return_code == 0


async def test_details_of_every_kind_of_row(engine, run_dir):
    async with console(run_dir, (100, 40)) as pilot:
        for key, words in [
            ("2", ["Target 1 web1", "tcpopen 80", "round trip 0.3 ms", "this target is a primary"]),
            ("1", ["Server 1 www", "Backups", "5 web5"]),
            ("3", ["Event 7", "root(0) pid 812"]),
            ("4", ["ARP 172.16.1.10", "net.ipv4.conf.all.arp_ignore=1", "Recent events"]),
            ("5", ["Node", "ARP conflict: 02:00:00:00:02:03 (target 3) answers for it"]),
        ]:
            await pilot.press(key, "enter")
            assert isinstance(pilot.app.screen, DetailScreen)
            text = screen_text(pilot.app)
            for word in words:
                assert word in text
            await pilot.press("escape")
            assert isinstance(pilot.app.screen, MainScreen)


async def test_details_are_live_and_change_from_there(engine, run_dir):
    async with console(run_dir, (100, 45)) as pilot:
        await pilot.press("enter")
        engine.happen(subject="target 1", message="something new")
        engine.publish()
        await until(pilot, lambda: "something new" in screen_text(pilot.app))
        await ask(pilot, "d")
        assert "Disable target 1 web1?" in screen_text(pilot.app)
        await pilot.press("y")
        await until(pilot, lambda: "Done: target 1 web1 is disabled." in screen_text(pilot.app))
        await until(pilot, lambda: "○ disabled" in screen_text(pilot.app))
        engine.publish(targets=engine.current.targets[1:])
        await until(pilot, lambda: "Target 1 is not in the running configuration." in screen_text(pilot.app))


# -- changing ---------------------------------------------------------------------------------------------------


async def test_a_change_is_asked_done_and_reported(engine, run_dir):
    async with console(run_dir) as pilot:
        await ask(pilot, "d")
        text = screen_text(pilot.app)
        assert "Disable target 1 web1?" in text
        assert "104 sessions end at once" in text
        assert "server 2 shop keeps" in text
        assert not engine.calls
        await pilot.press("y")
        await until(pilot, lambda: engine.calls)
        args, actor = engine.calls[0]
        assert (args.what, args.action, args.numbers) == ("target", "disable", [1])
        assert actor.pid == os.getpid()
        await until(pilot, lambda: "Done: target 1 web1 is disabled." in screen_text(pilot.app))
        await until(pilot, lambda: "○ disabled   1  web1" in screen_text(pilot.app))
        await pilot.press("d")
        assert "target 1 web1 is disabled already." in screen_text(pilot.app)
        await ask(pilot, "e")
        assert "gets new flows at once" in screen_text(pilot.app)
        await pilot.press("y")
        await until(pilot, lambda: "● up         1  web1" in screen_text(pilot.app))
        await ask(pilot, "r")
        assert "may finish" in screen_text(pilot.app)
        await pilot.press("y")
        await until(pilot, lambda: "◐ draining   1  web1" in screen_text(pilot.app))
        assert [args.action for args, _ in engine.calls] == ["disable", "enable", "drain"]


@pytest.mark.parametrize(
    "keys", [["enter"], ["escape"], ["n"], ["q"], ["ctrl+c"], ["right", "left", "enter"]]
)
async def test_cancel_is_the_default(engine, run_dir, keys):
    async with console(run_dir) as pilot:
        await ask(pilot, "d")
        await pilot.press(*keys)
        await until(pilot, lambda: isinstance(pilot.app.screen, MainScreen))
        assert "Nothing was changed: target 1 web1 stays as it is." in screen_text(pilot.app)
        await pilot.pause(0.1)
        assert not engine.calls


@pytest.mark.parametrize("keys", [["y"], ["right", "enter"], ["tab", "enter"]])
async def test_ways_to_confirm(engine, run_dir, keys):
    async with console(run_dir) as pilot:
        await ask(pilot, "d")
        await pilot.press(*keys)
        await until(pilot, lambda: engine.calls)


@pytest.mark.parametrize("trigger", ["e", "d", "r"])
async def test_the_opening_key_never_confirms(engine, run_dir, trigger):
    targets = [make_target(1, [1], admin="draining" if trigger == "e" else "enabled"), make_target(2, [1])]
    engine.publish(targets=targets, servers=[make_server(1, [1, 2], targets)])
    async with console(run_dir) as pilot:
        await ask(pilot, trigger)
        await pilot.press(*[trigger] * 5)
        assert isinstance(pilot.app.screen, ConfirmScreen)
        assert not engine.calls


async def test_keys_that_come_too_soon_are_no_answer(engine, run_dir):
    now = 100.0
    async with console(run_dir) as pilot:
        await ask(pilot, "d")
        dialog = pilot.app.screen
        dialog._clock = lambda: now
        dialog._deaf_until = now + GUARD_S
        await pilot.press("y", "enter", "escape")
        assert pilot.app.screen is dialog
        now += GUARD_S
        # The opening key repeats: the finger is still on it, so the pause begins again.
        await pilot.press("d", "y")
        assert pilot.app.screen is dialog
        now += GUARD_S - 0.01
        await pilot.press("y")
        assert pilot.app.screen is dialog
        now += 0.02
        await pilot.press("y")
        await until(pilot, lambda: engine.calls)


async def test_the_last_healthy_target_wants_its_number(engine, run_dir):
    targets = [make_target(1, [1], health="down"), make_target(12, [1])]
    engine.publish(targets=targets, servers=[make_server(1, [1, 12], targets)])
    async with console(run_dir) as pilot:
        await pilot.press("j")
        await ask(pilot, "d")
        assert "server 1 www keeps NO healthy target" in screen_text(pilot.app)
        await pilot.press("y", "right")
        assert isinstance(pilot.app.screen, ConfirmScreen)
        await pilot.press("1", "enter")
        assert "1 is not 12: nothing was done" in screen_text(pilot.app)
        await pilot.press("1", "3", "backspace", "2")
        await pilot.pause(0.1)
        assert not engine.calls
        await pilot.press("enter")
        await until(pilot, lambda: engine.calls)
        assert engine.calls[0][0].numbers == [12]


async def test_the_last_healthy_target_is_kept_where_nothing_is_typed(engine, run_dir):
    targets = [make_target(1, [1])]
    engine.publish(targets=targets, servers=[make_server(1, [1], targets)])
    async with console(run_dir) as pilot:
        await ask(pilot, "r")
        await pilot.press("enter")
        await until(pilot, lambda: isinstance(pilot.app.screen, MainScreen))
        assert not engine.calls


async def test_servers_are_changed_from_their_panel(engine, run_dir):
    async with console(run_dir) as pilot:
        await pilot.press("1", "j", "r")
        assert "only targets drain" in screen_text(pilot.app)
        await ask(pilot, "d")
        assert "172.16.1.11:80 stops serving" in screen_text(pilot.app)
        await pilot.press("2", "enter")
        await until(pilot, lambda: engine.calls)
        args, _ = engine.calls[0]
        assert (args.what, args.action, args.numbers) == ("server", "disable", [2])


async def test_other_panels_have_nothing_to_change(engine, run_dir):
    async with console(run_dir) as pilot:
        await pilot.press("3", "d")
        assert "Select a target or a server first" in screen_text(pilot.app)


async def test_a_refusal_is_shown_in_the_engines_words(engine, run_dir):
    engine.refusal = OpError("refused", "a reload is under way")
    async with console(run_dir) as pilot:
        await ask(pilot, "d")
        await pilot.press("y")
        await until(pilot, lambda: "Refused: a reload is under way" in screen_text(pilot.app))


async def test_while_frozen_the_question_is_about_now(engine, run_dir):
    async with console(run_dir) as pilot:
        await pilot.press("z")
        engine.publish(targets=[msgspec.structs.replace(t, sessions=7777) for t in engine.current.targets])
        await until(pilot, lambda: pilot.app.store.live.targets[0].sessions == 7777)
        await ask(pilot, "d")
        assert "7,777 sessions end at once" in screen_text(pilot.app)


async def test_the_picture_goes_on_behind_the_question(engine, run_dir):
    async with console(run_dir) as pilot:
        await ask(pilot, "d")
        engine.publish(hostname="renamed")
        await until(pilot, lambda: " renamed " in screen_text(pilot.app))
        assert "Disable target 1 web1?" in screen_text(pilot.app)


# -- read-only --------------------------------------------------------------------------------------------------


async def test_read_only(engine, run_dir):
    async with console(run_dir, read_only=True) as pilot:
        text = screen_text(pilot.app)
        assert "READ-ONLY" in text
        for word in ("enable", "disable ", "drain "):
            assert word not in text.splitlines()[-1]
        for key in ("e", "d", "r"):
            await pilot.press(key)
            assert isinstance(pilot.app.screen, MainScreen)
            assert "READ-ONLY: nothing can be changed from this console." in screen_text(pilot.app)
        await pilot.press("enter", "d")
        assert isinstance(pilot.app.screen, DetailScreen)
        assert not engine.calls
        assert pilot.app.link._client.hello.role == "monitor"


CAP_DAC_OVERRIDE = 1
_CAPABILITIES = struct.Struct(
    "=6I"
)  # effective, permitted, inheritable, the low words and then the high ones


def capabilities(call: str, data: ctypes.Array[ctypes.c_char]) -> None:
    header = struct.pack("=Ii", 0x2008_0522, 0)  # version 3, this thread (capget(2))
    assert getattr(ctypes.CDLL(None), call)(ctypes.create_string_buffer(header), data) == 0


@pytest.fixture
def no_privilege(run_dir):
    """Be a user who may open monitor.sock only: one that files' modes hold for, as they do not for root."""
    before = ctypes.create_string_buffer(_CAPABILITIES.size)
    capabilities("capget", before)

    def become() -> None:
        (run_dir / "operator.sock").chmod(0)
        (run_dir / "monitor.sock").chmod(0o666)
        effective, *others = _CAPABILITIES.unpack(before.raw[: _CAPABILITIES.size])
        less = _CAPABILITIES.pack(effective & ~(1 << CAP_DAC_OVERRIDE), *others)
        capabilities("capset", ctypes.create_string_buffer(less, len(less)))

    yield become
    capabilities("capset", before)


async def test_who_may_not_operate_is_told_and_may_watch(engine, run_dir, no_privilege):
    no_privilege()
    async with console(run_dir) as pilot:
        await until(
            pilot, lambda: "operator.sock is not permitted to you: READ-ONLY." in screen_text(pilot.app)
        )
        assert "READ-ONLY" in screen_text(pilot.app).splitlines()[0]
        await pilot.press("d")
        assert isinstance(pilot.app.screen, MainScreen)


# -- the engine goes and comes ----------------------------------------------------------------------------------


async def test_it_starts_before_the_engine(run_dir):
    async with console(run_dir, (80, 24), wait=False) as pilot:
        await until(pilot, lambda: "The engine is not reachable." in screen_text(pilot.app))
        text = screen_text(pilot.app)
        assert f"{run_dir}/operator.sock: no such socket" in text
        assert "bng-engine run" in text
        async with FakeEngine(run_dir, make_state()):
            await until(pilot, lambda: "● live" in screen_text(pilot.app))
            assert "web2" in screen_text(pilot.app)


async def test_it_says_when_the_engine_is_gone_and_picks_it_up_again(run_dir):
    async with console(run_dir, wait=False) as pilot:
        async with FakeEngine(run_dir, make_state()):
            await until(pilot, lambda: "● live" in screen_text(pilot.app))
        await until(pilot, lambda: "engine not reachable, last seen 12:00:30" in screen_text(pilot.app))
        assert "web2" in screen_text(pilot.app)
        await pilot.press("d")
        assert "The engine is not reachable: nothing can be changed." in screen_text(pilot.app)
        async with FakeEngine(run_dir, make_state(boot_id="boot-2", uptime_s=2.0), events=[]):
            await until(pilot, lambda: "● live" in screen_text(pilot.app), timeout_s=10)
            await until(pilot, lambda: "The engine was started anew" in screen_text(pilot.app))
            assert pilot.app.store.events == []
            assert len(pilot.app.store.history.of("target", 1)) == 1


async def test_the_engine_goes_between_question_and_answer(run_dir):
    async with console(run_dir, wait=False) as pilot:
        async with FakeEngine(run_dir, make_state()) as fake:
            await until(pilot, lambda: "● live" in screen_text(pilot.app))
            await ask(pilot, "d")
        await until(pilot, lambda: pilot.app.store.link == "down")
        await pilot.press("y")
        await until(pilot, lambda: "Not done, the engine is not reachable" in screen_text(pilot.app))
        assert not fake.calls


async def test_an_engine_that_falls_silent_is_told_by_the_age(engine, run_dir):
    async with console(run_dir) as pilot:
        pilot.app.store._read_at -= 7
        await until(pilot, lambda: re.search(r"data (?:[7-9]|\d\d) s old", screen_text(pilot.app)))
        engine.publish()
        await until(pilot, lambda: "● live" in screen_text(pilot.app))


async def test_the_pause_between_attempts_grows_to_a_limit(run_dir, monkeypatch):
    app = make_app(run_dir)
    waits = []

    async def sleep(seconds):
        waits.append(seconds)
        if len(waits) == 8:
            raise asyncio.CancelledError

    monkeypatch.setattr("bngtui.connection.asyncio.sleep", sleep)
    with pytest.raises(asyncio.CancelledError):
        await app.link.run()
    assert waits == [0.25, 0.5, 1, 2, 4, 5, 5, 5]


async def test_news_are_shown_at_most_once_a_refresh(engine, run_dir):
    async with console(run_dir, refresh_s=0.5) as pilot:
        shown = []
        renew = pilot.app.screen.renew
        pilot.app.screen.renew = lambda: (shown.append(1), renew())
        for _ in range(20):
            engine.publish(uptime_s=engine.current.uptime_s + 0.05)
            await pilot.pause(0.05)
        assert 1 <= len(shown) <= 4


async def test_resizing(engine, run_dir):
    async with console(run_dir, (200, 60)) as pilot:
        for size in ((80, 24), (40, 10), (120, 40), (200, 60)):
            await pilot.resize_terminal(*size)
            await pilot.pause(0.05)
            lines = screen_text(pilot.app).splitlines()
            assert len(lines) == size[1]
            assert lines[0].startswith(" lb1")
            assert "Targets" in screen_text(pilot.app)
