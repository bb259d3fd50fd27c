"""A kind of check is one entry of a table: both languages, the rules, the diff and the editor take it from there."""

from __future__ import annotations

import subprocess
import sys

import pytest

from engine.domain.checks import CHECK_KINDS, CheckKind, CheckSettings

KIND = """
from engine.domain import checks

checks.CHECK_KINDS["udpopen"] = checks.CheckKind("udpopen", "health check by a datagram", "53,3,10", asks_port=True)

from engine.config.difference.compare import Flows, compare
from engine.config.editing.rewrite import rewrite, run_commands
from engine.config.language import balanceng, keywords, toml
from engine.config.load import load

assert keywords.BLOCKS["target"]["udpopen"].form == "PORT,INTERVAL,TIMEOUT"
assert "udpopen" not in keywords.BLOCKS["gateway"]

text = "target 1 {\\n ipaddr 10.0.0.21\\n dsr enable\\n udpopen 53,4,9 // names\\n}\\n"
loaded = load(text, "x.conf")
(target,) = loaded.config.targets
assert target.checks == {"udpopen": checks.CheckSettings(53, 4, 9)}
assert loaded.positions.get(("target", 1, "udpopen", "timeout")).column == 15

for module, name in ((balanceng, "x.conf"), (toml, "x.toml")):
    assert load(module.dump(loaded.config), name).config.targets == [target]

(finding,) = [f for f in load(text.replace("4,9", "9,9"), "x.conf").findings if f.code == "interval-timeout"]
assert finding.message.startswith("udpopen has an interval of 9 s and a timeout of 9 s")
(finding,) = [f for f in load(text.replace("53,4,9", "53,4,9,1"), "x.conf").findings if f.code == "bad-value"]
assert finding.hint == "write it like 53,3,10 (port, interval, timeout)"

other = load(text.replace("4,9", "5,9"), "x.conf").config
(change,) = compare(loaded.config, other, Flows())
assert change.message == "udpopen interval 4 \u2192 5 s"
assert rewrite(text, "balanceng", other) == text.replace("53,4,9 //", "53,5,9 //")
as_toml = toml.dump(loaded.config)
assert rewrite(as_toml, "toml", other) == as_toml.replace("interval = 4", "interval = 5")
taken = run_commands(text, "balanceng", "no target 1 udpopen")
assert "udpopen" not in taken.text and "ipaddr" in taken.text
"""


def test_a_new_kind_needs_nothing_but_its_entry():
    done = subprocess.run(
        [sys.executable, "-c", KIND], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("kind", CHECK_KINDS.values(), ids=str)
def test_every_entry_is_whole(kind):
    assert CHECK_KINDS[kind.word] is kind
    assert kind.meaning
    assert len(kind.example.split(",")) == len(kind.parts) == len(kind.form.split(","))


def test_what_a_kind_says_of_its_settings():
    settings = CheckSettings(80, 4, 9)
    assert CheckKind("x", "x", "80,3,10", asks_port=True).values(settings) == {
        "port": 80,
        "interval": 4,
        "timeout": 9,
    }
    assert CheckKind("x", "x", "3,8").values(settings) == {"interval": 4, "timeout": 9}
    assert CheckSettings() == CheckSettings(None, 3, 10)
