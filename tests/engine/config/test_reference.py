"""The tables of docs/configuration.md are drawn from the language's own (BNG_GOLDEN=write make check draws them anew)."""

from __future__ import annotations

import re

import msgspec

from engine.config import model
from engine.config.language.keywords import BLOCKS, TOP, Keyword
from tests.helpers.golden import agree
from tests.helpers.paths import ROOT

DOCUMENT = ROOT / "docs" / "configuration.md"
TABLE = re.compile(r"<!-- words of (\w+) -->\n.*?<!-- end -->", re.DOTALL)
KINDS = {
    "interface": model.Interface,
    "network": model.Network,
    "server": model.Server,
    "target": model.Target,
    "gateway": model.Gateway,
    "vrrp": model.Vrrp,
}
ALL = "file"
"""The name, in the document, of what stands at the top of a file."""


def default(block: str, word: str) -> str:
    """What holds where the word is missing, as it would be written."""
    if block == ALL:
        return ",".join(model.DEFAULT_MODULES) if word == "modules" else ""
    fields = (
        {field.name: field.default for field in msgspec.structs.fields(KINDS[block])}
        if block in KINDS
        else {}
    )
    value = fields.get(word, "")
    if value is msgspec.NODEFAULT or value in {None, ""}:
        return ""
    if word == "dsr":
        return "disable"
    return "any" if word == "port" and value == 0 else str(value)


def row(block: str, word: str, keyword: Keyword) -> str:
    cells = (f"`{word}`", f"`{keyword.form}`", keyword.explained, default(block, word))
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def table(block: str) -> str:
    words = TOP if block == ALL else BLOCKS[block]
    lines = ["| word | value | what it does | default |", "|---|---|---|---|"]
    lines += [row(block, word, keyword) for word, keyword in words.items()]
    return f"<!-- words of {block} -->\n" + "\n".join(lines) + "\n<!-- end -->"


def test_the_tables_are_the_languages():
    text = DOCUMENT.read_text(encoding="utf-8")
    agree(DOCUMENT, TABLE.sub(lambda found: table(found[1]), text))


def test_every_block_has_its_table():
    found = TABLE.findall(DOCUMENT.read_text(encoding="utf-8"))
    assert sorted(found) == sorted([ALL, *(block for block in BLOCKS if block)])
