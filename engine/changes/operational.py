"""What the operator has said about targets and servers, kept apart from the configuration file and across restarts."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Literal

import msgspec

from engine.config.atomic import write_atomic
from engine.domain.states import Admin  # noqa: TC001 - msgspec reads the annotation at run time

if TYPE_CHECKING:
    from pathlib import Path

log = logging.getLogger("engine.operational")


class Operational(msgspec.Struct, kw_only=True):
    """Admin state by number where it was changed by hand; absent: as the file says."""

    targets: dict[int, Admin] = msgspec.field(default_factory=dict)
    servers: dict[int, Literal["enabled", "disabled"]] = msgspec.field(default_factory=dict)


def load(path: Path) -> Operational:
    """Read the kept state; an unreadable file is said in the log and leaves the configuration's word."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=Operational)
    except FileNotFoundError:
        return Operational()
    except (OSError, msgspec.DecodeError) as error:
        log.warning(
            "%s cannot be read (%s): targets and servers start as the configuration says", path, error
        )
        return Operational()


def save(path: Path, state: Operational) -> None:
    """Write the state, whole or not at all. Raises OSError."""
    write_atomic(path, msgspec.json.encode(state))
