"""Words, lists and completion, without a process."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bngtui.command import lists
from bngtui.command.complete import candidates
from bngtui.command.line import words
from bngtui.command.registry import COMMANDS, match, parse
from bngtui.command.session import style_of
from bngtui.command.spec import CommandError, UsageError
from bngtui.render.tables import ranges


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


def test_a_name_that_two_have_needs_a_number(canned):
    things = [canned.target(1, name="web"), canned.target(2, name="web"), canned.target(3, name="7")]
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
    ],
)
def test_completion(canned, before, partial, found):
    assert candidates(before, partial, canned.state) == found


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
