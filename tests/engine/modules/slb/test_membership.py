"""How each server sees its targets: health with its own virtual address, who may be chosen, and why not."""

import pytest

from engine.config.model import MODULES


def seen(play, server):
    return [
        (one.target, one.health, one.able, None if one.cause is None else str(one.cause))
        for one in play.chain.slb.members(play.now)[server]
    ]


@pytest.fixture
def two(kit):
    """Two servers with the same targets; target 1 lacks the second one's address."""
    play = kit.make(kit.seed(servers=[kit.server(1), kit.server(2, ipaddr="172.16.1.11")]))
    play.no_alias.add(("172.16.1.100", "172.16.1.11"))
    play.live(15)
    return play


def test_a_target_is_up_for_one_server_and_down_for_another(two):
    assert seen(two, 1) == [(1, "up", True, None), (2, "up", True, None)]
    assert seen(two, 2) == [(1, "down", False, "does not accept 172.16.1.11"), (2, "up", True, None)]
    statuses = two.chain.slb.targets(two.now)
    assert [statuses[n].out_of for n in (1, 2)] == [(2,), ()]


def test_a_target_that_fails_its_own_checks_is_down_for_every_server(two):
    two.no_service.add("172.16.1.101")
    two.live(15)
    for server in (1, 2):
        (member,) = [one for one in two.chain.slb.members(two.now)[server] if one.target == 2]
        assert (member.health, member.able) == ("down", False)
        assert "refused" in str(member.cause)


def test_what_an_operator_says_is_no_matter_of_health(kit, play):
    play.up()
    play.world.target_admin[1] = "draining"
    play.live(1)
    assert seen(play, 1) == [(1, "up", False, "draining"), (2, "up", True, None)]
    play.world.target_admin[1] = "disabled"
    play.live(1)
    assert seen(play, 1) == [(1, "up", False, "disabled"), (2, "up", True, None)]


def test_a_backup_that_stands_by_may_be_chosen(kit):
    play = kit.make(kit.seed(servers=[kit.server(targets=[1], backup=[2])]))
    play.live(4)
    first, second = play.chain.slb.members(play.now)[1]
    assert (first.backup, first.able) == (False, True)
    assert (second.backup, second.able, second.cause) == (True, True, None)


def test_a_full_target_gets_nothing_new(kit):
    play = kit.make(kit.seed(targets=[kit.target(1, maxsessions=2), kit.target(2)]))
    play.live(4)
    play.world.target_sessions[1] = 2
    play.live(1)
    assert seen(play, 1)[0] == (1, "up", False, "maxsessions reached")


def test_before_the_first_answer_nothing_is_known(play):
    assert [(health, able) for _, health, able, _ in seen(play, 1)] == [("unknown", False)] * 2


def test_the_checks_of_a_disabled_server_go_on_and_are_told(two):
    two.world.server_admin[2] = "disabled"
    two.live(1)
    assert seen(two, 2) == [(1, "down", False, "does not accept 172.16.1.11"), (2, "up", True, None)]


def test_where_nothing_is_checked_everybody_may_be_chosen(kit):
    play = kit.make(kit.seed(modules=[name for name in MODULES if name != "hc"]))
    play.live(4)
    assert [able for _, _, able, _ in seen(play, 1)] == [True, True]


def test_the_same_is_told_until_something_changes(play):
    play.up()
    before = play.chain.slb.members(play.now)
    play.live(1)
    assert play.chain.slb.members(play.now) is before
    play.world.target_admin[1] = "disabled"
    play.live(1)
    assert play.chain.slb.members(play.now) is not before


def test_a_member_that_does_not_exist_is_left_out(kit):
    play = kit.make(kit.seed(servers=[kit.server(targets=[1, 9])]))
    assert [one.target for one in play.chain.slb.members(play.now)[1]] == [1]
