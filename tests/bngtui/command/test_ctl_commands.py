import os
import re
import signal
import subprocess
import threading
import time

import msgspec
import pytest

from bngtui.command.registry import COMMANDS
from engine.cli import main as engine_main
from engine.config.language.keywords import BLOCKS
from engine.config.model import MODULES
from tests.bngtui.command.conftest import Engine
from tests.helpers import states


def test_enable_disable_drain_change_the_engine_and_say_so(engine, bngctl):
    done = bngctl("disable", "target", "1-2")
    assert (done.returncode, done.stdout) == (0, "target 1: disabled\ntarget 2: disabled\n")
    assert [target.admin for target in engine.backend.now.targets] == ["disabled", "disabled"]
    assert bngctl("drain", "targets", "web1").stdout == "target 1: draining\n"
    assert bngctl("drain", "target", "1,", "2").stdout == "target 1: already draining\ntarget 2: draining\n"
    assert bngctl.json("enable", "target", "1") == {"changed": [1], "unchanged": [], "in_force": True}
    assert bngctl("disable", "server", "1").stdout == "server 1: disabled\n"
    assert bngctl("enable", "server", "1").returncode == 0
    assert all(actor.pid for _, _, actor in engine.backend.calls)


@pytest.mark.parametrize(
    "words",
    [("1", "within", "300"), ("web1", "within", "300"), ("1", "--within", "300"), ("--within", "300", "1")],
)
def test_a_drain_has_an_end_if_asked(engine, bngctl, words):
    assert bngctl("drain", "target", *words).stdout == "target 1: draining, for 300 s at most\n"
    (args,) = [args for op, args, _ in engine.backend.calls if op == "admin"]
    assert (args.numbers, args.within_s) == ([1], 300)


def test_what_is_accepted_and_not_yet_in_force_is_said(engine, bngctl):
    engine.backend.in_force = False
    said = bngctl("disable", "target", "1").stdout.splitlines()
    assert said[0] == "target 1: disabled"
    assert said[1].startswith("accepted, not yet in force: a worker does not forward by it yet")
    assert bngctl.json("enable", "target", "1")["in_force"] is False


def test_on_the_monitors_socket_a_change_is_refused(engine, bngctl):
    done = bngctl("--socket", str(engine.run_dir / "monitor.sock"), "disable", "target", "1")
    assert (done.returncode, done.stdout) == (1, "")
    assert "this is monitor.sock" in done.stderr
    assert engine.backend.now.targets[0].admin == "enabled"


@pytest.mark.parametrize(
    ("args", "code", "says"),
    [
        (("enable", "target", "1,9"), 1, "there is no target 9"),
        (("enable", "target", "nobody"), 1, "there is no target named 'nobody'"),
        (("enable", "target", "4-2"), 2, "'4-2' runs backwards; write 2-4"),
        (("enable", "target", "1,,2"), 2, "a number is missing"),
        (("enable", "target", "1-999999999999"), 2, "is not a target number"),
        (("enable", "target", "0"), 2, "0 is not a target number"),
        (("enable", "target"), 2, "LIST is missing; usage: enable target LIST"),
        (("drain", "server", "1"), 2, "unknown command 'drain server'"),
        (("drain", "target", "1", "within"), 2, "within: '' is not a whole number of seconds"),
        (("drain", "target", "1", "within", "soon"), 2, "within: 'soon' is not a whole number of seconds"),
        (("drain", "target", "1", "--within", "-1"), 2, "'-1' is not a whole number of seconds"),
        (("enable", "target", "1", "within", "5"), 1, "there is no target named 'within'"),
        (("show",), 2, "show: what? One of alarms, arp,"),
        (("shwo", "targets"), 2, "did you mean show?"),
        (("show", "vrrp", "now"), 2, "'now' is too much; usage: show vrrp"),
        (("show", "events", "--limit", "0"), 2, "'0' is not a whole number of one or more"),
        (("show", "events", "--limit"), 2, "--limit: N is missing"),
        (("show", "events", "--last"), 2, "unknown option --last"),
        (("--bogus",), 2, "unknown option --bogus"),
        (("explain", "10.1.1.1:99999", "1"), 2, "'99999' is not a port"),
        (("explain", "client", "1"), 2, "client 'client' is not an IP address"),
        (("server",), 2, "N { ... } is missing; usage: server N { ... }"),
    ],
)
def test_what_cannot_be_done_says_why(engine, bngctl, args, code, says):
    done = bngctl(*args)
    assert done.returncode == code
    assert says in done.stderr
    assert done.stdout == ""
    assert "Traceback" not in done.stderr
    assert [target.admin for target in engine.backend.now.targets] == ["enabled", "enabled"]


def test_explain_says_where_a_flow_goes(engine, bngctl):
    done = bngctl("explain", "10.1.1.1:4000", "172.16.1.10:80")
    assert done.returncode == 0
    assert done.stdout.startswith("10.1.1.1, server 1: target 1 (the server's method picks it)\n  1.  ")
    ((_, args, _),) = engine.backend.calls
    assert (args.client, args.client_port, args.server, args.server_port) == (
        "10.1.1.1",
        4000,
        "172.16.1.10",
        80,
    )
    assert bngctl.json("explain", "10.1.1.1", "1")["target"] == 1
    engine.backend.now.servers[0].name = "web"
    assert bngctl.json("explain", "10.1.1.1", "web")["server"] == 1


def test_wait_ready_waits_for_the_first_round(engine, bngctl):
    engine.backend.now.first_round_done = False
    done = bngctl("wait-ready", "--timeout", "0.3")
    assert (done.returncode, done.stdout) == (1, "")
    assert "the first round of checks is not over" in done.stderr
    later = threading.Timer(0.5, lambda: setattr(engine.backend.now, "first_round_done", True))
    later.start()
    done = bngctl("wait-ready", "--timeout", "10")
    later.join()
    assert (done.returncode, done.stdout) == (0, "ready: lb1, 1 of 2 targets operational\n")


def test_wait_ready_waits_for_an_engine_that_starts_later(command, bngctl, tmp_path, request):
    assert bngctl("wait-ready", "--timeout", "0.2").returncode == 3
    words, environment = command
    with subprocess.Popen(
        [*words, "wait-ready", "--json"], env=environment, stdout=subprocess.PIPE
    ) as waiting:
        time.sleep(0.4)
        request.getfixturevalue("engine")
        out, _ = waiting.communicate(timeout=10)
    assert waiting.returncode == 0
    assert msgspec.json.decode(out)["ready"] is True


@pytest.fixture
def watching(engine, command):
    words, environment = command
    started = []

    def watch(*args):
        process = subprocess.Popen(
            [*words, "watch", *args],
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        started.append(process)
        deadline = time.monotonic() + 10
        while not any(console.wants_events for console in set(engine.server._consoles)):
            assert time.monotonic() < deadline
            time.sleep(0.01)
        return process

    yield watch
    for process in started:
        process.kill()
        process.communicate()


def test_watch_prints_each_event_at_once_and_ends_quietly_on_ctrl_c(engine, watching):
    process = watching()
    for number in (7, 8):
        engine.do(engine.server.publish_event, states.event(number, severity="warning"))
        line = process.stdout.readline()
        assert line == f"2026-03-01T12:00:0{number}Z warning health   target 1: up, message {number}\n"
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=5)
    assert (process.returncode, out, err) == (0, "", "")


def test_watch_ends_with_3_when_the_engine_goes_away(engine, watching):
    process = watching("--json")
    engine.do(engine.server.publish_event, states.event(7))
    assert msgspec.json.decode(process.stdout.readline()) == msgspec.to_builtins(states.event(7))
    engine.stop()
    out, err = process.communicate(timeout=5)
    assert (process.returncode, out) == (3, "")
    assert "the engine closed the connection" in err


@pytest.mark.parametrize("number", [8, 1], ids=["events survive", "numbers begin anew"])
def test_watch_follow_goes_on_with_the_next_engine_and_repeats_nothing(engine, watching, canned, number):
    process = watching("--json", "--follow")
    limit = threading.Timer(15, process.kill)  # ends what waits for a line that never comes
    limit.start()
    engine.do(engine.server.publish_event, states.event(7))
    assert msgspec.json.decode(process.stdout.readline())["id"] == 7
    engine.stop()
    assert "the engine closed the connection; waiting for the engine" in process.stderr.readline()
    after = Engine(canned.CannedBackend(), engine.run_dir)
    kept = [*engine.backend.kept, states.event(7)] if number == 8 else []
    after.backend.kept = [*kept, states.event(number, time="2026-03-02T12:00:00Z")]
    after.start()
    try:
        assert process.stderr.readline() == "bngctl: the engine answers\n"
        assert msgspec.json.decode(process.stdout.readline())["id"] == number
        after.do(after.server.publish_event, states.event(number + 1, time="2026-03-02T12:00:01Z"))
        assert msgspec.json.decode(process.stdout.readline())["id"] == number + 1
        process.send_signal(signal.SIGINT)
        assert process.communicate(timeout=5) == ("", "")
        assert process.returncode == 0
    finally:
        limit.cancel()
        after.stop()


def test_watch_does_not_mind_a_reader_that_has_enough(engine, watching):
    process = watching()
    process.stdout.close()
    engine.do(engine.server.publish_event, states.event(7))
    assert process.wait(5) == 0
    assert process.stderr.read() == ""


def test_piped_commands_run_one_a_line_and_the_last_failure_counts(engine, bngctl):
    script = """// take one out
    show version      // who is it
    disable target 9
    drain "target" 1

    sh vr --json
    """
    done = bngctl(stdin=script)
    assert done.returncode == 1
    assert done.stderr == "bngctl: line 3: there is no target 9\n"
    assert "engine  0.1.0" in done.stdout
    assert "target 1: draining\n[\n" in done.stdout
    assert engine.backend.now.targets[0].admin == "draining"


def test_a_piped_line_may_leave(engine, bngctl):
    done = bngctl(stdin="show version\nquit\nnonsense\n")
    assert (done.returncode, done.stderr) == (0, "")
    done = bngctl(stdin="enable target 'x\nshow version\n")
    assert (done.returncode, done.stderr) == (2, "bngctl: line 1: a quote is not closed\n")
    assert bngctl(stdin="").returncode == 0


def test_check_is_the_engines_own(bngctl, tmp_path, capsys):
    good = tmp_path / "good.conf"
    bad = tmp_path / "bad.conf"
    good.write_text("modules arp\n")
    bad.write_text("server 1 {\n    ipadr 172.16.1.10\n")
    for path in (good, bad, tmp_path / "missing.conf"):
        for options in ((), ("--json",)):
            code = engine_main(["check", str(path), *options])
            printed = capsys.readouterr().out
            done = bngctl("check", str(path), *options)
            assert done.returncode == code
            if options:
                assert msgspec.json.decode(done.stdout) == msgspec.json.decode(printed)
            else:
                assert done.stdout == printed
    assert "bad.conf:2:5: error:" in bngctl("check", str(bad)).stdout


def test_help_names_every_command(bngctl):
    for done in (bngctl("help"), bngctl("--help"), bngctl("-h")):
        assert done.returncode == 0
        assert all(f"\n{command.usage.split(' [--')[0]} " in done.stdout for command in COMMANDS)
    assert "--timeout S" in bngctl("help", "wait-ready").stdout
    assert bngctl("wait-ready", "--help").stdout == bngctl("help", "wait").stdout
    assert bngctl(stdin="sh ?\n").stdout == bngctl("help", "show").stdout == bngctl("show", "--help").stdout
    assert bngctl("help", "nonsense").returncode == 2


@pytest.mark.parametrize("asked", ["help drain", "drain ?", "drain --help", "drain target -h", "dr ?"])
def test_help_is_asked_alike_at_the_shell_and_at_the_prompt(bngctl, asked):
    at_the_shell = bngctl(*asked.split())
    in_a_pipe = bngctl(stdin=asked + "\n")
    assert (
        (at_the_shell.returncode, at_the_shell.stderr) == (in_a_pipe.returncode, in_a_pipe.stderr) == (0, "")
    )
    assert at_the_shell.stdout == in_a_pipe.stdout
    assert "usage: bngctl drain target LIST" in at_the_shell.stdout


def test_what_follows_two_dashes_is_no_question(bngctl, engine):
    assert bngctl("check", "--", "--help").stdout.startswith("--help:1:1: error: the file cannot be read")


@pytest.mark.parametrize("asked", ["help server", "server ?", "server 1 ?", "server 1 { ?", "server --help"])
def test_help_of_a_block_lists_its_words(bngctl, asked):
    text = bngctl(*asked.split()).stdout
    assert bngctl(stdin=asked + "\n").stdout == text
    for word, keyword in BLOCKS["server"].items():
        assert re.search(
            rf"^{word} {re.escape(keyword.form)} +{re.escape(keyword.explained)}$", text, re.MULTILINE
        )
    assert "is chosen, also bw, agent, rndagent" in text
    assert "not built yet: the method chooses alone" in text


def test_help_of_one_word_of_a_block(bngctl):
    text = bngctl("help", "target", "weight").stdout
    assert "weight 1-255  share of new sessions" in text
    assert "maxsessions" not in text


def test_a_question_inside_an_open_block_is_answered_and_is_not_part_of_it(bngctl, engine):
    done = bngctl(stdin="server 1 {\n ?\n name x\n port ?\n}\n")
    assert "stimeout" in done.stdout
    assert done.stdout.count("the service's port") == 2
    assert "?" not in done.stderr


def test_help_of_modules_lists_them(bngctl):
    assert f"({', '.join(MODULES)})" in bngctl("modules", "?").stdout


def test_it_starts_fast_and_without_what_it_does_not_need(engine, bngctl, command):
    words, environment = command
    code = (
        "import sys; from bngtui.ctl import main; main(sys.argv[1:]);"
        "print([m for m in ('textual', 'prompt_toolkit', 'numpy', 'scapy', 'rich.console') if m in sys.modules])"
    )
    done = subprocess.run(
        [words[0], "-c", code, *words[3:], "show", "version"],
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.endswith("[]\n")

    def once():
        """CPU seconds: what else the machine is doing is not what is measured."""
        before = os.times()
        assert bngctl("show", "version").returncode == 0
        after = os.times()
        return after.children_user + after.children_system - before.children_user - before.children_system

    fastest = min(once() for _ in range(5))
    assert fastest < 0.3, f"{fastest:.2f} s"
