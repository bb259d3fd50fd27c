"""The table of ops: who may do what."""

from __future__ import annotations

import typing

import msgspec
import pytest

from engine.api.ops import OPS

CHANGING = {"admin", "apply", "command", "confirm", "rollback", "save"}


def test_these_ops_change_something_and_no_other_does():
    assert {name for name, op in OPS.items() if op.changes} == CHANGING


@pytest.mark.parametrize("name", OPS)
def test_an_operator_may_do_everything_and_a_monitor_whatever_changes_nothing(name):
    assert OPS[name].allows("operator") is True
    assert OPS[name].allows("monitor") is (name not in CHANGING)


@pytest.mark.parametrize("name", OPS)
def test_arguments_nobody_knows_are_refused(name):
    with pytest.raises(msgspec.ValidationError, match="nobody knows this"):
        msgspec.convert({"nobody knows this": 1, **required(OPS[name].args)}, type=OPS[name].args)


def required(args):
    """Arguments that an op wants, each with a value of its type."""
    samples = {str: "1", int: 1, list[int]: [1]}
    types = typing.get_type_hints(args)
    wanted = [types[field.name] for field in msgspec.structs.fields(args) if field.required]
    names = [field.name for field in msgspec.structs.fields(args) if field.required]
    values = [samples[kind] if kind in samples else typing.get_args(kind)[0] for kind in wanted]
    return dict(zip(names, values, strict=True))
