from __future__ import annotations

import os

import pytest

from engine.api.ops import AdminArgs
from engine.changes.admin import AdminState
from engine.config.model import Config, Server, Target
from engine.domain.errors import OpError
from engine.modules.state.world import World


@pytest.fixture
def admin(tmp_path) -> AdminState:
    config = Config(
        servers=[Server(number=1, registered=True, enabled=True)],
        targets=[Target(number=n, registered=True, enabled=n != 3) for n in (1, 2, 3)],
    )
    return AdminState(World(config), tmp_path / "operational.json")


def change(admin: AdminState, action: str, *numbers: int, what: str = "target"):
    return admin.change(AdminArgs(what=what, action=action, numbers=list(numbers)))


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
    after.load()
    assert after.world.target_admin == {1: "draining"}


@pytest.mark.parametrize(
    "content", ["{broken", "", "[" * 100_000, '{"targets": {"1": "asleep"}}', "\0" * 2_000_000]
)
def test_an_unreadable_file_is_put_aside_and_told(admin, tmp_path, content):
    (tmp_path / "operational.json").write_text(content)
    assert "put aside as operational.json.unreadable: targets and servers start as" in admin.load()
    assert admin.world.target_admin == {}
    assert (tmp_path / "operational.json.unreadable").read_text() == content
    assert (admin.save(), admin.load()) == ("", "")


def test_what_is_not_a_file_is_put_aside_and_never_waited_for(admin, tmp_path):
    os.mkfifo(tmp_path / "operational.json")
    assert "is not a plain file" in admin.load()
    (tmp_path / "operational.json").mkdir()
    assert "put aside as operational.json.unreadable-2" in admin.load()
    assert (admin.save(), admin.load()) == ("", "")


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
    after.load()
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
