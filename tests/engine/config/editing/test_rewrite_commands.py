"""Commands of the language on a text: what they edit in place, and what they refuse with its place."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.config.editing.rewrite import CannotEdit, run_commands, write_states
from engine.config.language.toml import dump as dump_toml
from engine.config.load import load
from engine.domain.checks import CheckSettings
from tests.helpers.paths import SAMPLES
from tests.helpers.rewriting import LANGUAGES, NAME, PHASES, lines_of, read

BASE = """\
// the web farm
interface 1 { name eth0 access raw }
register interface 1
enable interface 1
network 1 {
  addr 10.0.0.0   // ours
  mask 255.255.255.0
  real 10.0.0.2
  interface 1
}
register network 1
enable network 1
server 1 {
  ipaddr 10.0.0.10
  targets 1-3     // all of them
}
server 2 {
  ipaddr 10.0.0.11
  targets 4
}
register servers 1,2
enable servers 1,2
target 1 { ipaddr 10.0.0.21 dsr enable }
target 2 { ipaddr 10.0.0.22 dsr enable ping 3,8 }
target 3 { ipaddr 10.0.0.23 dsr enable tcpopen 80,3,10 }
target 4 {
  // the spare one
  ipaddr 10.0.0.24
  dsr enable
}
register targets 1-4
enable targets 1-4   // everybody
// end
"""
BASE_TOML = dump_toml(load(BASE, "x.conf").config)

target_words = st.sampled_from(
    [
        "weight 5",
        "weight 9",
        'name "a name"',
        "name b",
        "ping 5,12",
        "tcpopen 443,2,9",
        "maxsessions 10",
        "ipaddr 10.0.0.99",
    ]
)
server_words = st.sampled_from(
    ["method hash", "method first", "stimeout 30", "name s", "backup 9", "targets 1,2,3", "targets 3,1,2,4"]
)
several_target_words = st.lists(target_words, min_size=1, max_size=3, unique_by=lambda w: w.split()[0])
small = st.integers(1, 5)
one_command = st.one_of(
    st.builds(lambda n, ws: ("block", "target", n, ws), small, several_target_words),
    st.builds(lambda n, w: ("line", "target", n, [w]), small, target_words),
    st.builds(lambda n, w: ("line", "server", n, [w]), st.integers(1, 2), server_words),
    st.builds(
        lambda a, ns: ("plain", f"{a} targets {','.join(map(str, ns))}"),
        st.sampled_from(["register", "enable", "disable", "no enable", "no register", "no"]),
        st.lists(small, min_size=1, max_size=3, unique=True),
    ),
    st.sampled_from(
        [
            ("plain", "set ipforwarding 1"),
            ("plain", "set multithreading 0"),
            ("plain", "gateway ipaddr 10.0.0.1"),
            ("plain", "disable server 2"),
            ("plain", "enable server 2"),
        ]
    ),
)


def typed(command):
    if command[0] == "plain":
        return command[1]
    form, kind, number, words = command
    if form == "line":
        return f"{kind} {number} {words[0]}"
    return "\n ".join([f"{kind} {number} {{", *words]) + "\n}"


def as_in_a_file(command):
    """The same as lines that a file may have at its end, where a block of what exists would be one too many."""
    if command[0] == "plain":
        return command[1]
    _, kind, number, words = command
    return "\n".join(f"{kind} {number} {word}" for word in words)


@pytest.mark.parametrize("language", LANGUAGES)
@given(commands=st.lists(one_command, min_size=1, max_size=5))
@settings(max_examples=60, deadline=None, phases=PHASES)
def test_commands_do_what_they_do_at_the_end_of_a_file(language, commands):
    text = BASE if language == "balanceng" else BASE_TOML
    edited = run_commands(text, language, "\n".join(map(typed, commands)), "command")
    if not edited.ok:
        assert edited.text == text
        assert all(f.file == "command" for f in edited.findings)
        return
    oracle = load(BASE + "\n".join(map(as_in_a_file, commands)), "x.conf")
    assert oracle.ok
    loaded = load(edited.text, NAME[language])
    assert loaded.ok
    assert loaded.config == oracle.config
    if language == "balanceng":
        for comment in ("// the web farm", "// ours", "// all of them", "// everybody", "// end"):
            assert comment in edited.text


def check(text, language, commands):
    edited = run_commands(text, language, commands)
    assert edited.ok, edited.findings
    return edited.text


def difference(old, new):
    """The lines that went, and those that came."""
    before, after = lines_of(old), lines_of(new)
    return [line for line in before if line not in after], [line for line in after if line not in before]


SEED = (SAMPLES / "dsr.conf").read_text()
SEED_TOML = (SAMPLES / "dsr.toml").read_text()

ADD_TARGET = """\
target 3 {
  ipaddr 172.16.1.102
  port 80
  protocol tcp
  tcpopen 80,3,10
  dsr enable
}
server 1 { targets 1,2,3 }
register target 3
enable target 3
"""


def test_a_target_added_to_the_example_reads_as_if_it_had_always_been_there():
    edited = check(SEED, "balanceng", ADD_TARGET)
    block = SEED[SEED.index("target    2 {") : SEED.index("register  targets")]
    wanted = SEED.replace(
        block, block + block.replace("target    2", "target    3").replace(".101", ".102")
    ).replace("targets 1,2\n", "targets 1,2,3\n")
    assert edited == wanted


def test_a_target_added_to_the_example_in_toml_is_a_table_like_the_others():
    edited = check(SEED_TOML, "toml", ADD_TARGET)
    block = SEED_TOML[SEED_TOML.index("[target.2]") :]
    wanted = SEED_TOML.replace("targets = [1, 2]             #", "targets = [1, 2, 3]          #")
    assert edited == wanted + "\n" + block.replace("[target.2]", "[target.3]").replace(".101", ".102")


def test_words_are_changed_where_they_stand_and_new_ones_end_the_block():
    edited = check(SEED, "balanceng", 'server 1 method hash\ntarget 2 { name "second one" tcpopen 80,5,12 }')
    assert edited == SEED.replace("targets 1,2\n}", "targets 1,2\n          method hash\n}").replace(
        "tcpopen 80,3,10\n          dsr enable\n}\nregister",
        'tcpopen 80,5,12\n          dsr enable\n          name "second one"\n}\nregister',
    )


def test_only_the_part_of_a_check_that_differs_is_touched_in_toml():
    edited = check(SEED_TOML, "toml", "target 1 tcpopen 80,5,10")
    assert edited == SEED_TOML.replace(
        "interval = 3, timeout = 10 }    #", "interval = 5, timeout = 10 }    #"
    )


@pytest.mark.parametrize(("text", "language"), [(SEED, "balanceng"), (SEED_TOML, "toml")])
def test_a_target_taken_away_leaves_the_rest_as_it_was(text, language):
    added = check(text, language, ADD_TARGET)
    assert check(added, language, "server 1 targets 1,2\nno target 3") == text


@pytest.mark.parametrize(("text", "language"), [(SEED, "balanceng"), (SEED_TOML, "toml")])
def test_a_word_taken_back_is_gone(text, language):
    edited = check(
        text, language, "no target 2 tcpopen\nno server 1 port\ntarget 1 port any\ntarget 2 port any"
    )
    config = read(edited, language)
    assert "tcpopen" not in config.target(2).checks
    assert "tcpopen" in config.target(1).checks
    assert config.server(1).port == 0


def test_states_of_the_example_are_edited_in_its_own_lines():
    edited = write_states(SEED, "balanceng", {("target", 2): False, ("server", 1): False})
    assert edited == SEED.replace("enable    server 1\n", "").replace(
        "enable    targets 1,2", "enable    target 1"
    )
    assert write_states(edited, "balanceng", {("target", 2): True, ("server", 1): True}) == SEED


def test_a_comment_behind_a_state_that_goes_stays():
    text = (SAMPLES / "every-word.conf").read_text()
    edited = write_states(text, "balanceng", {("target", 3): True})
    gone, came = difference(text, edited)
    assert gone == [
        "disable   target 3                   // or: no enable target 3; taken out of work and kept for later"
    ]
    assert came == ["// or: no enable target 3; taken out of work and kept for later"]
    toml = (SAMPLES / "every-word.toml").read_text()
    assert write_states(toml, "toml", {("target", 3): True}) == toml.replace(
        "enabled = false ", "enabled = true  "
    )


@pytest.mark.parametrize(
    ("list_", "off", "left"),
    [
        ("1-4", 2, "1,3,4"),  # longer: one blank is left before the comment
        ("1,2,3,4", 3, "1,2,4"),
        ("4, 3, 2, 1", 3, "4, 2, 1"),
        ("2,1,3-4", 4, "2,1,3"),
        ("1,2,2,3,4", 2, "1,3,4"),
    ],
)
def test_a_list_keeps_its_manner(list_, off, left):
    text = BASE.replace("enable targets 1-4", f"enable targets {list_}")
    assert write_states(text, "balanceng", {("target", off): False}) == text.replace(
        list_ + "   //", left.ljust(len(list_) + 2) + " //"
    )


def test_states_that_a_text_takes_back_and_gives_again_come_out_right():
    text = BASE + "no register target 3\nregister target 3\nno enable targets 1,2\nenable target 2\n"
    for wanted in ({1: True, 2: False, 3: True, 4: False}, {1: False, 2: True, 3: False, 4: True}):
        edited = write_states(text, "balanceng", {("target", n): on for n, on in wanted.items()})
        assert {t.number: t.enabled for t in read(edited, "balanceng").targets} == wanted
        assert read(edited, "balanceng").target(3).registered


def test_a_definition_that_was_taken_back_and_given_again_is_edited_where_it_counts():
    text = (
        BASE + "no target 4\ntarget 4 { ipaddr 10.0.0.44 dsr enable }\nregister target 4\nenable target 4\n"
    )
    edited = check(text, "balanceng", "target 4 weight 7\ndisable target 4")
    config = read(edited, "balanceng")
    assert (config.target(4).weight, config.target(4).ipaddr, config.target(4).enabled) == (
        7,
        "10.0.0.44",
        False,
    )


@pytest.mark.parametrize(
    "text",
    [
        "target.1.ipaddr = '10.0.0.21'\ntarget.1.dsr = true  # dotted\n",
        "[target]\n1 = { ipaddr = '10.0.0.21', dsr = true }  # inline\n",
        "[target.1]  # header\nipaddr = '10.0.0.21'\ndsr = true\n[target.1.tcpopen]\nport = 80  # sub\n",
        "[target.01]\n\"ipaddr\" = '''10.0.0.21'''  # odd\ndsr = 'enable'\n",
    ],
)
def test_every_form_of_toml_is_edited_or_left_alone(text):
    rest = (
        dump_toml(load(BASE, "x.conf").config)
        .split("[target.")[0]
        .replace("targets = [4]", "targets = [1]")
        .replace("[1, 2, 3]", "[1]")
    )
    head, _, body = rest.partition("\n")
    whole = f"{head}\n{text}{body}" if text.startswith("target.") else f"{rest}\n{text}"
    assert load(whole, "x.toml").ok
    edited = check(whole, "toml", "target 1 { weight 5 tcpopen 443,2,9 ipaddr 10.0.0.77 }\ndisable target 1")
    target = read(edited, "toml").target(1)
    assert (target.weight, target.checks, target.ipaddr, target.enabled) == (
        5,
        {"tcpopen": CheckSettings(443, 2, 9)},
        "10.0.0.77",
        False,
    )
    assert text[text.index("#") : text.index("\n", text.index("#"))] in edited


def test_a_list_over_several_lines_keeps_the_comments_inside():
    text = SEED_TOML.replace("[1, 2]             #", "[\n    1,  # old\n    2,  # new\n]  #")
    edited = check(text, "toml", ADD_TARGET)
    assert read(edited, "toml").server(1).targets == [1, 2, 3]
    assert "# old" in edited
    assert "# new" in edited


@pytest.mark.parametrize(
    ("commands", "line", "column", "code"),
    [
        ("targt 3 { }", 1, 1, "unknown-word"),
        ("\n  server 1 method hsh", 2, 19, "bad-value"),
        ("enable target 9", 1, 15, "undefined-reference"),
        ("disable targets 1,9", 1, 19, "undefined-reference"),
        ("no target 7", 1, 11, "undefined-reference"),
        ("no gateway", 1, 4, "undefined-reference"),
        ("no set ipforwarding", 1, 8, "undefined-reference"),
        ("no target 2", 1, 11, "undefined-reference"),
        ("server 1 targets 1", 1, 10, "unused-target"),
        ("server 1 port 81", 1, 15, "port-mismatch"),
        ("target 1 {\n port 80", 1, 10, "unclosed-brace"),
        ("", 1, 1, "empty-file"),
        ("// nothing", 1, 1, "empty-file"),
        ("x" * 300_000, 1, 1, "file-too-large"),
    ],
)
@pytest.mark.parametrize(("text", "language"), [(SEED, "balanceng"), (SEED_TOML, "toml")])
def test_what_is_wrong_is_told_with_its_place_in_the_commands(text, language, commands, line, column, code):
    edited = run_commands(text, language, commands)
    assert edited.text == text
    assert not edited.ok
    assert (line, column, code) in [(f.line, f.column, f.code) for f in edited.findings] or (
        code in {"unused-target", "port-mismatch"} and code in [f.code for f in edited.findings]
    )
    assert {f.file for f in edited.findings} == {"command"}


@pytest.mark.parametrize(
    ("command", "code", "place"),
    [
        ("no interface 1", "undefined-reference", "1"),
        ("target 1 ipaddr 10.0.0.22", "duplicate-target", "ipaddr"),
        ("network 1 real 10.0.0.21", "address-conflict", "real"),
        ("server 1 ipaddr 10.0.0.11", "duplicate-server", "ipaddr"),
        ("target 5 ipaddr 10.0.0.25\nenable target 5", "not-registered", "5"),
        ("interface 2 name eth0", "duplicate-interface", "eth0"),
    ],
)
def test_a_fault_of_something_else_is_told_where_the_commands_caused_it(command, code, place):
    (finding,) = [f for f in run_commands(BASE, "balanceng", command).findings if f.code == code]
    line = command.split("\n")[finding.line - 1]
    assert line[finding.column - 1 :][: finding.length] == place


def test_warnings_that_were_there_before_are_not_repeated():
    text = SEED.replace("dsr enable\n}\nregister", "}\nregister")
    assert [f.code for f in load(text, "x.conf").findings] == ["no-dsr"]
    assert run_commands(text, "balanceng", "server 1 method hash").findings == []
    assert {f.code for f in run_commands(text, "balanceng", "target 1 dsr disable").findings} == {
        "no-usable-target",
        "no-dsr",
    }


@pytest.mark.parametrize(
    ("text", "language"), [("server 1 {", "balanceng"), ("[server", "toml"), ("serv", "balanceng")]
)
def test_a_text_with_errors_is_not_edited(text, language):
    with pytest.raises(CannotEdit):
        write_states(text, language, {("target", 1): True})
    assert [f.code for f in run_commands(text, language, "enable target 1").findings] == ["cannot-edit"]


def test_a_byte_order_mark_stays():
    assert write_states("\ufeff" + SEED, "balanceng", {("target", 1): False}).startswith("\ufeff//")


@given(st.text('tarservg12 \n{}"no/,-\\', max_size=60))
@settings(max_examples=60, deadline=None, phases=PHASES)
def test_no_command_brings_it_down(commands):
    edited = run_commands(SEED, "balanceng", commands)
    assert edited.ok or edited.text == SEED
