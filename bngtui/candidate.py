"""A configuration text that an operator works on."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from engine.api.messages import RunningConfig
    from engine.config.load import Language

_ENDINGS: dict[Language, tuple[str, ...]] = {"balanceng": (".conf", ".bng"), "toml": (".toml",)}


@dataclass
class Candidate:
    """A text, the revision it was made from and that revision's text."""

    file: str  # the engine's configuration file
    language: Language
    base: int
    base_text: str
    text: str
    note: str = ""

    @classmethod
    def of(cls, running: RunningConfig) -> Candidate:
        """Begin with what runs."""
        return cls(running.file, running.language, running.revision, running.text, running.text)

    def rebase(self, running: RunningConfig) -> None:
        """Make the text a change of what runs now."""
        self.base, self.base_text = running.revision, running.text

    @property
    def changed(self) -> bool:
        """Whether the text is not what it was made from."""
        return self.text != self.base_text

    @property
    def name(self) -> str:
        """The name under which the engine is given the text: its ending says the language."""
        name = Path(self.file).name
        endings = _ENDINGS[self.language]
        return name if name.lower().endswith(endings) else f"candidate{endings[0]}"
