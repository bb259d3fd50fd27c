"""Shares are even, and who leaves hardly moves the others."""

from __future__ import annotations

import hashlib

import numpy as np
import pytest

from engine.datapath.maglev import SIZE, build


def ids(count: int) -> list[str]:
    return [f"10.0.{n // 250}.{n % 250}:80" for n in range(count)]


@pytest.mark.parametrize(("count", "most_moved"), [(2, 0.0001), (3, 0.001), (11, 0.005), (101, 0.015)])
def test_flows_of_survivors_hardly_move(count, most_moved):
    full = build(ids(count), [1] * count)
    gone = count // 2
    rest = [n for n in range(count) if n != gone]
    less = np.array(rest)[build([ids(count)[n] for n in rest], [1] * len(rest))]
    survivors = full != gone
    assert (less[survivors] != full[survivors]).mean() <= most_moved
    share = np.bincount(full, minlength=count)
    assert share.sum() == SIZE
    assert share.max() - share.min() <= 1


def test_weights_are_shares():
    share = np.bincount(build(ids(3), [1, 2, 5])) / SIZE
    assert share == pytest.approx([1 / 8, 2 / 8, 5 / 8], abs=0.001)


def test_the_order_of_targets_does_not_matter():
    names = ids(5)
    turned = names[::-1]
    mine = [names[i] for i in build(names, [1, 2, 3, 4, 5])]
    theirs = [turned[i] for i in build(turned, [5, 4, 3, 2, 1])]
    assert mine == theirs


@pytest.mark.parametrize(
    ("weights", "digest"),
    [
        ([1, 1], "bcfb9c102b44a76e"),
        ([1, 2, 5], "eb03fbd594a21b1d"),
        ([1] * 8, "f0fb2b90a39912e3"),
        ([1] * 9, "66b9975225a6ff43"),
        ([1] * 11, "f6e2bd0090a90b42"),
        (list(range(1, 41)), "359c0454069975ba"),
        ([1] * 101, "8e104a4d521214be"),
    ],
)
def test_a_table_stays_as_it_is(weights, digest):
    """Nodes of different versions must choose the same targets."""
    table = build(ids(len(weights)), weights).astype("<u2").tobytes()
    assert hashlib.blake2b(table, digest_size=8).hexdigest() == digest


def test_one_target_has_every_slot():
    assert build(["a:80"], [7]).tolist() == [0] * SIZE
