"""Chance that is the same for the model and every path: the n-th draw of a seed is one number."""

from __future__ import annotations

import random

import numpy as np


class Draws:
    """Stands for `random.Random` and for numpy's generator where a target is drawn."""

    def __init__(self, seed: int) -> None:
        self._rng = random.Random(seed)

    def randrange(self, stop: int) -> int:
        return self._rng.getrandbits(32) % stop

    def integers(self, low: int, high, size: int | None = None) -> np.ndarray:
        """As of numpy's generator, for one bound or for one of each draw."""
        bounds = [high] * size if size is not None else high.tolist()
        return np.array([low + self.randrange(bound - low) for bound in bounds], np.int64)


def table_seed(seed: int) -> int:
    """Return the seed that the flow tables of a scenario have."""
    return random.Random(f"table {seed}").getrandbits(64)
