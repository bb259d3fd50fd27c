"""The same configuration in TOML: its forms, its faults, and where those are."""

import pytest

from engine.config.load import load
from engine.domain.checks import CheckSettings

GOOD = """\
[interface.1]
name = "eth0"

[network.1]
addr = "10.0.0.0"
mask = "255.255.255.0"
real = "10.0.0.2"
interface = 1

[server.1]
ipaddr = "10.0.0.10"
port = 80
protocol = "tcp"
targets = [1, 2]

[target.1]
ipaddr = "10.0.0.21"
port = 80
protocol = "tcp"
tcpopen = { port = 80, interval = 3, timeout = 10 }
dsr = true

[target.2]
ipaddr = "10.0.0.22"
port = 80
protocol = "tcp"
ping = { interval = 3, timeout = 8 }
dsr = true
"""


def read(text):
    return load(text, "x.toml")


def changed(old, new):
    assert old in GOOD
    return read(GOOD.replace(old, new, 1))


def codes(loaded, severity="error"):
    return [(f.code, f.line, f.column) for f in loaded.findings if f.severity == severity]


def test_the_base_of_these_tests_is_valid():
    assert (read(GOOD).ok, read(GOOD).findings) == (True, [])


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("targets = [1, 2]", 'targets = "1-2"'),
        ("targets = [1, 2]", 'targets = "1, 2"'),
        ("targets = [1, 2]", "targets = [\n  1, # one\n  2,\n]"),
        ("port = 80\n", 'port = "80"\n'),
        ("dsr = true", 'dsr = "enable"'),
        ("{ port = 80, interval = 3, timeout = 10 }", "[80, 3, 10]"),
        ("{ port = 80, interval = 3, timeout = 10 }", '"80,3,10"'),
        ("{ port = 80, interval = 3, timeout = 10 }", "{ port = 80 }"),
        ("{ port = 80, interval = 3, timeout = 10 }", "80"),
        ("[server.1]\n", "[server]\n[server.1]\nenabled = true\nregistered = true\n"),
        ("[server.1]", '[server."1"]'),
        ("interface = 1\n", "interface = 1\n[vrrp]\nvrid = 1\n"),
    ],
)
def test_forms_that_mean_the_same(old, new):
    loaded = changed(old, new)
    assert loaded.ok, loaded.findings
    loaded.config.vrrp = None
    assert loaded.config == read(GOOD).config


def test_a_check_as_a_table_of_its_own():
    loaded = read(
        GOOD.replace("tcpopen = { port = 80, interval = 3, timeout = 10 }\n", "")
        + "\n[target.1.tcpopen]\nport = 8\n"
    )
    assert loaded.config.targets[0].checks == {"tcpopen": CheckSettings(8)}
    loaded = changed("{ interval = 3, timeout = 8 }", "{ timeout = 9 }")
    assert loaded.config.targets[1].checks == {"ping": CheckSettings(None, 3, 9)}


@pytest.mark.parametrize(
    ("lines", "registered", "enabled"),
    [
        ("", True, True),
        ("enabled = false\n", True, False),
        ("registered = false\n", False, False),
        ("registered = false\nenabled = true\n", False, True),
    ],
)
def test_what_is_written_down_is_registered_and_enabled_unless_it_says_otherwise(lines, registered, enabled):
    server = changed("[server.1]\n", "[server.1]\n" + lines).config.servers[0]
    assert (server.registered, server.enabled) == (registered, enabled)


def test_settings_are_texts_whatever_their_type():
    loaded = read('[set]\nipforwarding = true\nmultithreading = 4\nfoo = "bar"\n' + GOOD)
    assert loaded.ok
    assert loaded.config.settings == {"ipforwarding": "1", "multithreading": "4", "foo": "bar"}
    assert codes(loaded, "warning") == [("no-effect", 2, 1), ("no-effect", 3, 1), ("no-effect", 4, 1)]


@pytest.mark.parametrize(
    ("old", "new", "code", "line", "column"),
    [
        ("ipaddr = ", "ipadr = ", "unknown-word", 11, 1),
        ("[server.1]", "[sever.1]", "unknown-word", 10, 2),
        ("[server.1]", "[server.x]", "bad-number", 10, 9),
        ("[server.1]", "[server.513]", "out-of-range", 10, 9),
        ("[server.1]", "[[server]]", "bad-value", 10, 3),
        ("port = 80", "port = 65536", "out-of-range", 12, 8),
        ("port = 80", "port = 0xffffffffffffffffffffffff", "out-of-range", 12, 8),
        ("port = 80", "port = 80.5", "bad-number", 12, 8),
        ("port = 80", "port = [80]", "bad-value", 12, 8),
        ("port = 80", "port = true", "bad-number", 12, 8),
        ("port = 80", "port = 1979-05-27", "bad-number", 12, 8),
        ("port = 80", "port = { a = 1 }", "bad-value", 12, 8),
        ("port = 80", f"port = {'9' * 5000}", "toml-syntax", 12, 8),
        ("port = 80", "port 80", "toml-syntax", 12, 6),
        ("port = 80", "port = 80\nport = 81", "duplicate-definition", 13, 10),
        ("[target.1]", "[server.1]", "duplicate-definition", 16, 10),
        ('"tcp"', '"tpc"', "bad-value", 13, 12),
        ('"tcp"', '"tcp', "toml-syntax", 13, 16),
        ("targets = [1, 2]", "targets = [1, 2000]", "out-of-range", 14, 15),
        ("targets = [1, 2]", "targets = [1,\n 9]", "undefined-reference", 15, 2),
        ("targets = [1, 2]", "targets = [1, [2]]", "bad-value", 14, 11),
        ("targets = [1, 2]", "targets = [1, 2", "toml-syntax", 16, 1),
        ("timeout = 10", "timeout = 2", "interval-timeout", 20, 48),
        ("timeout = 10", "timeot = 10", "unknown-word", 20, 38),
        ("{ port = 80, ", "{ ", "missing-field", 20, 11),
        ("interval = 3, ", "interval = 0, ", "out-of-range", 20, 35),
        ("dsr = true", "dsr = 1", "bad-value", 21, 7),
        ("dsr = true", 'dsr = true\nenabled = "yes"', "bad-value", 22, 11),
        ("dsr = true", "dsr = true\nenable = true", "unknown-word", 22, 1),
        ("dsr = true", 'dsr = true\nname = "a\\nb"', "bad-text", 22, 10),
        ("[server.1]", "gateway = 1\n[server.1]", "unknown-word", 10, 1),
    ],
)
def test_each_fault_is_found_where_it_is(old, new, code, line, column):
    loaded = changed(old, new)
    assert not loaded.ok
    assert (code, line, column) in codes(loaded), loaded.findings


def test_faults_of_syntax_do_not_hide_each_other_nor_those_of_words():
    text = (
        GOOD.replace("port = 80\nprotocol", "port 80\nprotocol")
        .replace("mask =", "mask")
        .replace("real =", "rael =")
    )
    assert codes(read(text)) == [
        ("toml-syntax", 6, 6),
        ("unknown-word", 7, 1),
        ("toml-syntax", 12, 6),
        ("toml-syntax", 18, 6),
        ("toml-syntax", 25, 6),
    ]


def test_an_array_that_is_never_closed_names_the_line_it_begins_in():
    loaded = changed("targets = [1, 2]", "targets = [1, 2")
    assert "begun in line 14" in loaded.findings[0].message


@pytest.mark.parametrize(
    "text",
    ["a = " + "[" * 5000, "a = " + "{a=" * 4000, "a." * 8000 + "a = 1", "[" + "a." * 8000 + "a]"],
)
def test_what_nests_too_deep_is_refused_before_it_costs_time(text):
    loaded = read(text)
    assert [f.code for f in loaded.findings] == ["too-deep"]


def test_positions_of_everything_an_editor_points_at():
    positions = read(GOOD).positions

    def at(*key):
        span = positions.get(key)
        return (span.line, span.column, span.length)

    assert at("server", 1) == (10, 9, 1)
    assert at("server", 1, "port") == (12, 8, 2)
    assert at("server", 1, "ipaddr") == (11, 10, 11)
    assert at("server", 1, "targets", 2) == (14, 15, 1)
    assert at("target", 1, "tcpopen", "timeout") == (20, 48, 2)
