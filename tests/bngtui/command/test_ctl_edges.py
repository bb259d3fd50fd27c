"""Numbers, lists, words and styles at the edge where a command takes them or refuses them."""

from __future__ import annotations

import io

import pytest

from bngtui.command import lists
from bngtui.command.batch import Batch, numbered
from bngtui.command.config import revision
from bngtui.command.helping import about, overview, short
from bngtui.command.line import words
from bngtui.command.matching import match, parse
from bngtui.command.registry import COMMANDS
from bngtui.command.session import Session, style_of
from bngtui.command.spec import Argument, Command, CommandError, Option, UsageError, positive, seconds
from bngtui.render.printed.changes import changes, differing
from bngtui.render.printed.servers import servers
from bngtui.render.printed.table import Style, facts, wrapped
from engine.config.difference.change import Change
from tests.helpers import states


@pytest.mark.parametrize("text", ["0", "-1", "+1", "1.0", "", " 1", "٣", "2147483648", "1" * 30, "x"])
def test_no_number_of_one_or_more(text):
    with pytest.raises(ValueError, match="is not a whole number of one or more"):
        positive(text)


def test_numbers_of_one_or_more():
    assert [positive(text) for text in ("1", "007", "2147483647")] == [1, 7, 2_147_483_647]


@pytest.mark.parametrize("text", ["-0.1", "nan", "inf", "1000001", "x", ""])
def test_no_seconds(text):
    with pytest.raises(ValueError, match="is not a number of seconds"):
        seconds(text)


def test_seconds():
    assert [seconds(text) for text in ("0", "0.5", "1e6")] == [0, 0.5, 1e6]


def test_the_number_of_a_revision():
    assert revision("3") == 3
    with pytest.raises(UsageError, match="'x' is not a revision number; history lists them"):
        revision("x")


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("1,,2", "a number is missing"),
        ("", "a number is missing"),
        ("3-1", "runs backwards; write 1-3"),
        ("0", "0 is not a target number"),
        ("65536", "65536 is not a target number"),
        ("0-3", "0 is not a target number"),
        ("1-65536", "65536 is not a target number"),
        ("1234567890", "1234567890 is not a target number"),
    ],
)
def test_no_list(text, reason):
    with pytest.raises(UsageError, match=reason):
        lists.numbers(text, [], "target")


def test_lists():
    things = [states.target(1, name="web"), states.target(2, name="db")]
    assert lists.numbers("2-2, db ,1", things, "target") == [2, 1]
    assert lists.numbers("65535", [], "target") == [65_535]
    assert lists.picked("2,1", things, "target") == [2, 1]
    with pytest.raises(CommandError, match="there is no target 3"):
        lists.picked("1,3", things, "target")
    with pytest.raises(CommandError, match="there is no target named 'x'"):
        lists.numbers("x", things, "target")
    assert [lists.has_names(text) for text in ("1,2-3 ,4", "", "web", "1,web")] == [False, False, True, True]
    assert lists.address("2001:DB8::0:1", "client") == "2001:db8::1"
    with pytest.raises(UsageError, match="client 'x' is not an IP address"):
        lists.address("x", "client")


@pytest.mark.parametrize(
    ("text", "port"), [("a:1", 1), ("a:65535", 65_535), ("[::1]:65535", 65_535), ("a", None), ("::1", None)]
)
def test_ports(text, port):
    assert lists.endpoint(text, "client")[1] == port


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("a:000080", "is not a port"),
        ("a:65536", "is not a port"),
        ("a:0", "is not a port"),
        ("a:²", "is not a port"),
        ("a:", "the port is missing"),
        ("[::1]:", "the port is missing"),
        ("[::1", r"write \[ADDRESS\]:PORT"),
        ("[::1]x", r"write \[ADDRESS\]:PORT"),
        (":80", "the address is missing"),
    ],
)
def test_no_port(text, reason):
    with pytest.raises(UsageError, match=reason):
        lists.endpoint(text, "client")


async def nothing(_session, _call):
    return 0


ONE = Command(
    ("show", "targets"),
    "summary",
    nothing,
    (Argument("LIST", many=True, optional=True),),
    (Option("--limit", "N", positive, 5, "at most"), Option("--flag", "", str, False, "yes")),
    aliases=("reals",),
    details="details",
)
TWO = Command(("show", "tables"), "two", nothing, (Argument("A"), Argument("B", optional=True)))
SOME = (ONE, TWO, Command(("reload",), "three", nothing))


@pytest.mark.parametrize(
    ("words", "command", "rest"),
    [
        (["show", "targets", "1"], ONE, ["1"]),
        (["sh", "tar"], ONE, []),
        (["show", "target"], ONE, []),
        (["shows", "real"], ONE, []),
        (["s", "tab", "x"], TWO, ["x"]),
    ],
)
def test_words_name_a_command(words, command, rest):
    assert match(SOME, words) == (command, rest)


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (["show"], "show: what\\? One of tables, targets"),
        (["show", "ta"], "'ta' is ambiguous: tables, targets"),
        (["shaw"], "unknown command 'shaw'; did you mean show\\?"),
        (["zzz"], "unknown command 'zzz'; there is reload, show"),
        (["show", "x"], "unknown command 'show x'; there is tables, targets"),
        (["reals"], "unknown command 'reals'"),
        ([""], "unknown command"),
        (["show", "targets", "--x"], "unknown option --x; usage: show targets"),
        (["show", "targets", "--flag=1"], "--flag takes no value"),
        (["show", "targets", "--limit"], "--limit: N is missing"),
        (["show", "targets", "--limit", "0"], "--limit: '0' is not a whole number"),
        (["show", "tables"], "A is missing; usage: show tables A \\[B\\]"),
        (["show", "tables", "1", "2", "3"], "'3' is too much"),
        (["reload", "x"], "'x' is too much; usage: reload"),
    ],
)
def test_words_that_are_no_call(words, reason):
    with pytest.raises(UsageError, match=reason):
        parse(SOME, words)


def test_arguments_and_options():
    call = parse(SOME, ["show", "targets", "1,", "--limit", "3", ",2", "--flag"])
    assert (call.args, call.options) == ({"LIST": "1,2"}, {"--limit": 3, "--flag": True})
    call = parse(SOME, ["show", "targets", "--limit=4"])
    assert (call.args, call.options) == ({}, {"--limit": 4, "--flag": False})
    assert parse(SOME, ["show", "tables", "-", "--", "-x"]).args == {"A": "-", "B": "-x"}
    assert parse(SOME, ["show", "tables", "a"]).args == {"A": "a"}
    assert parse(COMMANDS, ["target", "1", "name", "two words"]).args["N { ... }"] == '1 name "two words"'
    assert parse(COMMANDS, ["target", "1", "{ x }"]).args["N { ... }"] == "1 { x }"
    assert parse(COMMANDS, ["target", "1", 'name "a b"']).args["N { ... }"] == '1 name "a b"'


def test_how_a_command_is_written_and_explained():
    assert ONE.usage == "show targets [LIST] [--limit N] [--flag]"
    assert TWO.usage == "show tables A [B]"
    assert short(ONE) == ("show targets [LIST]", "summary")
    assert about(ONE, Style()) == [
        "usage: bngctl show targets [LIST] [--limit N] [--flag]",
        "",
        "summary",
        "details",
        "",
        "--limit N  at most",
        "--flag     yes",
    ]
    assert about(SOME[2], Style()) == ["usage: bngctl reload", "", "three"]
    lines = overview(COMMANDS, Style(width=80))
    assert lines.index(next(line for line in lines if line.startswith("show"))) < lines.index(
        next(line for line in lines if line.startswith("register"))
    )


def test_a_batch():
    batch = Batch()
    batch.begin(7)
    batch.add("a\nb", 4)
    batch.add("c", 9)
    assert (batch.open, batch.base, batch.lines) == (True, 7, [(4, "a"), (5, "b"), (9, "c")])
    batch.clear()
    assert (batch.open, batch.base, batch.lines) == (False, None, [])
    assert numbered("x", 1) == [(1, "x")]


class Out(io.StringIO):
    encoding = "utf-8"

    def __init__(self, tty):
        super().__init__()
        self.tty = tty

    def isatty(self):
        return self.tty


def test_how_it_is_drawn_depends_on_where_it_goes():
    assert style_of(Out(tty=False), {}) == Style()
    assert style_of(Out(tty=False), {"COLUMNS": "100"}) == Style(width=100)
    assert style_of(Out(tty=False), {"COLUMNS": "1"}) == Style(width=1)
    assert style_of(Out(tty=False), {"COLUMNS": "0"}) == style_of(Out(tty=False), {"COLUMNS": "x"}) == Style()
    on = style_of(Out(tty=True), {"TERM": "xterm"})
    assert (on.colour, on.glyphs, on.width is not None) == (True, True, True)
    dumb = style_of(Out(tty=True), {"TERM": "dumb"})
    assert (dumb.colour, dumb.glyphs) == (False, False)


def test_a_text_for_people_is_harmless_and_ends_its_last_line():
    out = Out(tty=True)
    Session(out, out).say_text("a\tb\x1b[2J\nlast")
    assert out.getvalue() == "a       b [2J\nlast\n"


def test_facts_are_aligned_and_wrapped_below_themselves():
    assert facts([("a", "one two"), ("long", "three"), ("", "")], Style(width=12)) == [
        "a     one",
        "      two",
        "long  three",
        "",
    ]
    assert facts([], Style()) == []
    assert wrapped("one two three", 4, "  ") == ["  one", "  two", "  thre", "  e"]
    assert wrapped("one two three", None, "  ") == ["  one two three"]


def test_a_role_is_painted_only_where_colours_are_wanted_and_there_is_something():
    assert Style(colour=True).paint("x", "down") == "\x1b[1;31mx\x1b[0m"
    assert Style(colour=True).paint("  ", "down") == "  "
    assert Style(colour=True).paint("x", "text") == "x"
    assert Style().paint("x", "down") == "x"


def test_what_differs_from_the_file():
    assert differing(["a"]) == "a; save writes it into the file"
    assert differing(["a", "b"]) == "a, b; save writes it into the file"
    assert differing(["a", "b", "c", "d"]) == "a, b and 2 more; save writes it into the file"


def test_only_the_servers_that_were_asked_for():
    state = states.state(servers=[states.server(n, name=f"s{n}", backup=[]) for n in (1, 2, 3)])
    lines = servers(state, Style(), [1, 3])
    assert [line.split()[1] for line in lines[1:] if line[:1].isdigit()] == ["s1", "s3"]
    assert "BACKUP" not in lines[0]
    state.servers[1].backup = [4]
    assert "BACKUP" in servers(state, Style())[0]


@pytest.mark.parametrize(("cuts", "flows", "code"), [(True, 0, 33), (False, 1, 33), (False, 0, 2)])
def test_an_effect_that_somebody_notices_is_marked(cuts, flows, code):
    change = Change(kind="changed", subject="a", message="b", effect="c", cuts=cuts, flows=flows)
    assert changes([change], Style(colour=True))[1].endswith(f"\x1b[{code}mc\x1b[0m")


def test_a_quote_of_the_other_kind_ends_nothing():
    assert words("""check "it's // one" // two""") == ["check", "it's // one"]
    assert words("""a 'x "y' // z""") == ["a", 'x "y']
    with pytest.raises(UsageError, match="100000000 is not a target number"):
        lists.numbers("100000000", [], "target")
