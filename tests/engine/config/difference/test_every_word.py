"""No word of the language changes without a sentence: what the difference leaves out would run without being told."""

from __future__ import annotations

import copy

import pytest

from engine.config.difference.compare import Flows, compare
from engine.config.language.keywords import BLOCKS
from engine.config.language.values import READERS, BadValue
from engine.config.load import load
from engine.config.model import set_word
from tests.helpers.paths import SAMPLES

SAMPLE = load((SAMPLES / "every-word.conf").read_bytes(), "every-word.conf").config
VALUES = (
    *("2", "3", "65", "4,11", "81,4,11"),
    *("172.16.1.77", "fd00::77", "255.255.255.128", "other"),
)
"""One of these is a value of any word that is not a choice."""


def block_of(config, block):
    """Return the first block of a kind."""
    return getattr(config, block) if block in {"gateway", "vrrp"} else getattr(config, f"{block}s")[0]


def with_another_value(block, word):
    """Return the sample with another value of a word."""
    for text in (*BLOCKS[block][word].values, *VALUES):
        config = copy.deepcopy(SAMPLE)
        try:
            set_word(block_of(config, block), word, READERS[block][word](text))
        except BadValue:
            continue
        if config != SAMPLE:
            return config
    raise AssertionError(f"add to VALUES what {block} {word} can be")


WORDS = [
    (block, word)
    for block, readers in READERS.items()
    for word in readers
    if len(BLOCKS[block][word].values) != 1  # there is nothing else that it could be
]


@pytest.mark.parametrize(("block", "word"), WORDS)
def test_a_word_that_changes_is_told(block, word):
    changes = compare(SAMPLE, with_another_value(block, word), Flows({}, {}, {}))
    assert changes, f"engine/config/difference/ has no sentence for {word} of {block}"
