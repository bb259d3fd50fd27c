"""`nat`: address translation between networks. Direct server return needs none, so the module is idle."""

from __future__ import annotations

from engine.modules.module import IdleModule


class Nat(IdleModule):
    """Accepted in the `modules` line, and shown."""

    name = "nat"
