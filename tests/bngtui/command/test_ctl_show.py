import asyncio
import re
import threading
import time

import msgspec
import pytest

TRAFFIC = {"sessions", "packets", "bytes", "pps", "bps"}
COMMON = {"number", "name", "ipaddr", "port", "protocol", "admin", "operational"} | TRAFFIC
TARGET = COMMON | {"mac", "dsr", "health", "reason", "servers", "checks", "last_change_s"}
SERVER = COMMON | {"method", "targets", "backup"}
CHECK = {"kind", "port", "state", "last_ok_s", "rtt_ms", "error"}
DATAPATH = {"kind", "workers", "interfaces", "received", "forwarded", "passed", "dropped", "why"}
EVENT = {"id", "time", "kind", "severity", "subject", "message", "actor"}


def test_targets_have_the_contracts_fields(engine, bngctl):
    one, two = bngctl.json("show", "targets")
    assert set(one) >= TARGET
    assert set(one["checks"][0]) >= CHECK
    assert (one["number"], one["health"], one["operational"], one["reason"]) == (1, "up", True, None)
    assert two["reason"].startswith("does not accept 172.16.1.10")
    assert two["operational"] is False


def test_an_unresolved_mac_is_null(engine, bngctl):
    engine.backend.now.targets[0].mac = None
    assert bngctl.json("show", "targets", "1")[0]["mac"] is None


def test_a_trend_has_values_of_the_same_length_as_its_times(engine, bngctl):
    answer = bngctl.json("show", "trend", "--target", "1", "--last", "3h", "--step", "1m")
    assert answer["step_s"] == 60
    assert {len(values) for values in answer["values"].values()} == {len(answer["times"])} == {3}
    assert answer["states"] == [["up"], ["up", "down"], ["down"]]
    assert "rtt_ms" not in bngctl.json("show", "trend")["values"]


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("--last", "soon"), "'soon' is not a time: write 90, 10m, 3h or 2d"),
        (("--last", "0"), "'0' is not a time"),
        (("--target", "1", "--server", "1"), "--target or --server, one of them"),
    ],
)
def test_what_a_trend_cannot_be_asked_for_is_a_usage_error(engine, bngctl, words, says):
    done = bngctl("show", "trend", *words)
    assert done.returncode == 2
    assert says in done.stderr


def test_servers_datapath_events_have_the_contracts_fields(engine, bngctl):
    (server,) = bngctl.json("show", "servers")
    assert set(server) >= SERVER
    assert server["targets"] == [1, 2]
    datapath = bngctl.json("show", "datapath")
    assert set(datapath) >= DATAPATH
    assert datapath["dropped"] == {"no-server": 900, "loop": 100}
    events = bngctl.json("show", "events")
    assert [event["id"] for event in events] == [1, 2, 3]
    assert all(set(event) >= EVENT for event in events)


@pytest.mark.parametrize(
    ("what", "kind", "field"),
    [
        ("sessions", list, "client"),
        ("interfaces", list, "link"),
        ("networks", list, "virt"),
        ("arp", list, "owner"),
        ("modules", list, "frames"),
        ("vrrp", list, "vrid"),
        ("version", dict, "kernel"),
        ("processes", list, "capabilities"),
        ("conf", dict, "text"),
    ],
)
def test_each_is_a_list_of_objects_or_an_object(engine, bngctl, what, kind, field):
    found = bngctl.json("show", what)
    assert type(found) is kind
    assert field in (found[0] if kind is list else found)


def test_json_may_stand_anywhere(engine, bngctl):
    for args in (("--json", "show", "vrrp"), ("show", "--json", "vrrp"), ("show", "vrrp", "--json")):
        assert isinstance(msgspec.json.decode(bngctl(*args).stdout), list)


def test_words_may_be_cut_short_and_stand_in_the_singular(engine, bngctl):
    wanted = bngctl("show", "servers").stdout
    assert wanted.startswith("#  NAME")
    for args in (("sh", "serv"), ("show", "server"), ("sho", "server")):
        assert bngctl(*args).stdout == wanted
    assert bngctl("sh", "conf").stdout == bngctl("show", "configuration").stdout
    done = bngctl("sh", "s")
    assert (done.returncode, done.stdout) == (2, "")
    assert "'s' is ambiguous: servers, sessions" in done.stderr


def test_sessions_are_filtered(engine, bngctl):
    assert [one["target"] for one in bngctl.json("show", "sessions", "--target", "2")] == [2]
    assert [one["target"] for one in bngctl.json("show", "sessions", "--client=10.1.1.1")] == [1]
    done = bngctl("show", "sessions", "--client", "nobody")
    assert (done.returncode, done.stderr) == (2, "bngctl: client 'nobody' is not an IP address\n")


def test_a_list_picks_and_shows_every_check(engine, bngctl):
    done = bngctl("show", "targets", "web2")
    assert "web1" not in done.stdout
    assert "no answer" in done.stdout
    done = bngctl("show", "target", "1,7")
    assert (done.returncode, done.stdout, done.stderr) == (1, "", "bngctl: there is no target 7\n")


def test_a_table_in_a_pipe_is_plain_and_columns_sets_its_width(engine, bngctl):
    wide = bngctl("show", "targets").stdout
    assert "\x1b" not in wide
    assert "172.16.1.101:80  tcp    02:00:00:00:00:01  up " in wide
    narrow = bngctl("show", "targets", env={"COLUMNS": "60"}).stdout
    assert max(map(len, narrow.splitlines())) <= 60


def test_monitor_sock_serves_who_may_not_open_operator_sock_and_the_reverse(engine, bngctl):
    (engine.run_dir / "operator.sock").unlink()
    assert bngctl("show", "version").returncode == 0
    done = bngctl("enable", "target", "1")
    assert done.returncode == 3
    assert "operator.sock: no such socket" in done.stderr


def test_the_operators_socket_serves_where_monitor_sock_is_missing(engine, bngctl):
    (engine.run_dir / "monitor.sock").unlink()
    assert bngctl("show", "version").returncode == 0


def test_no_engine_is_exit_code_3(bngctl, tmp_path):
    for args in (("show", "targets"), ("watch",), ("enable", "target", "1"), ("explain", "10.0.0.1", "1")):
        done = bngctl(*args)
        assert (done.returncode, done.stdout) == (3, "")
        assert "is the engine running?" in done.stderr


def test_an_engine_that_goes_with_the_answer_leaves_it_unknown(engine, bngctl):
    engine.backend.hold = asyncio.Event()

    def go():
        while not engine.backend.calls_of("admin"):
            time.sleep(0.02)
        engine.stop()

    going = threading.Thread(target=go)
    going.start()
    done = bngctl("disable", "target", "1")
    going.join()
    assert (done.returncode, done.stdout) == (3, "")
    assert done.stderr.startswith("bngctl: unknown, it may have been done: ")
    assert done.stderr.endswith("; show events tells whether\n")


def test_what_the_engine_says_of_itself_failing_is_exit_code_1(engine, bngctl):
    done = bngctl("show", "sessions", "--client", "0.0.0.0")
    assert (done.returncode, done.stdout) == (1, "")
    assert "the engine's log says how" in done.stderr


def test_times_are_in_utc_or_in_the_local_zone_and_say_so(engine, bngctl):
    env = {"TZ": "XYZ-5:30"}
    assert "TIME (UTC)" in bngctl("show", "events", env=env).stdout
    local = bngctl("show", "events", "--local-time", env=env).stdout
    assert "TIME (XYZ)" in local
    assert "UTC" not in local
    engine.backend.trial = None
    told = bngctl(
        "--local-time", "reload", "-", "--confirm-within", "60", stdin=engine.backend.running.text, env=env
    ).stdout
    assert re.search(r"until \d\d:\d\d:\d\d XYZ", told)
