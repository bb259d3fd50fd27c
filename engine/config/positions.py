"""Where things are in a configuration text, by what they mean."""

from __future__ import annotations

from engine.config.finding import Span

Key = tuple[str | int, ...]
"""What is at a place: ("server", 1), ("server", 1, "port"), ("server", 1, "targets", 3), ("enable", "server", 1)."""

START = Span(1, 1)
"""The start of a text: the place of what has none."""


class Positions:
    """An index of a text: where the thing with a `Key` stands."""

    def __init__(self) -> None:
        self._items: dict[Key, dict[Key, Span]] = {}  # by numbered item, so that one is dropped in one step

    @staticmethod
    def _item(key: Key) -> Key:
        return key[:2] if len(key) > 1 and isinstance(key[1], int) else key[:1]

    def put(self, key: Key, span: Span) -> None:
        """Record a place; the first one of a key stays."""
        self._items.setdefault(self._item(key), {}).setdefault(key, span)

    def forget(self, key: Key) -> None:
        """Remove the place of a numbered item, a block or a single thing, with everything inside it."""
        item = self._item(key)
        if key == item:
            self._items.pop(item, None)
        else:
            self._items.get(item, {}).pop(key, None)

    def get(self, key: Key) -> Span | None:
        """Return the place of exactly this, or None."""
        return self._items.get(self._item(key), {}).get(key)

    def nearest(self, key: Key) -> Span:
        """Return the place of this, else of what it is in, else the start of the text."""
        for end in range(len(key), 0, -1):
            span = self.get(key[:end])
            if span is not None:
                return span
        return START

    def __contains__(self, key: Key) -> bool:
        return self.get(key) is not None

    def known(self) -> list[Key]:
        """Return every key that has a place."""
        return [key for item in self._items.values() for key in item]
