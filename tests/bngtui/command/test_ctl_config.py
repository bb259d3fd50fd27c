"""Changing the configuration: files, revisions, and commands of the language."""

import os
import re

import msgspec
import pytest

from engine.domain.errors import OpError


@pytest.fixture
def file(canned, tmp_path):
    """A configuration that differs from the running one."""
    path = tmp_path / "new.conf"
    path.write_text(canned.TEXT.replace("172.16.1.252", "172.16.1.251"))
    return path


@pytest.fixture
def bad(tmp_path):
    path = tmp_path / "bad.conf"
    path.write_text("modules arp\nsrever 1 {\n}\n")
    return path


def sent(engine, op):
    return [args for name, args, _ in engine.backend.calls if name == op]


def test_diff_shows_effects_then_the_texts_and_changes_nothing(engine, bngctl, file):
    done = bngctl("diff", str(file))
    assert (done.returncode, done.stderr) == (0, "")
    effects, texts = done.stdout.split("\n\n", 1)
    assert effects.splitlines() == [
        "+ target 3  172.16.1.103:80, in server 1",
        "~ target 2  tcpopen interval 3 → 5 s",
        "            its check restarts, 0 flows move",
        "- server 2  172.16.1.11:80 is answered no more",
        "            1,204 flows end",
    ]
    assert texts.startswith(f"--- revision 1\n+++ {file}\n@@ ")
    assert "\n-    real 172.16.1.252\n+    real 172.16.1.251\n" in texts
    assert engine.backend.running.number == 1
    (args,) = sent(engine, "diff")
    assert (args.text, args.file) == (file.read_text(), str(file))
    assert bngctl.json("diff", str(file))["base"] == 1


def test_diff_of_what_runs_is_no_difference(engine, bngctl, canned):
    done = bngctl("diff", "-", stdin=canned.TEXT)
    assert (done.returncode, done.stdout, done.stderr) == (0, "no difference\n", "")


def test_diff_between_revisions(engine, bngctl, file):
    bngctl("reload", str(file))
    done = bngctl("diff", "1", "2")
    assert "\n--- revision 1\n+++ revision 2\n" in done.stdout
    done = bngctl("diff", "1", "7")
    assert (done.returncode, done.stdout, done.stderr) == (1, "", "bngctl: there is no revision 7\n")
    assert bngctl("diff", "1", "x").returncode == 2


def test_an_invalid_file_is_refused_with_its_places_and_nothing_changes(engine, bngctl, bad):
    place = f"{bad}:2:1: error: "
    for args in (("diff", str(bad)), ("reload", str(bad)), ("reload", str(bad), "--confirm-within", "9")):
        done = bngctl(*args)
        assert (done.returncode, done.stdout) == (1, "")
        assert place in done.stderr
        assert "Traceback" not in done.stderr
    assert done.stderr.endswith("\nbngctl: 1 error; nothing was changed\n")
    assert engine.backend.running.number == 1
    done = bngctl("reload", str(bad), "--json")
    assert msgspec.json.decode(done.stdout)["findings"][-1]["line"] == 2
    done = bngctl("diff", str(bad), "--json")
    assert (done.returncode, msgspec.json.decode(done.stdout)["findings"][-1]["line"]) == (1, 2)


def test_a_file_whose_name_is_not_unicode(engine, bngctl, bad):
    named = bad.rename(bad.with_name(os.fsdecode(b"x\xff.conf")))
    for command in ("check", "diff", "reload"):
        for more in ((), ("--json",)):
            done = bngctl(command, str(named), *more)
            assert done.returncode == 1
            assert "Traceback" not in done.stderr
            assert ".conf" in done.stdout + done.stderr
    assert engine.backend.running.number == 1


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"\x7fELF\0\0\xff", "1:5: error: this is a binary file"),
        (b"modules arp\n// caf\xe9\n", "2:7: error: the byte 0xe9 is not UTF-8"),
        (b"modules arp\n" * 400_000, "error: the file has "),
        (None, "1:1: error: the file cannot be read: No such file"),
    ],
)
def test_what_is_no_text_is_refused_here(engine, bngctl, tmp_path, data, says):
    path = tmp_path / "what.conf"
    if data is not None:
        path.write_bytes(data)
    for command in ("diff", "reload"):
        done = bngctl(command, str(path))
        assert (done.returncode, done.stdout) == (1, "")
        assert says in done.stderr
    assert not engine.backend.calls


def test_reload_runs_a_file_and_says_what_changed(engine, bngctl, file):
    done = bngctl("reload", str(file), "--note", "two words", "--base", "1")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("revision 2 runs\n+ target 3  172")
    assert "confirm" not in done.stdout
    (args,) = sent(engine, "apply")
    assert (args.text, args.file) == (file.read_text(), str(file))
    assert (args.base, args.confirm_within_s, args.note) == (1, None, "two words")
    assert bngctl.json("reload", str(file))["revision"] == 3


def test_a_change_of_nothing_that_matters_is_said(engine, bngctl, file, monkeypatch):
    monkeypatch.setattr(engine.backend, "changes", [])
    assert bngctl("reload", str(file)).stdout == "revision 2 runs; nothing that matters changed\n"


def test_reload_within_a_time_says_until_when_and_how_to_keep_it(engine, bngctl, file):
    done = bngctl("reload", str(file), "--confirm-within", "60")
    assert re.search(
        r"\nto keep it: confirm within 60 s, until \d\d:\d\d:\d\d UTC; otherwise revision 1 runs again by itself\n",
        done.stdout,
    )
    assert bngctl.json("show", "conf")["pending"]["reverts_to"] == 1
    done = bngctl("confirm")
    assert (done.returncode, done.stdout) == (0, "revision 2 is confirmed\n")
    done = bngctl("confirm")
    assert (done.returncode, done.stderr) == (1, "bngctl: no change waits to be confirmed\n")


def test_reload_without_a_file_reads_the_engines_own(engine, bngctl, file, canned):
    real = engine.backend._running

    async def running(args):
        answer = await real(args)
        answer.file = str(file)
        return answer

    engine.backend._running = running
    assert bngctl("reload").returncode == 0
    assert sent(engine, "apply")[0].text == file.read_text()


def test_a_conflict_is_told_and_nothing_changes(engine, bngctl, file):
    done = bngctl("reload", str(file), "--base", "7")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == "bngctl: made from revision 7, but revision 1 runs now\n"
    assert engine.backend.running.number == 1


@pytest.mark.parametrize("within", ["0", "-5", "1.5", "soon"])
def test_a_time_to_confirm_in_is_whole_seconds(engine, bngctl, file, within):
    done = bngctl("reload", str(file), f"--confirm-within={within}")
    assert done.returncode == 2
    assert f"--confirm-within: '{within}' is not a whole number of one or more" in done.stderr


def test_rollback_history_and_save(engine, bngctl, file):
    bngctl("reload", str(file))
    done = bngctl("rollback", "1", "--confirm-within", "30")
    assert done.stdout.startswith("rolled back: revision 3 runs\n")
    assert engine.backend.running.text == engine.backend.revisions[0].text
    (args,) = sent(engine, "rollback")
    assert (args.revision, args.confirm_within_s) == (1, 30)
    bngctl("rollback")
    assert sent(engine, "rollback")[1].revision is None
    lines = bngctl("history").stdout.splitlines()
    assert lines[0].split() == ["#", "TIME", "(UTC)", "WHO", "LINES", "STATE", "NOTE"]
    assert [line.split()[0] for line in lines[1:]] == ["4", "3", "2", "1"]
    assert [one["number"] for one in bngctl.json("history")] == [4, 3, 2, 1]
    assert bngctl("save").stdout == "saved: revision 4 is in the file\n"
    assert bngctl("rollback", "first").returncode == 2


def test_on_the_monitors_socket_one_may_look_and_not_change(engine, bngctl, file):
    socket = ("--socket", str(engine.run_dir / "monitor.sock"))
    for looking in (("diff", str(file)), ("history",), ("show", "conf"), ("show", "revision", "1")):
        assert bngctl(*socket, *looking).returncode == 0
    for changing in (("reload", str(file)), ("confirm",), ("rollback",), ("save",), ("no", "target", "1")):
        done = bngctl(*socket, *changing)
        assert (done.returncode, done.stdout) == (1, "")
        assert "this is monitor.sock" in done.stderr
    assert engine.backend.running.number == 1


def test_texts_are_printed_byte_for_byte(engine, bngctl, command, canned):
    import subprocess

    text = "// caf\u00e9 \U0001f600\r\nmodules arp\n\n\tset x 1 // no end of line"
    engine.backend.revisions.append(canned.revision(2, running=False, text=text))
    engine.backend.revisions[0].text = text
    words, environment = command
    for args in (["show", "revision", "2"], ["show", "conf"]):
        for language in ("C.UTF-8", "en_US.ISO-8859-1"):
            done = subprocess.run(
                [*words, *args], env=environment | {"LANG": language}, capture_output=True, check=True
            )
            assert done.stdout == text.encode()
    shown = bngctl.json("show", "conf")
    assert shown == {
        "file": "/etc/bng/bng.conf",
        "revision": 1,
        "language": "balanceng",
        "text": text,
        "pending": None,
    }
    assert bngctl("show", "conf", "--canonical").stdout.startswith("modules arp,slb\nserver 1 {")
    assert set(bngctl.json("show", "conf", "--canonical")) == {"text"}
    assert bngctl("show", "conf", "--canonical=yes").returncode == 2
    assert bngctl.json("show", "revision", "2")["text"] == text
    assert bngctl("show", "revision", "9").stderr == "bngctl: there is no revision 9\n"


def test_commands_of_the_language_as_arguments(engine, bngctl):
    done = bngctl("set", "ipforwarding", "1")
    assert done.stdout.startswith("revision 2 runs\n")
    bngctl("network", "1", '{ name "a b" }', "--confirm-within", "5")
    bngctl("no", "targets", "1,2")
    bngctl("set", "note", "two words")
    assert [args.text for args in sent(engine, "command")] == [
        "set ipforwarding 1\n",
        'network 1 { name "a b" }\n',
        "no targets 1,2\n",
        'set note "two words"\n',
    ]
    assert sent(engine, "command")[1].confirm_within_s == 5
    assert not sent(engine, "admin")


SNIPPET = """show version
// a third target, and the server that uses it
target 3 {
    ipaddr 172.16.1.103   // the new one
    port 80
}
register target 3
enable target 3

enable interface 1
"""


def test_a_piped_snippet_is_one_change(engine, bngctl):
    bngctl(stdin=SNIPPET)
    (args,) = sent(engine, "command")
    assert args.text == SNIPPET.split("it\n")[1]
    assert not sent(engine, "admin")
    bngctl(stdin="disable target 1\n")
    assert engine.backend.now.targets[0].admin == "disabled"


def test_findings_in_piped_commands_name_their_lines(engine, bngctl):
    done = bngctl(
        stdin="show version\n\nset ipforwarding 1\n\n  srver 2 {\nserver 1 {\n  metod rr\n}\nshow vrrp\n"
    )
    assert done.returncode == 1
    assert "bngctl: line 5: unknown command 'srver'" in done.stderr
    assert "stdin:7:3: error: " in done.stderr
    assert "bngctl: lines 6-8: 1 error; nothing was changed\n" in done.stderr
    assert "VRID" in done.stdout


def test_begin_and_commit_make_one_change_of_all_between(engine, bngctl):
    done = bngctl(
        stdin="begin\nset ipforwarding 1\nshow vrrp\nenable target 1\ncommit confirm-within 60\nshow version\n"
    )
    assert done.returncode == 0
    assert done.stderr.endswith(": warning: set ipforwarding has no effect here; remove it, or leave it\n")
    (args,) = sent(engine, "command")
    assert (args.text, args.base, args.confirm_within_s) == ("set ipforwarding 1\nenable target 1\n", 1, 60)
    assert not sent(engine, "admin")
    assert "to keep it: confirm within 60 s" in done.stdout


def test_begin_may_be_aborted_or_forgotten(engine, bngctl):
    done = bngctl(stdin="begin\nset ipforwarding 1\nabort\n")
    assert (done.returncode, done.stdout) == (0, "nothing was changed\n")
    done = bngctl(stdin="begin\nset ipforwarding 1\n")
    assert (done.returncode, done.stderr) == (1, "bngctl: begin without commit: nothing was changed\n")
    assert not sent(engine, "command")
    assert bngctl(stdin="commit\n").stderr == "bngctl: line 1: there was no begin\n"
    assert "begin was said already" in bngctl(stdin="begin\nbegin\nabort\n").stderr
    assert "nothing was said since begin" in bngctl(stdin="begin\ncommit\n").stderr
    assert bngctl(stdin="begin\nset ipforwarding 1\ncommit confirm-within x\nabort\n").returncode == 2
    assert bngctl("begin").returncode == 1


def test_a_commit_that_is_refused_changes_nothing_and_ends_in_a_pipe(engine, bngctl):
    done = bngctl(stdin="begin\nset ipforwarding 1\nserver 1 {\n  metod rr\n}\ncommit\nenable target 2\n")
    assert done.returncode == 1
    assert "\nstdin:4:3: error: " in done.stderr
    assert len(sent(engine, "admin")) == 1  # after it, enable is operational again
    assert engine.backend.running.number == 1


def test_a_pending_change_is_not_told_where_nobody_reads(engine, bngctl, file):
    bngctl("reload", str(file), "--confirm-within", "60")
    assert bngctl("show", "servers").stderr == ""


def test_help_explains_the_language(bngctl):
    text = bngctl("help").stdout
    assert "Between begin and commit several are collected" in text
    assert "are the configuration's, and not operational" in bngctl("help", "begin").stdout
    assert "--confirm-within S" in bngctl("help", "reload").stdout
    assert os.linesep + "enable interface LIST" in text


@pytest.mark.parametrize("given", [("reload", "FILE"), ("rollback", "1"), ("save",)])
def test_others_work_is_overwritten_or_kept_only_where_that_is_said(engine, bngctl, file, given):
    words = [str(file) if word == "FILE" else word for word in given]
    bngctl("reload", str(file))
    engine.backend.calls.clear()
    bngctl(*words)
    bngctl(*words, "--overwrite", "--keep-trial", "31")
    op = {"reload": "apply"}.get(given[0], given[0])
    assert [(args.overwrite, args.keep_trial) for args in sent(engine, op)] == [(False, None), (True, 31)]


@pytest.mark.parametrize(("code", "word"), [("file-differs", "--overwrite"), ("on-trial", "--keep-trial N")])
def test_a_refusal_says_the_word_that_is_needed(engine, bngctl, file, code, word):
    engine.backend.refusal = OpError(code, "somebody else was here")
    done = bngctl("reload", str(file))
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("bngctl: somebody else was here (reload ")
    assert word in done.stderr
