"""A file of cases that is damaged says so, and where."""

from __future__ import annotations

import pytest

from tests.helpers import fixtures

WHOLE = """\
[[case]]
name = "one"
table = "web"
before = [{ server = 1, target = 2, client = "192.0.2.10", idle_s = 5, state = "open" }]
frame = "0200 ff*2  # Ethernet"
target = 2
out = ["00"]
"""


@pytest.fixture
def read(tmp_path):
    def read(text):
        file = tmp_path / "plain.toml"
        file.write_text(text)
        return fixtures.read(file)

    return read


def test_a_whole_case(read):
    (case,) = read(WHOLE)
    assert (case.frame, case.fate, case.before[0].port) == (b"\2\0\xff\xff", 2, None)


@pytest.mark.parametrize(
    ("part", "instead", "why"),
    [
        ("0200 ff*2", "020g", r"'020g' in line 1 is not hex.*`\$.frame`"),
        ("0200 ff*2", "ff*x", r"'ff\*x' in line 1 is not hex"),
        ('frame = "0200 ff*2  # Ethernet"', "", "missing required field `frame`"),
        ('"0200 ff*2  # Ethernet"', "512", r"`\$.frame`"),
        ("target = 2\n", "taget = 2\n", "unknown field `taget`"),
        ("target = 2\n", "", "one fate"),
        ("target = 2\n", "target = 2\npass = true\n", "one fate"),
        ("target = 2\n", "pass = false\n", "one fate"),
        ("target = 2\n", "target = 9\n", "no target 9"),
        ("target = 2\n", 'drop = "lopp"\n', "no reason 'lopp'"),
        ('"web"', '"wep"', "no table 'wep'"),
        ('["00"]', '"00"', r"Expected `array`, got `str` - at `\$.out`"),
        ("target = 2\n", 'target = 2\nonly = "scalar"\n', r"Invalid enum value 'scalar' - at `\$.only`"),
        ("target = 2\n", 'target = 2\ntransmit = "ful"\n', r"at `\$.transmit`"),
        ("idle_s = 5", "idle = 5", r"unknown field `idle` - at `\$.before\[0\]`"),
        ('"open"', '"opne"', "no state 'opne'"),
    ],
)
def test_a_damaged_case_is_named(read, part, instead, why):
    assert part in WHOLE
    with pytest.raises(ValueError, match=rf"^plain\.toml: case 1, 'one': .*{why}"):
        read(WHOLE.replace(part, instead, 1))


@pytest.mark.parametrize("text", ["", "# nothing\n", "[[cases]]\n", WHOLE + "[other]\n", "[case]\n"])
def test_a_file_without_cases_or_with_something_else_is_refused(read, text):
    with pytest.raises(ValueError, match=r"^plain\.toml: a file of cases has \[\[case\]\], and nothing else"):
        read(text)


def test_a_file_that_is_not_toml_is_named(read):
    with pytest.raises(ValueError, match=r"^plain\.toml: .*line 1"):
        read("[[case]\n")


def test_a_server_of_a_table_has_known_fields_only():
    server = {"number": 1, "address": "172.16.1.10", "port": 80, "protocol": "tcp", "new": [1]}
    assert fixtures.server_input(server).keep == (1,)
    with pytest.raises(ValueError, match="unknown field `ideal_s`"):
        fixtures.server_input(server | {"ideal_s": 5})
