"""What netlink tells of an interface."""

from __future__ import annotations

import os

import pytest

from engine.io.host.netlink import _link


class Message(dict):
    def get_nested(self, *_names):
        return None


@pytest.mark.parametrize(("told", "name"), [("eth0", "eth0"), (b"h\xff", os.fsdecode(b"h\xff")), (None, "")])
def test_a_name_is_text_whatever_its_bytes(told, name):
    found = _link(Message(index=7, ifname=told, address="02:00:00:00:00:01", mtu=1500, flags=0))
    assert (found.name, found.ifindex) == (name, 7)
