"""The tables that parser, completion and highlighting share say the same as the model and the readers."""

import msgspec
import pytest

from engine.config.language import keywords, values
from engine.config.load import load
from engine.config.model import Gateway, Interface, Network, Server, Target, Vrrp
from engine.domain.checks import CHECK_KINDS

MEANING = {"undefined-reference", "no-network"}
MODELS = {
    "interface": Interface,
    "network": Network,
    "server": Server,
    "target": Target,
    "gateway": Gateway,
    "vrrp": Vrrp,
}


@pytest.mark.parametrize("block", MODELS)
def test_words_readers_and_model_fields_are_the_same(block):
    fields = {f.name for f in msgspec.structs.fields(MODELS[block])} - {"number", "registered", "enabled"}
    if "checks" in fields:
        kinds = {k.word for k in CHECK_KINDS.values() if block == "target" or k.gateway_meaning}
        fields = fields - {"checks"} | kinds
    # A word stands in BLOCKS of keywords.py, in READERS of values.py, and as a field in model.py.
    assert set(keywords.BLOCKS[block]) == set(values.READERS[block])
    assert set(keywords.BLOCKS[block]) == fields


@pytest.mark.parametrize("block", keywords.BLOCKS)
def test_every_word_says_what_it_is_and_how_it_is_written(block):
    for name, word in keywords.BLOCKS[block].items():
        assert word.help, name
        assert word.form, name
        assert not word.help.endswith(".")


@pytest.mark.parametrize(
    ("block", "word"), [(b, w) for b in MODELS for w, word in keywords.BLOCKS[b].items() if word.values]
)
def test_every_listed_value_is_accepted(block, word):
    for value in keywords.BLOCKS[block][word].values:
        values.READERS[block][word](value)


@pytest.mark.parametrize(("block", "word"), [(b, w) for b in MODELS for w in keywords.BLOCKS[b]])
def test_every_pending_word_warns_and_every_other_is_silent(block, word):
    sample = {
        "ADDRESS": "10.0.0.1",
        "TEXT": "x",
        "NAME": "x",
        "MASK": "24",
        "N": "1",
        "LIST": "1",
        "raw": "raw",
    }
    entry = keywords.BLOCKS[block][word]
    value = entry.values[0] if entry.values else sample.get(entry.form)
    value = value or {"INTERVAL,TIMEOUT": "3,8", "PORT,INTERVAL,TIMEOUT": "80,3,10"}.get(entry.form)
    value = value or entry.form.split("-")[0].split(" ")[0]
    value = "fe80::1" if word in {"real6", "virt6"} else value
    number = "" if block in {"gateway", "vrrp"} else " 1"
    loaded = load(f"{block}{number} {{\n {word} {value}\n}}\n", "x.conf")
    at_word = [(f.severity, f.code) for f in loaded.findings if f.line == 2 and f.code not in MEANING]
    assert at_word == ([("warning", "not-built")] if entry.pending else [])


@pytest.mark.parametrize(
    ("word", "known", "expected"),
    [
        ("ipadr", keywords.BLOCKS["target"], "ipaddr"),
        ("SEVER", keywords.TOP, "server"),
        ("tcp-open", keywords.BLOCKS["target"], "tcpopen"),
        ("xyz", keywords.TOP, None),
        ("x" * 100_000, keywords.TOP, None),
    ],
)
def test_the_nearest_word(word, known, expected):
    assert keywords.nearest(word, known) == expected


def test_the_home_of_a_word():
    assert keywords.home_of("vrid") == "vrrp"
    assert keywords.home_of("register") == ""
    assert keywords.home_of("nonsense") is None
