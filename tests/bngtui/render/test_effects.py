"""What a change would do, said before it is done."""

from __future__ import annotations

import pytest

from bngtui.render.effects import effect_of
from tests.helpers.console_states import make_server, make_state, make_target


def site(*targets, backup=(), **server):
    primaries = [t.number for t in targets if t.number not in backup]
    return make_state(
        list(targets), [make_server(1, primaries, list(targets), backup=list(backup), **server)]
    )


def test_disable_names_object_and_effect():
    effect = effect_of(site(make_target(1, [1]), make_target(2, [1], sessions=1204)), "disable", "target", 2)
    assert effect.object == "target 2 web2"
    assert effect.lines == ("1,204 sessions end at once", "server 1 www keeps 1 healthy target")
    assert not effect.last
    assert effect.done == "target 2 web2 is disabled"


def test_drain_lets_sessions_finish():
    effect = effect_of(site(make_target(1, [1]), make_target(2, [1], sessions=1)), "drain", "target", 2)
    assert effect.lines[0] == "1 session may finish; new flows go elsewhere"


@pytest.mark.parametrize("verb", ["disable", "drain"])
@pytest.mark.parametrize(
    "other", [{"health": "down"}, {"health": "unknown"}, {"admin": "disabled"}, {"admin": "draining"}]
)
def test_the_last_healthy_target_is_known(verb, other):
    effect = effect_of(site(make_target(1, [1], **other), make_target(2, [1])), verb, "target", 2)
    assert effect.last
    assert "NO healthy target: 172.16.1.10:80 stops serving" in effect.lines[1]


def test_one_of_several_servers_is_enough_to_be_the_last():
    one, two = make_target(1, [1]), make_target(2, [1, 2])
    state = make_state([one, two], [make_server(1, [1, 2]), make_server(2, [2])])
    effect = effect_of(state, "disable", "target", 2)
    assert effect.last
    assert "server 1 www keeps 1 healthy target" in effect.lines


def test_a_healthy_backup_takes_over():
    state = site(make_target(1, [1]), make_target(2, [1], backup_of=[1], operational=False), backup=[2])
    effect = effect_of(state, "disable", "target", 1)
    assert not effect.last
    assert effect.lines[1] == "server 1 www falls back to 1 healthy backup"


def test_a_target_that_is_down_already_is_nobodys_last():
    state = site(make_target(1, [1], health="down"), make_target(2, [1], health="down"))
    effect = effect_of(state, "disable", "target", 2)
    assert not effect.last
    assert "no healthy target with it or without it" in effect.lines[1]


def test_a_disabled_server_loses_nothing():
    effect = effect_of(site(make_target(1, [1]), admin="disabled"), "disable", "target", 1)
    assert not effect.last


@pytest.mark.parametrize(
    ("verb", "admin"), [("enable", "enabled"), ("disable", "disabled"), ("drain", "draining")]
)
def test_nothing_to_do_is_said_and_not_asked(verb, admin):
    effect = effect_of(site(make_target(1, [1], admin=admin)), verb, "target", 1)
    assert effect.pointless == f"target 1 web1 is {admin} already"


def test_enable_tells_whether_it_will_serve():
    state = site(make_target(1, [1], admin="disabled"), make_target(2, [1], admin="disabled", health="down"))
    assert effect_of(state, "enable", "target", 1).lines == ("gets new flows at once",)
    assert "it is down now" in effect_of(state, "enable", "target", 2).lines[0]
    assert not effect_of(state, "enable", "target", 1).last


def test_servers():
    state = site(make_target(1, [1], sessions=2204))
    effect = effect_of(state, "disable", "server", 1)
    assert effect.last
    assert effect.lines == ("2,204 sessions end at once", "172.16.1.10:80 stops serving")
    assert effect.grave == ("172.16.1.10:80 stops serving",)
    assert "only targets drain" in effect_of(state, "drain", "server", 1).pointless
    off = site(make_target(1, [1]), admin="disabled", operational=False)
    again = effect_of(off, "enable", "server", 1)
    assert again.lines == ("172.16.1.10:80 is served again, by 1 healthy target once it accepts the address",)
    assert not again.last


@pytest.mark.parametrize(
    ("what", "first"), [("target", "1 session ends at once"), ("server", "1 session ends at once")]
)
def test_one_session_ends(what, first):
    state = site(make_target(1, [1], sessions=1))
    assert effect_of(state, "disable", what, 1).lines[0] == first


def test_no_session_has_to_be_waited_for():
    effect = effect_of(site(make_target(1, [1]), make_target(2, [1], sessions=0)), "drain", "target", 2)
    assert effect.lines[0] == "no sessions to wait for; new flows go elsewhere"


def test_a_server_that_serves_nobody_is_not_the_last():
    effect = effect_of(site(make_target(1, [1]), operational=False), "disable", "server", 1)
    assert not effect.last


def test_servers_without_the_target_are_not_mentioned():
    one, two = make_target(1, [1]), make_target(2, [2])
    state = make_state([one, two], [make_server(1, [1]), make_server(2, [2]), make_server(3, [], backup=[2])])
    effect = effect_of(state, "disable", "target", 2)
    assert [line.split(" keeps ")[0] for line in effect.lines[1:]] == ["server 2 shop", "server 3 mail"]
    assert effect.grave == effect.lines[1:]
    assert effect.last


def test_names_that_are_missing_leave_no_hole():
    state = site(make_target(1, [1], name=""), make_target(2, [1]), name="")
    effect = effect_of(state, "disable", "target", 1)
    assert effect.object == "target 1"
    assert effect.lines[1] == "server 1 keeps 1 healthy target"
    state.targets[0].admin = "disabled"
    assert effect_of(state, "disable", "target", 1).pointless == "target 1 is disabled already"


def test_a_backup_counts_when_a_server_is_enabled():
    state = site(make_target(1, [1]), make_target(2, [1]), backup=[2], admin="disabled", operational=False)
    assert effect_of(state, "enable", "server", 1).lines == (
        "172.16.1.10:80 is served again, by 2 healthy targets once they accept the address",
    )


def test_what_is_gone_has_no_effect():
    assert effect_of(make_state(), "disable", "target", 99) is None
    assert effect_of(make_state(), "disable", "server", 99) is None
