"""`rt`: routing between networks. Direct server return needs none, so the module is idle."""

from __future__ import annotations

from engine.modules.module import IdleModule


class Rt(IdleModule):
    """Accepted in the `modules` line, and shown."""

    name = "rt"
