"""What the tests of edited texts share: languages, file names, and lines without their ends."""

from __future__ import annotations

from hypothesis import Phase

from engine.config.load import load

PHASES = [Phase.explicit, Phase.reuse, Phase.generate]  # shrinking two models and a text takes minutes
LANGUAGES = ["balanceng", "toml"]
NAME = {"balanceng": "x.conf", "toml": "x.toml"}


def lines_of(text):
    return [line.rstrip("\r") for line in text.split("\n")]


def read(text, language):
    return load(text, NAME[language]).config
