"""BalanceNG's language: every form it has, every way to get it wrong, and where that is said to be."""

import time

import pytest

from engine.config.load import load
from engine.config.model import Gateway, Vrrp
from engine.domain.checks import CheckSettings


def read(text):
    return load(text, "x.conf")


def codes(loaded, severity="error"):
    return [(f.code, f.line, f.column) for f in loaded.findings if f.severity == severity]


def hints(loaded):
    return [f.hint for f in loaded.findings]


GOOD = """\
interface 1 { name eth0 access raw }
register interface 1
enable interface 1
network 1 {
  addr 10.0.0.0
  mask 255.255.255.0
  real 10.0.0.2
  interface 1
}
register network 1
enable network 1
server 1 {
  ipaddr 10.0.0.10
  port 80
  protocol tcp
  targets 1,2
}
register server 1
enable server 1
target 1 {
  ipaddr 10.0.0.21
  port 80
  protocol tcp
  tcpopen 80,3,10
  dsr enable
}
target 2 {
  ipaddr 10.0.0.22
  port 80
  protocol tcp
  ping 3,8
  dsr enable
}
register targets 1,2
enable targets 1,2
"""


def changed(old, new):
    assert old in GOOD
    return read(GOOD.replace(old, new, 1))


def test_the_base_of_these_tests_is_valid():
    assert (read(GOOD).ok, read(GOOD).findings) == (True, [])


@pytest.mark.parametrize(
    ("text", "same_as"),
    [
        ("Register  Interface\t1", "register interface 1"),
        ("register targets 1-2", "register targets 1,2"),
        ("register target 1\nregister target 2", "register targets 1,2"),
        ("register targets 1 , 2", "register targets 1,2"),
        ("register targets 1, 2 // both", "register targets 1,2"),
        ("enable interfaces 1", "enable interface 1"),
        ("  targets 1-2", "  targets 1,2"),
        ("  targets 1, 2", "  targets 1,2"),
        ("  mask 24", "  mask 255.255.255.0"),
        ("  mask /24", "  mask 255.255.255.0"),
        ('  addr "10.0.0.0"', "  addr 10.0.0.0"),
        ("  PORT 80", "  port 80"),
        ("  protocol TCP", "  protocol tcp"),
        ("  dsr\u00a0enable", "  dsr enable"),
        ("server 1\n{", "server 1 {"),
        ("server 1{", "server 1 {"),
        ("server // which one?\n", None),
        ("enable server 1\ndisable server 1\nenable server 1", "enable server 1"),
        ("enable server 1\nno enable server 1\nenable server 1", "enable server 1"),
        ("server 9 { ipaddr 10.0.0.9 }\nno server 9\nserver 1 {", "server 1 {"),
    ],
)
def test_forms_that_mean_the_same(text, same_as):
    if same_as is None:
        assert codes(changed("register server 1", text + "register server 1")) == [("missing-number", 18, 1)]
        return
    loaded = changed(same_as, text)
    assert loaded.ok, loaded.findings
    assert loaded.config == read(GOOD).config


def test_line_ends_of_other_systems_and_a_byte_order_mark_change_nothing():
    assert load(b"\xef\xbb\xbf" + GOOD.replace("\n", "\r\n").encode(), "x.conf").config == read(GOOD).config


def test_blocks_without_a_number_and_settings():
    loaded = changed(
        "server 1 {",
        'set ipforwarding 1\nset {\n multithreading "on off"\n sessionsyncack\n}\n'
        "gateway {\n ipaddr 10.0.0.1\n ping 3,8\n}\nvrrp { vrid 7 priority 200 network 1 }\nserver 1 {",
    )
    assert loaded.ok
    assert loaded.config.settings == {"ipforwarding": "1", "multithreading": "on off", "sessionsyncack": ""}
    assert loaded.config.gateway == Gateway(ipaddr="10.0.0.1", checks={"ping": CheckSettings(None, 3, 8)})
    assert loaded.config.vrrp == Vrrp(vrid=7, priority=200, network=1)
    assert codes(loaded, "warning") == [
        ("no-effect", 12, 5),
        ("no-effect", 14, 2),
        ("no-effect", 15, 2),
        ("not-built", 19, 2),
        ("not-built", 21, 1),
    ]


def test_names_keep_blanks_quotes_and_slashes():
    loaded = changed("  addr 10.0.0.0", '  name "a // b } \\"c\\" \\\\d"\n  addr 10.0.0.0 // a comment')
    assert loaded.ok
    assert loaded.config.networks[0].name == 'a // b } "c" \\d'


def test_an_address_of_the_web_is_one_word():
    loaded = changed("  dsr enable", "  dsr enable\n  agent http://10.0.0.9/load//x")
    assert loaded.config.targets[0].agent == "http://10.0.0.9/load"
    loaded = changed("  dsr enable", '  dsr enable\n  agent "http://10.0.0.9/load//x"')
    assert loaded.config.targets[0].agent == "http://10.0.0.9/load//x"


def test_a_command_of_one_line_changes_what_is_there():
    loaded = read(GOOD + "target 2 weight 5\ntarget 2 weight 6 maxsessions 7\n")
    assert loaded.ok
    assert (loaded.config.targets[1].weight, loaded.config.targets[1].maxsessions) == (6, 7)
    assert loaded.positions.get(("target", 2, "weight")).line == 37


def test_checks_have_defaults_for_what_is_left_out():
    assert changed("tcpopen 80,3,10", "tcpopen 8080").config.targets[0].checks == {
        "tcpopen": CheckSettings(8080, 3, 10)
    }
    assert changed("ping 3,8", "ping 5").config.targets[1].checks == {"ping": CheckSettings(None, 5, 10)}


def test_port_any_and_protocol_any():
    loaded = read(GOOD.replace("port 80", "port any").replace("protocol tcp", "protocol any"))
    assert loaded.ok
    assert (loaded.config.servers[0].port, loaded.config.servers[0].protocol) == (0, "any")


@pytest.mark.parametrize(
    ("old", "new", "code", "line", "column"),
    [
        ("ipaddr 10.0.0.10", "ipadr 10.0.0.10", "unknown-word", 13, 3),
        ("server 1 {", "sever 1 {", "unknown-word", 12, 1),
        ("server 1 {", "# hello\nserver 1 {", "unknown-word", 12, 1),
        ("server 1 {", "servers 1 {", "unknown-word", 12, 1),
        ("server 1 {", '"server" 1 {', "unknown-word", 12, 1),
        ("register server 1", "register servr 1", "unknown-word", 18, 10),
        ("  port 80", "  vrid 7\n  port 80", "unknown-word", 14, 3),
        ("server 1 {", "modules arp,hc,slb,foo\nserver 1 {", "unknown-word", 12, 20),
        ("server 1 {", "modules arp,hc,slb,arp\nserver 1 {", "bad-list", 12, 20),
        ("server 1 {", "server {", "missing-number", 12, 1),
        ("server 1 {", "server 513 {", "out-of-range", 12, 8),
        ("server 1 {", "server 0 {", "out-of-range", 12, 8),
        ("server 1 {", "server x {", "bad-number", 12, 8),
        ("server 1 {", "server 1 2 {", "too-many-values", 12, 10),
        ("register server 1", "server 7\nregister server 1", "missing-block", 18, 1),
        ("register server 1", "gateway\nregister server 1", "missing-block", 18, 1),
        ("register server 1", "register server", "missing-number", 18, 10),
        ("register server 1", "register", "missing-value", 18, 1),
        ("register server 1", "no\nregister server 1", "missing-value", 18, 1),
        ("register server 1", "no sense\nregister server 1", "unknown-word", 18, 4),
        ("register server 1", "register server 1 {\n}", "stray-brace", 18, 19),
        ("register server 1", "register server 1\nregister server 5-7", "undefined-reference", 19, 17),
        ("enable targets 1,2", "enable targets 1,2,3", "undefined-reference", 35, 20),
        ("enable targets 1,2", "enable targets 2-1", "bad-list", 35, 16),
        ("enable targets 1,2", "enable targets 1,,2", "bad-list", 35, 17),
        ("enable targets 1,2", "enable targets 1,x", "bad-number", 35, 18),
        ("enable targets 1,2", "enable targets 1 2", "bad-list", 35, 16),
        ("enable targets 1,2", "enable targets 1,99999999999999999999", "out-of-range", 35, 18),
        ("  port 80", "  port", "missing-value", 14, 3),
        ("  port 80", "  port 0", "out-of-range", 14, 8),
        ("  port 80", "  port 65536", "out-of-range", 14, 8),
        ("  port 80", "  port -1", "out-of-range", 14, 8),
        ("  port 80", "  port http", "bad-number", 14, 8),
        ("  port 80", "  port 8\u00b2", "bad-number", 14, 8),
        ("  port 80", "  port 80\n  port 80", "duplicate-word", 15, 3),
        ("  port 80", "  port 80 81", "too-many-values", 14, 11),
        ("  protocol tcp", "  protocol sctp", "bad-value", 15, 12),
        ("  protocol tcp", "  method hsh\n  protocol tcp", "bad-value", 15, 10),
        ("  protocol tcp", "  stimeout 32001\n  protocol tcp", "out-of-range", 15, 12),
        ("  protocol tcp", "  sessionid dst\n  protocol tcp", "bad-value", 15, 13),
        ("  targets 1,2", "  targets 1,2000", "out-of-range", 16, 13),
        ("  targets 1,2", "  targets", "missing-value", 16, 3),
        ("10.0.0.10", "10.0.0.256", "bad-address", 13, 10),
        ("10.0.0.10", "10.0.0.10/24", "bad-address", 13, 10),
        ("10.0.0.10", "fe80::1", "bad-address", 13, 10),
        ("10.0.0.10", "224.0.0.1", "bad-address", 13, 10),
        ("10.0.0.10", "127.0.0.1", "bad-address", 13, 10),
        ("10.0.0.10", '""', "bad-address", 13, 10),
        ("mask 255.255.255.0", "mask 255.0.255.0", "bad-mask", 6, 8),
        ("mask 255.255.255.0", "mask 33", "bad-mask", 6, 8),
        ("mask 255.255.255.0", "mask 0", "bad-mask", 6, 8),
        ("name eth0", "name eth0eth0eth0eth0", "bad-text", 1, 20),
        ("name eth0", "name eth/0", "bad-text", 1, 20),
        ("access raw", "access cooked", "bad-value", 1, 32),
        ("  dsr enable", "  dsr yes", "bad-value", 25, 7),
        ("tcpopen 80,3,10", "tcpopen 80 3 10", "bad-value", 24, 11),
        ("server 1 {", "modules arp,,hc,slb\nserver 1 {", "bad-list", 12, 13),
        ("tcpopen 80,3,10", "tcpopen 80,0,10", "out-of-range", 24, 14),
        ("tcpopen 80,3,10", "tcpopen 80,3,10,4", "bad-value", 24, 11),
        ("tcpopen 80,3,10", "tcpopen http,3,10", "bad-number", 24, 11),
        ("  dsr enable", "  weight 0\n  dsr enable", "out-of-range", 25, 10),
        ("  dsr enable", "  weight 256\n  dsr enable", "out-of-range", 25, 10),
        ("  dsr enable", "  name local network\n  dsr enable", "too-many-values", 25, 14),
        ("  dsr enable", '  name "local network\n  dsr enable', "unclosed-quote", 25, 8),
        ("  dsr enable", f"  name {'x' * 256}\n  dsr enable", "bad-text", 25, 8),
        ("  dsr enable", '  name "a\x1b[2Jb"\n  dsr enable', "bad-text", 25, 10),
        ("server 1 {", "server 1 {\n}\nserver 1 {", "duplicate-definition", 14, 1),
        (
            "server 1 {",
            "gateway {\n ipaddr 10.0.0.1\n}\ngateway {\n}\nserver 1 {",
            "duplicate-definition",
            15,
            1,
        ),
        ("server 1 {", "set a.b 1\nserver 1 {", "bad-value", 12, 5),
        ("server 1 {", "set\nserver 1 {", "missing-value", 12, 1),
        ("  port 80", "  {\n  }\n  port 80", "nested-block", 14, 3),
        ("  targets 1,2\n}", "  targets 1,2", "unclosed-brace", 12, 10),
        (
            "  targets 1,2\n}\nregister server 1\nenable server 1\n",
            "  targets 1,2\n",
            "unclosed-brace",
            12,
            10,
        ),
        ("register server 1", "}\nregister server 1", "stray-brace", 18, 1),
        ("register server 1", "register server 1\n}\n{\n}", "stray-brace", 19, 1),
    ],
)
def test_each_fault_is_found_where_it_is(old, new, code, line, column):
    loaded = changed(old, new)
    assert not loaded.ok
    assert (code, line, column) in codes(loaded), loaded.findings


def test_a_truncated_file_names_the_block_that_is_open():
    loaded = read(GOOD[: GOOD.index("  tcpopen")])
    assert codes(loaded) == [("unclosed-brace", 20, 10)]
    assert "target 1" in loaded.findings[0].message


def test_one_forgotten_brace_is_one_finding_and_the_rest_is_still_read():
    loaded = read(GOOD.replace("  targets 1,2\n}", "  targets 1,2").replace("ping 3,8", "ping 3,x"))
    assert codes(loaded) == [("unclosed-brace", 12, 10), ("bad-number", 30, 10)]


def test_many_faults_are_many_findings_in_the_order_of_the_file():
    text = (
        GOOD.replace("  addr", "  adr")
        .replace("  port 80", "  port eighty")
        .replace("enable target", "enabel target")
    )
    assert codes(read(text)) == [
        ("unknown-word", 5, 3),
        ("bad-number", 14, 8),
        ("bad-number", 22, 8),
        ("bad-number", 29, 8),
        ("unknown-word", 35, 1),
    ]


@pytest.mark.parametrize(
    ("old", "new", "hint"),
    [
        ("  ipaddr 10.0.0.10", "  ipadr 10.0.0.10", "did you mean ipaddr"),
        ("server 1 {", "# hello\nserver 1 {", "begin a comment with //"),
        ("  port 80", "  vrid 7\n  port 80", "it belongs in vrrp { ... }"),
        ("server 1 {", "[server.1]\nserver 1 {", "if this is TOML, let the name of the file end in .toml"),
        ("  protocol tcp", "  method randon\n  protocol tcp", "write random"),
        ("  dsr enable", "  name local network\n  dsr enable", 'write name "local network"'),
        ("enable targets 1,2", "enable targets 2-1", "write 1-2"),
    ],
)
def test_hints_say_what_to_write(old, new, hint):
    assert hint in hints(changed(old, new))


@pytest.mark.parametrize(
    "line",
    ["script /bin/x", "agent /bin/x", "alert /bin/x", "upalert /bin/x"],
)
def test_words_of_a_target_that_are_not_built_yet_are_warnings(line):
    loaded = changed("  dsr enable", f"  dsr enable\n  {line}")
    assert loaded.ok
    assert codes(loaded, "warning") == [("not-built", 26, 3)]


@pytest.mark.parametrize(
    "line", ["mask6 64", "real6 fe80::1", "virt6 fe80::2", "syncpeer 10.0.0.3", "nat inside"]
)
def test_words_of_a_network_that_are_not_built_yet_are_warnings(line):
    loaded = changed("  interface 1", f"  interface 1\n  {line}")
    assert loaded.ok
    assert codes(loaded, "warning") == [("not-built", 9, 3)]


@pytest.mark.parametrize("method", ["bw", "agent", "rndagent"])
def test_methods_that_are_not_built_yet_are_warnings_at_their_value(method):
    loaded = changed("  port 80", f"  port 80\n  method {method}")
    assert loaded.ok
    assert loaded.config.servers[0].method == method
    assert codes(loaded, "warning") == [("not-built", 15, 10)]


def test_positions_of_everything_an_editor_points_at():
    positions = read(GOOD).positions

    def at(*key):
        span = positions.get(key)
        return (span.line, span.column, span.length)

    assert at("server", 1) == (12, 1, 8)
    assert at("server", 1, "port") == (14, 8, 2)
    assert at("server", 1, "targets") == (16, 11, 3)
    assert at("server", 1, "targets", 2) == (16, 13, 1)
    assert at("target", 1, "tcpopen", "timeout") == (24, 16, 2)
    assert at("enable", "target", 2) == (35, 18, 1)
    assert positions.get(("server", 1, "weight")) is None
    assert positions.nearest(("server", 1, "weight")).line == 12


def test_the_document_keeps_every_token_where_it_stood():
    loaded = read(GOOD)
    lines = GOOD.split("\n")

    def tokens(statements):
        for statement in statements:
            yield from statement.tokens
            if statement.block:
                yield statement.block.open
                yield from tokens(statement.block.statements)
                yield statement.block.close

    found = list(tokens(loaded.document.statements))
    assert [lines[t.line - 1][t.column - 1 : t.end - 1] for t in found] == [t.value for t in found]
    assert "".join(t.value for t in found) == "".join(GOOD.split())


@pytest.mark.parametrize(
    "line",
    [
        "register targets " + ",".join(["1-1024"] * 2000),
        "no targets 1-1024,1",
        "server 1 { targets 1-1000,1-25 }",
        "enable networks 1-128,1-2",
    ],
)
def test_a_list_that_names_more_than_there_can_be_is_not_made(line):
    begun = time.monotonic()
    loaded = load((line + "\n") * 100, "x.conf")
    assert time.monotonic() - begun < 5
    assert any("the list names more than there can be" in f.message for f in loaded.findings)


def test_all_lists_of_a_text_together_are_bounded():
    text = "register targets 1-1024\n" * 190
    assert not any("the lists of this text" in f.message for f in load(text, "x.conf").findings)
    found = load(text + "register targets 1-1024\n" * 45_000, "x.conf").findings
    assert any("the lists of this text name more than 200000 numbers" in f.message for f in found)
