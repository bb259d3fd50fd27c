"""The annotated samples are complete and true."""

import pytest

from engine.config.language import keywords
from engine.config.load import load
from tests.helpers.paths import SAMPLES


def read(name):
    return load((SAMPLES / name).read_bytes(), name)


def test_the_annotated_samples_are_the_same_configuration():
    assert read("every-word.conf").config == read("every-word.toml").config


@pytest.mark.parametrize("name", ["every-word.conf", "every-word.toml"])
def test_the_annotated_samples_have_every_word_and_only_announced_warnings(name):
    loaded = read(name)
    assert loaded.ok
    assert {f.code for f in loaded.findings} == {"not-built", "no-effect"}
    given = {(key[0], key[-1]) for key in loaded.positions.known()}
    words = {(block, word) for block, known in keywords.BLOCKS.items() if block for word in known}
    missing = sorted(words - given)
    assert not missing, f"add to sample_configs/{name}, with its default and what it is for: {missing}"


def test_the_annotated_sample_uses_every_command_but_the_undoing_ones():
    used = {s.word.value for s in read("every-word.conf").document.statements}
    assert used == set(keywords.TOP) - {"no"}, "every command stands in sample_configs/every-word.conf"


@pytest.mark.parametrize("name", ["every-word.conf", "every-word.toml"])
def test_what_the_annotated_samples_call_not_built_is_what_the_check_warns_of(name):
    loaded = read(name)
    warned = {f.line for f in loaded.findings if f.code == "not-built"}
    lines = loaded.text.split("\n")
    said = {
        n
        for n, line in enumerate(lines, start=1)
        if "not built yet" in line and "method" not in line and n > 8
    }
    assert said <= warned
