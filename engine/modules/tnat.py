"""`tnat`: address translation of targets. Direct server return needs none, so the module is idle."""

from __future__ import annotations

from engine.modules.module import IdleModule


class Tnat(IdleModule):
    """Accepted in the `modules` line, and shown."""

    name = "tnat"
