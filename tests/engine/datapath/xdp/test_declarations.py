"""What the program is told of the contract: names and numbers when it is built, places of counters when it is loaded."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np

from engine.datapath.contract import SERVER_ROWS, TARGET_ROWS, DropReason
from engine.datapath.counters import block_words, word
from engine.datapath.xdp import declarations, program

FOLDER = Path(declarations.__file__).parent


def test_declared_h_is_what_the_contract_says():
    text = (FOLDER / "declared.h").read_text()
    assert text == declarations.declared_h(), (
        "python -m engine.datapath.xdp.declarations > declared.h, then build the program anew"
    )


def members(struct):
    """Names of the words of a structure in state.h, in order."""
    text = re.sub(r"/\*.*?\*/", "", (FOLDER / "state.h").read_text(), flags=re.DOTALL)
    body = re.search(rf"struct {{([^}}]*)}} {struct} ", text)[1]
    return re.findall(r"\w+(?=[,;])", body)


def test_the_layout_has_every_word_that_the_program_knows_in_its_order():
    names = members("layout")
    behind = ["clock_ns", "now_s", "random", "answered_s", "answered", "turns", "in_force"]
    assert names == [*declarations.COUNTED, *behind, "reasons", "shared"]
    given = dict(zip(names, np.frombuffer(declarations.layout(5), "<u4").tolist(), strict=True))
    assert given["target_bytes"] == word("target_bytes")
    assert given["reasons"] == len(DropReason)
    assert given["shared"] == 5


def test_words_behind_the_counters_do_not_overlap():
    behind = (
        declarations.CLOCK_NS,
        declarations.NOW_S,
        declarations.RANDOM,
        declarations.ANSWERED_S,
        declarations.ANSWERED,
        declarations.TURNS,
    )
    assert behind == tuple(range(block_words(), block_words() + 6))
    assert declarations.IN_FORCE >= declarations.TURNS + SERVER_ROWS


def test_whatever_number_the_program_cuts_stays_within_the_block():
    words = declarations.BLOCK_BYTES // 8
    for name in declarations.COUNTED:
        reach = 0x7FF if name.startswith("target") else 0x3FF * len(DropReason) + 63
        assert word(name) + reach < words, name
    assert TARGET_ROWS <= 0x800
    assert SERVER_ROWS <= 0x400
    assert len(DropReason) <= 64


def test_the_processors_of_this_machine_are_counted():
    assert program.processors() >= 1
