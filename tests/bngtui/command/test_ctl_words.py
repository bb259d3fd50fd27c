"""Words, lists and completion, without a process."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bngtui.command import lists
from bngtui.command.complete import candidates
from bngtui.command.line import words
from bngtui.command.lines import Lines, Step
from bngtui.command.registry import COMMANDS, match, parse
from bngtui.command.session import style_of
from bngtui.command.spec import CommandError, UsageError
from bngtui.render.printed.cells import ranges
from engine.config.language.keywords import KINDS, TOP
from tests.helpers import states


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("show targets", ["show", "targets"]),
        ("  show\ttargets  // why\n", ["show", "targets"]),
        ("// all comment", []),
        ("check /a//b", ["check", "/a//b"]),
        ('enable target "local web"', ["enable", "target", "local web"]),
        ('check "// no comment"', ["check", "// no comment"]),
        ("check C:\\x", ["check", "C:\\x"]),
        ("show # targets", ["show", "#", "targets"]),
        ("", []),
    ],
)
def test_a_line_is_split_as_balanceng_does(text, found):
    assert words(text) == found


@given(st.lists(st.integers(1, 65_535), min_size=1, unique=True))
def test_a_list_written_is_the_list_read(numbers):
    assert lists.numbers(ranges(numbers), [], "target") == numbers


@given(st.text(max_size=30))
def test_any_text_is_a_list_or_a_plain_refusal(text):
    try:
        found = lists.numbers(text, [], "target")
    except (UsageError, CommandError):
        return  # anything else that is raised fails the test
    assert found
    assert all(1 <= number <= 65_535 for number in found)


@given(st.text(max_size=40))
def test_any_line_is_a_call_or_a_plain_refusal(text):
    try:
        call = parse(words(text) or ["help"])
    except UsageError:
        return
    assert call.command in COMMANDS


def test_a_name_that_two_have_needs_a_number():
    things = [states.target(1, name="web"), states.target(2, name="web"), states.target(3, name="7")]
    with pytest.raises(CommandError, match="targets 1, 2 are all named 'web'"):
        lists.numbers("web", things, "target")
    assert lists.numbers("7", things, "target") == [7]
    assert lists.numbers("2,1-3,2", things, "target") == [2, 1, 3]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("10.1.1.1", ("10.1.1.1", None)),
        ("10.1.1.1:80", ("10.1.1.1", 80)),
        ("2001:db8::1", ("2001:db8::1", None)),
        ("[2001:db8::1]:80", ("2001:db8::1", 80)),
        ("[2001:db8::1]", ("2001:db8::1", None)),
        ("web", ("web", None)),
    ],
)
def test_an_endpoint(text, found):
    assert lists.endpoint(text, "client") == found


@pytest.mark.parametrize(
    "text", ["10.1.1.1:", ":80", "[::1", "[::1]80", "[::1]:", "a:0", "a:65536", "a:x", ""]
)
def test_no_endpoint(text):
    with pytest.raises(UsageError):
        lists.endpoint(text, "client")


def test_every_command_is_found_by_its_own_words():
    for command in COMMANDS:
        assert match(command.words) == (command, [])


def test_each_name_is_there_once():
    assert len({command.words for command in COMMANDS}) == len(COMMANDS)


@pytest.mark.parametrize(
    ("before", "partial", "found"),
    [
        ([], "e", ["enable", "explain", "exit"]),
        (["show"], "s", ["servers", "sessions"]),
        (["sh"], "m", ["modules"]),
        (["drain"], "", ["target"]),
        (["enable", "target"], "", ["1", "2", "web1", "web2"]),
        (["enable", "target"], "1,w", ["1,web1", "1,web2"]),
        (["disable", "server"], "", ["1"]),
        (["explain", "10.0.0.1"], "", ["1"]),
        (["explain"], "", []),
        (["show", "events"], "--l", ["--limit"]),
        (["help"], "wa", ["wait-ready", "watch"]),
        (["help", "show"], "v", ["vrrp", "version"]),
        (["nonsense"], "", []),
        (["show", "vrrp"], "", []),
        (["show", "conf"], "--c", ["--canonical"]),
        (["register"], "s", ["server"]),
        (["register", "target"], "1,", ["1,2"]),
        (["no"], "", ["register", "enable", "interface", "network", "server", "target"]),
        (["no", "enable", "networks"], "", ["1"]),
        (["enable", "interface"], "", ["1"]),
        (["target"], "", ["1", "2"]),
        (["target", "1"], "wei", ["weight"]),
        (["target", "1"], "{", ["{"]),
        (["server", "1", "method"], "h", ["hash"]),
        (["no", "target", "1"], "pi", ["ping"]),
        (["no", "register", "target", "1"], "", []),
        (["target", "1", "{"], "we", ["weight"]),
        (["server", "1", "{", "method"], "r", ["rr", "random", "rndagent"]),
        (["server", "1", "{", "targets"], "", ["1", "2"]),
        (["server", "1", "{", "method", "rr", "}"], "n", ["network", "no"]),
        (["modules"], "arp,h", ["arp,hc"]),
        (["set"], "ip", ["ipforwarding"]),
        (["reload", "x"], "--conf", ["--confirm-within"]),
    ],
)
def test_completion(canned, before, partial, found):
    assert candidates(before, partial, canned.state) == found


@pytest.mark.parametrize(
    ("waiting", "before", "partial", "found"),
    [
        ("server 1 {", [], "me", ["method"]),
        ("server 1 {", ["method"], "ha", ["hash"]),
        ("server 1 {\n  method rr", [], "ba", ["backup"]),
        ("server 1\n{", [], "ba", ["backup"]),
        ("set {", [], "mul", ["multithreading"]),
        ("vrrp {", ["network"], "", ["1"]),
        ("nonsense {", [], "", []),
        ("target 1 { // port", [], "por", ["port"]),
    ],
)
def test_completion_in_an_open_block(canned, waiting, before, partial, found):
    assert candidates(before, partial, canned.state, waiting) == found


def test_no_word_of_the_language_is_missing():
    typed = {command.words[0] for command in COMMANDS if command.language}
    assert typed == set(TOP)
    assert {(c.words[0], c.words[1]) for c in COMMANDS if c.words[0] in {"enable", "disable"}} == {
        (action, kind) for action in ("enable", "disable") for kind in KINDS
    }


def taken(*texts, joined=False, collecting=False):
    lines = Lines(lambda: collecting, joined=joined)
    steps = [step for number, text in enumerate(texts, 1) for step in lines.take(text, number)]
    assert not lines.open
    return [(step.text, step.first, step.last) for step in (*steps, *lines.end()) if step.raw], [
        step.text for step in steps if not step.raw
    ]


@pytest.mark.parametrize(
    ("texts", "raw", "plain"),
    [
        (["no target 3"], [("no target 3", 1, 1)], []),
        (["server 1 {", "", "method hash // }", "}"], [("server 1 {\n\nmethod hash // }\n}", 1, 4)], []),
        (['network 1 { name "a { b" }'], [('network 1 { name "a { b" }', 1, 1)], []),
        (["  serv 1 { method rr }"], [("  server 1 { method rr }", 1, 1)], []),
        (["enable network 1"], [("enable network 1", 1, 1)], []),
        (["enable target 1", "dis serv 1"], [], ["enable target 1", "dis serv 1"]),
        (["register targets 1", "enable target 1"], [("register targets 1", 1, 1)], ["enable target 1"]),
        (["no target 3 --confirm-within 5", "server ?"], [], ["no target 3 --confirm-within 5", "server ?"]),
        (["// server 1 {", "", "nonsense {"], [], ["nonsense {"]),
    ],
)
def test_typed_lines_are_commands_or_the_language(texts, raw, plain):
    assert taken(*texts) == (raw, plain)


def test_piped_lines_of_the_language_are_one_change():
    texts = [
        "show version",
        "target 3 {",
        "}",
        "// why",
        "register target 3",
        "en target 3",
        "show vrrp",
        "no target 9",
    ]
    raw = [("target 3 {\n}\n// why\nregister target 3\nenable target 3", 2, 6), ("no target 9", 8, 8)]
    assert taken(*texts, joined=True) == (raw, ["show version", "show vrrp"])


def test_between_begin_and_commit_enable_is_the_configurations():
    texts = ["enable server 1", "drain target 1", "dis target 1"]
    raw = [("enable server 1", 1, 1), ("disable target 1", 3, 3)]
    assert taken(*texts, collecting=True) == (raw, ["drain target 1"])


def test_what_is_left_open_is_handed_over_at_the_end():
    lines = Lines(lambda: False, joined=True)
    assert lines.take("server 1 {", 4) == []
    assert lines.open
    assert lines.end() == [Step("server 1 {", 4, 4, raw=True)]
    assert not lines.open


@given(st.lists(st.text(max_size=20), max_size=6), st.booleans())
def test_any_lines_are_steps(texts, joined):
    lines = Lines(lambda: False, joined=joined)
    steps = [step for number, text in enumerate(texts, 1) for step in lines.take(text, number)] + lines.end()
    assert [step.first for step in steps] == sorted(step.first for step in steps)
    assert lines.text == ""


@given(st.text(max_size=30), st.text(max_size=8))
def test_any_text_can_be_completed(canned, waiting, partial):
    assert all(isinstance(word, str) for word in candidates([], partial, canned.state, waiting))


def test_completion_without_an_engine_and_of_files(tmp_path):
    (tmp_path / "bng.conf").touch()
    (tmp_path / "bng.d").mkdir()
    assert candidates(["enable", "target"], "", lambda: None) == []
    assert candidates(["check"], f"{tmp_path}/bn", lambda: None) == [
        f"{tmp_path}/bng.conf",
        f"{tmp_path}/bng.d/",
    ]
    assert candidates(["check"], f"{tmp_path}/none/x", lambda: None) == []


class Terminal:
    encoding = "utf-8"

    def isatty(self):
        return True


def test_colour_only_on_a_terminal_that_wants_it():
    assert style_of(Terminal(), {"TERM": "xterm"}).colour
    assert not style_of(Terminal(), {"TERM": "xterm", "NO_COLOR": "1"}).colour
    assert not style_of(Terminal(), {"TERM": "dumb"}).colour
    assert style_of(Terminal(), {"TERM": "xterm", "NO_COLOR": ""}).colour


@pytest.mark.parametrize("path", ["~no-such-user-here/x", "a\0b/x", "x" * 300 + "/x"])
def test_a_name_that_no_file_can_have_has_no_completion(path):
    assert candidates(["check"], path, lambda: None) == []
