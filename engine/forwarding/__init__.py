"""From decisions to frames: which datapath runs where, and what it is told."""

from engine.forwarding.forwarding import Forwarding

__all__ = ["Forwarding"]
