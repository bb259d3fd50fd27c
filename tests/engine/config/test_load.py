"""A file as it is: whatever its bytes, there is an answer, soon, and it says where."""

import random
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.config.finding import MAX_FINDINGS
from engine.config.language.balanceng import dump as dump_balanceng
from engine.config.language.toml import dump as dump_toml
from engine.config.load import language_of, load
from engine.config.model import Config, Interface, Network, Server, Target
from engine.domain.checks import CheckSettings
from tests.helpers.paths import SAMPLES

SEED = (SAMPLES / "dsr.conf").read_bytes()
SEED_TOML = (SAMPLES / "dsr.toml").read_bytes()
LONG = 10 * 1024 * 1024


@pytest.mark.parametrize("file", ["x.conf", "x.toml"])
@pytest.mark.parametrize(
    ("data", "code", "line", "column"),
    [
        (b"", "empty-file", 1, 1),
        (b" \n\t\n", "empty-file", 1, 1),
        (b"\xef\xbb\xbf", "empty-file", 1, 1),
        (b"\n\nab\0cd", "binary-file", 3, 3),
        (bytes(range(256)) * 40, "binary-file", 1, 1),
        (random.Random(7).randbytes(100_000), "binary-file", None, None),
        (SEED + b"\0", "binary-file", 45, 1),
        (b"\n // caf\xe9\n", "not-utf8", 2, 8),
        (b"a" * LONG, "line-too-long", 1, 16385),
        (b"\n" + b"a b " * (LONG // 4), "line-too-long", 2, 16385),
        (b'"' * LONG, "line-too-long", 1, 16385),
        (b"{" * LONG, "line-too-long", 1, 16385),
        (b"\n" * 60_000 + b"a", "file-too-large", 50_001, 1),
        (
            b"// 3456789\n" * 49_000 + b" " * 16_000 + (b"\n" + b" " * 16_000) * 120,
            "file-too-large",
            None,
            None,
        ),
    ],
)
def test_what_is_no_configuration_is_refused_with_its_reason_in_time(file, data, code, line, column):
    start = time.process_time()
    loaded = load(data, file)
    assert time.process_time() - start < 1.5
    assert not loaded.ok
    finding = next(f for f in loaded.findings if f.code == code)
    if line is not None:
        assert (finding.line, finding.column) == (line, column)


@pytest.mark.parametrize(
    ("file", "text", "language"),
    [
        ("bng.conf", "[server.1]", "balanceng"),
        ("bng.TOML", "server 1 {", "toml"),
        ("candidate", "// a\nserver 1 {", "balanceng"),
        ("candidate", "\n\nmodules arp", "balanceng"),
        ("candidate", "\n# a\n[server.1]", "toml"),
        ("candidate", "modules = ['arp']", "toml"),
        ("candidate", "  [server.1]", "toml"),
        ("candidate", "", "balanceng"),
    ],
)
def test_the_ending_decides_the_language_otherwise_the_content(file, text, language):
    assert language_of(file, text) == language


def test_a_language_that_is_given_decides_before_the_ending():
    assert load(SEED_TOML, "x.conf", language="toml").ok
    assert load(SEED, "x.toml", language="balanceng").ok


def test_there_are_never_more_findings_than_anybody_reads_and_the_rest_is_counted():
    loaded = load("nonsense here\n" * 5_000, "x.conf")
    assert len(loaded.findings) == MAX_FINDINGS + 1
    assert loaded.findings[-1].code == "too-many-findings"
    assert loaded.findings[-1].severity == "error"


def test_an_error_behind_many_warnings_is_still_an_error():
    text = "".join(f"set foo{i} 1\n" for i in range(300)) + "nonsense\n"
    loaded = load(text, "x.conf")
    assert not loaded.ok
    many = load(
        SEED.decode() + "set {\n" + "".join(f"foo{i} 1\n" for i in range(199)) + "}\nnonsense\n", "x.conf"
    )
    assert "unknown-word" in [f.code for f in many.findings]


def test_messages_cannot_steer_a_terminal():
    loaded = load('\x1b[2Jserver 1 {\nport "\x1b]0;x\x07"\n}\n' + "\u202eabc 1\n", "x.conf")
    for finding in loaded.findings:
        assert (finding.message + finding.hint).isprintable()
    assert all(len(f.message) < 200 for f in load("a" * 10_000 + "\n", "x.conf").findings)


def test_every_prefix_of_a_file_is_answered():
    for data, name in ((SEED, "x.conf"), (SEED_TOML, "x.toml")):
        for end in range(0, len(data), 7):
            answered(load(data[:end], name), None)


def big():
    """512 servers and 1,024 targets, every one in use."""
    return Config(
        interfaces=[Interface(number=1, name="eth0", registered=True, enabled=True)],
        networks=[
            Network(
                number=1,
                addr="10.0.0.0",
                mask="255.255.0.0",
                real="10.0.255.1",
                interface=1,
                registered=True,
                enabled=True,
            )
        ],
        servers=[
            Server(
                number=n,
                name=f"service {n}",
                ipaddr=f"10.0.{10 + n // 250}.{1 + n % 250}",
                port=80,
                protocol="tcp",
                targets=[2 * n - 1, 2 * n],
                registered=True,
                enabled=True,
            )
            for n in range(1, 513)
        ],
        targets=[
            Target(
                number=n,
                ipaddr=f"10.0.{100 + n // 250}.{1 + n % 250}",
                port=80,
                protocol="tcp",
                dsr=True,
                checks={"tcpopen": CheckSettings(80, 3, 10)},
                registered=True,
                enabled=True,
            )
            for n in range(1, 1025)
        ],
    )


@pytest.mark.parametrize(("dump", "file"), [(dump_balanceng, "x.conf"), (dump_toml, "x.toml")])
def test_the_largest_configuration_loads_and_checks_clean_in_under_a_second(dump, file):
    text = dump(big())
    start = time.process_time()
    loaded = load(text, file, host_interfaces=["eth0"])
    assert time.process_time() - start < 1.0
    assert loaded.findings == []
    assert loaded.config == big()


@pytest.mark.parametrize(
    ("line", "file"),
    [
        ("server 1 targets 1-1024", "x.conf"),
        ("register targets 1-1024", "x.conf"),
        ("no targets 1-1024", "x.conf"),
        ("server 1 {", "x.conf"),
        ("a b c d {", "x.conf"),
        ('"', "x.conf"),
        ("server 1 method randon", "x.conf"),
        ("[[server]]", "x.toml"),
        ("a = [", "x.toml"),
        ("[server.1]", "x.toml"),
        ('x = """', "x.toml"),
    ],
)
def test_time_is_linear_in_the_number_of_lines(line, file):
    def seconds(count):
        text = f"{line}\n" * count
        start = time.process_time()
        load(text, file)
        return time.process_time() - start

    seconds(100)
    small, large = (min(seconds(count) for _ in range(3)) for count in (2_000, 8_000))
    assert large < 8 * small + 0.1  # a quadratic reader takes 16 times as long


# A grammar of near misses finds more than plain noise does.
WORDS = """server target network interface gateway vrrp set modules register enable no disable targets ipaddr port
    protocol tcpopen ping name any tcp dsr backup 1 2 1,2 1-4 4-1 80,3,10 3,8 0 99999999999999999999 -1 10.0.0.1
    255.255.255.0 { } " "a" // = [ ] [server.1] ' \'\'\' . , # \\"""
PIECES = st.sampled_from([*WORDS.split(), "\n", "\n", "\n", "\r", '"a b"', '"""'])


@given(st.lists(PIECES, max_size=60).map(" ".join), st.sampled_from(["x.conf", "x.toml"]))
@settings(max_examples=400, deadline=None)
def test_words_in_any_order_never_raise(text, file):
    answered(load(text, file, host_interfaces=["lo"]), text)


@given(st.binary(max_size=400) | st.text(max_size=400), st.sampled_from(["x.conf", "x.toml", "x"]))
@settings(max_examples=300, deadline=None)
def test_bytes_and_texts_never_raise(data, file):
    answered(load(data, file), None)


@given(st.data(), st.sampled_from([("x.conf", SEED), ("x.toml", SEED_TOML)]))
@settings(max_examples=300, deadline=None)
def test_a_damaged_file_never_raises(data, sample):
    name, seed = sample
    start = data.draw(st.integers(0, len(seed)))
    end = data.draw(st.integers(start, min(len(seed), start + 30)))
    damaged = seed[:start] + data.draw(st.binary(max_size=12)) + seed[end:]
    answered(load(damaged, name), None)


def answered(loaded, text):
    """Every finding is in the text, and what is valid can be written and read again."""
    lines = loaded.text.split("\n")
    for finding in loaded.findings:
        assert 1 <= finding.line <= len(lines)
        assert 1 <= finding.column <= len(lines[finding.line - 1]) + 1
        assert finding.message.isprintable()
    if text is not None:
        assert loaded.text == text
    if loaded.ok:
        assert load(dump_balanceng(loaded.config), "x.conf").config == loaded.config
        assert load(dump_toml(loaded.config), "x.toml").config == loaded.config
