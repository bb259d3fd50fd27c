from __future__ import annotations

import os

import pytest

from engine.api.ops import AdminArgs
from engine.changes.admin import AdminState
from engine.config.model import Config, Server, Target
from engine.domain.actor import Actor
from engine.domain.drain import MAX_WITHIN_S, Drain
from engine.domain.errors import OpError
from engine.modules.state.world import World


@pytest.fixture
def admin(tmp_path) -> AdminState:
    config = Config(
        servers=[Server(number=1, registered=True, enabled=True)],
        targets=[Target(number=n, registered=True, enabled=n != 3) for n in (1, 2, 3)],
    )
    return AdminState(World(config), tmp_path / "operational.json")


ROOT = Actor("root", 0, 12)


def change(
    admin: AdminState,
    action: str,
    *numbers: int,
    what: str = "target",
    within_s: int | None = None,
    now: float = 0.0,
):
    args = AdminArgs(what=what, action=action, numbers=list(numbers), within_s=within_s)
    return admin.change(args, ROOT, now, 1e9 + now)


def test_changes_are_told_from_what_was_so_already(admin):
    assert change(admin, "disable", 1, 3, 1).changed == [1]
    assert change(admin, "disable", 1, 2).unchanged == [1]
    assert admin.world.target_admin == {1: "disabled", 2: "disabled"}


def test_one_unknown_number_and_nothing_is_changed(admin):
    with pytest.raises(OpError, match="there is no target 9") as refused:
        change(admin, "disable", 1, 9)
    assert refused.value.code == "not-found"
    assert admin.world.target_admin == {}


def test_a_server_is_not_drained(admin):
    with pytest.raises(OpError, match="drain its targets"):
        change(admin, "drain", 1, what="server")
    assert change(admin, "disable", 1, what="server").changed == [1]


def test_what_was_said_survives_a_restart_of_what_still_exists(admin, tmp_path):
    change(admin, "drain", 1)
    change(admin, "enable", 3)
    assert admin.save() == ""
    smaller = Config(targets=[Target(number=1, registered=True, enabled=True)])
    after = AdminState(World(smaller), tmp_path / "operational.json")
    after.load(0.0, 1e9)
    assert after.world.target_admin == {1: "draining"}


@pytest.mark.parametrize(
    "content", ["{broken", "", "[" * 100_000, '{"targets": {"1": "asleep"}}', "\0" * 2_000_000]
)
def test_an_unreadable_file_is_put_aside_and_told(admin, tmp_path, content):
    (tmp_path / "operational.json").write_text(content)
    assert "put aside as operational.json.unreadable: targets and servers start as" in admin.load(0.0, 1e9)
    assert admin.world.target_admin == {}
    assert (tmp_path / "operational.json.unreadable").read_text() == content
    assert (admin.save(), admin.load(0.0, 1e9)) == ("", "")


def test_what_is_not_a_file_is_put_aside_and_never_waited_for(admin, tmp_path):
    os.mkfifo(tmp_path / "operational.json")
    assert "is not a plain file" in admin.load(0.0, 1e9)
    (tmp_path / "operational.json").mkdir()
    assert "put aside as operational.json.unreadable-2" in admin.load(0.0, 1e9)
    assert (admin.save(), admin.load(0.0, 1e9)) == ("", "")


def test_a_disk_that_refuses_is_told_until_it_does_not(tmp_path):
    (tmp_path / "nowhere").write_text("in the way")
    admin = AdminState(World(Config()), tmp_path / "nowhere" / "operational.json")
    assert "exists" in admin.save()
    assert admin.owed.startswith("operational state is not kept for the next start")
    (tmp_path / "nowhere").unlink()
    assert (admin.save(), admin.owed) == ("", "")


def test_what_the_file_says_itself_is_forgotten(admin):
    change(admin, "disable", 1)
    change(admin, "enable", 3)
    change(admin, "drain", 2)
    admin.world.config.targets[0].enabled = False
    admin.drop_redundant()
    assert admin.world.target_admin == {3: "enabled", 2: "draining"}


def test_servers_are_changed_told_and_kept_like_targets(admin, tmp_path):
    assert change(admin, "enable", 1, what="server").unchanged == [1]
    assert admin.world.server_admin == {}
    assert change(admin, "disable", 1, what="server").changed == [1]
    assert change(admin, "disable", 1, what="server").unchanged == [1]
    assert admin.world.server_admin == {1: "disabled"}
    assert admin.of_server(admin.world.config.servers[0]) == "disabled"
    assert admin.save() == ""
    after = AdminState(World(admin.world.config), tmp_path / "operational.json")
    after.load(0.0, 1e9)
    assert after.world.server_admin == {1: "disabled"}
    assert change(after, "enable", 1, what="server").changed == [1]
    assert after.world.server_admin == {1: "enabled"}
    with pytest.raises(OpError, match="there is no server 2, 3; nothing was changed"):
        change(after, "disable", 1, 2, 3, what="server")
    after.world.config = Config()
    after.drop_unknown()
    assert after.world.server_admin == {}


def test_without_a_word_of_the_operator_the_file_is_believed(admin):
    assert [admin.of_target(t) for t in admin.world.config.targets] == ["enabled", "enabled", "disabled"]
    assert admin.of_server(admin.world.config.servers[0]) == "enabled"
    assert admin.of_server(Server(number=2, enabled=False)) == "disabled"


def test_a_target_is_drained_once_and_enabled_again(admin):
    assert change(admin, "drain", 3).changed == [3]
    assert change(admin, "drain", 3).unchanged == [3]
    assert admin.of_target(admin.world.config.targets[2]) == "draining"
    assert change(admin, "enable", 3).changed == [3]
    admin.drop_redundant()
    assert admin.world.target_admin == {3: "enabled"}


def test_of_servers_too_what_the_file_says_itself_is_forgotten(admin):
    config = admin.world.config
    config.servers.append(Server(number=2, registered=True, enabled=False))
    admin.world.server_admin = {1: "disabled", 2: "disabled", 3: "enabled"}
    admin.drop_redundant()
    assert admin.world.server_admin == {1: "disabled", 3: "enabled"}
    admin.world.server_admin = {1: "enabled", 2: "enabled"}
    admin.drop_redundant()
    assert admin.world.server_admin == {2: "enabled"}


# -- drains ---------------------------------------------------------------------------------------------------------


def test_a_drain_has_the_end_that_was_asked_for(admin):
    assert change(admin, "drain", 1, within_s=30, now=5.0).changed == [1]
    assert admin.world.drains == {1: Drain(since=1e9 + 5, by="root(0) pid 12", within_s=30)}
    assert admin.world.drain_ends == {1: 35.0}


def test_without_a_word_the_end_is_the_file_s(admin):
    admin.world.config.targets[1].drainwithin = 60
    change(admin, "drain", 1, 2)
    assert admin.world.drain_ends == {2: 60.0}
    assert admin.world.drains[1].within_s is None
    change(admin, "enable", 2)
    change(admin, "drain", 2, within_s=0)
    assert admin.world.drain_ends == {}


def test_another_end_is_a_change_and_the_same_words_are_none(admin):
    change(admin, "drain", 1)
    assert change(admin, "drain", 1).unchanged == [1]
    assert change(admin, "drain", 1, within_s=30, now=10.0).changed == [1]
    assert admin.world.drain_ends == {1: 40.0}
    assert change(admin, "drain", 1).unchanged == [1]
    assert admin.world.drain_ends == {1: 40.0}


@pytest.mark.parametrize("action", ["enable", "disable"])
def test_another_word_ends_the_drain(admin, action):
    change(admin, "drain", 1, within_s=30)
    change(admin, action, 1)
    assert (admin.world.drains, admin.world.drain_ends) == ({}, {})


@pytest.mark.parametrize(
    ("action", "within_s", "message"),
    [
        ("disable", 5, "within is a word of drain, not of disable"),
        ("drain", -1, "within -1 s: give 1 to"),
        ("drain", MAX_WITHIN_S + 1, "give 1 to 604800 s, or 0 for no end"),
    ],
)
def test_a_wrong_end_changes_nothing(admin, action, within_s, message):
    with pytest.raises(OpError, match=message):
        change(admin, action, 1, within_s=within_s)
    assert admin.world.target_admin == {}


def test_a_drain_goes_on_over_a_restart_and_its_time_with_it(admin, tmp_path):
    change(admin, "drain", 1, within_s=100)
    change(admin, "drain", 2, within_s=10)
    admin.save()
    after = AdminState(World(admin.world.config), tmp_path / "operational.json")
    after.load(7.0, 1e9 + 40)
    assert after.world.drains == admin.world.drains
    assert after.world.drain_ends == {1: 67.0, 2: -23.0}
    after.load(7.0, 1e9 - 40_000)  # the clock was set back meanwhile
    assert after.world.drain_ends == {1: 107.0, 2: 17.0}
