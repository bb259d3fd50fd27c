"""What a client may ask: each op with its arguments, its answer and who may. With messages.py the reference of the protocol.

`OPS` is the one list. What an op does is in its handler: engine/report/backend.py, or engine/api/console.py for the
few that concern the connection itself.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import msgspec

from engine.api.messages import (
    AdminResult,
    Applied,
    ConfigDiff,
    Event,
    Explanation,
    ProcessState,
    Revision,
    RunningConfig,
    Sessions,
    State,
    Trend,
    Trends,
    Version,
)
from engine.config.finding import Finding

if TYPE_CHECKING:
    from engine.api.messages import Role


class NoArgs(msgspec.Struct, forbid_unknown_fields=True):
    """For ops that take none."""


class SubscribeArgs(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """`since`: also send the kept events with a larger id; null: only new ones."""

    state: bool = True
    events: bool = True
    since: int | None = None


class EventsArgs(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """Kept events with an id over `since`, at most the newest `limit`, oldest first."""

    since: int = 0
    limit: int = 200


class SessionsArgs(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """Filters are by number or client address; null: all."""

    server: int | None = None
    target: int | None = None
    client: str | None = None
    limit: int = 1000


class ExplainArgs(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """`server` is a virtual address or the text of a server number."""

    client: str
    client_port: int | None = None
    server: str
    server_port: int | None = None


class TrendArgs(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """How one went over the last `seconds`, in steps of 1 (up to 10 minutes back), 10 (3 hours) or 60 (2 days).

    `step_s`: no finer than this; 0: as fine as there is so far back. `number` is not looked at for the datapath.
    """

    what: Literal["datapath", "server", "target"]
    number: int = 0
    seconds: int = 600
    step_s: int = 0


class TrendsArgs(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """One measure of all of them over the last `seconds`, in at most 240 steps."""

    what: Literal["server", "target"]
    measure: str = "pps"
    seconds: int = 60
    step_s: int = 0


class AdminArgs(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """Operational state of targets or servers; all numbers are checked before any is changed.

    `within_s` is for drain: the flows that are left after so many seconds end, 0: none is, null: as the file says.
    """

    what: Literal["target", "server"]
    action: Literal["enable", "disable", "drain"]
    numbers: list[int]
    within_s: int | None = None


class CheckArgs(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """Check a configuration text on the engine's host. Answer: a list of engine.config.finding.Finding."""

    text: str
    file: str = "candidate"


class DiffArgs(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """A candidate text, to be compared with what runs. `file` tells the language by its ending, else the content."""

    text: str
    file: str = "candidate"


class Consent(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """What a change of the configuration may do to others' work; otherwise it is refused.

    `overwrite`: to a file on the disk that somebody has changed (code "file-differs"). `keep_trial`: the revision of
    somebody else that is on trial, and is to be kept with this change (code "on-trial").
    """

    overwrite: bool = False
    keep_trial: int | None = None


class ApplyArgs(Consent, kw_only=True, forbid_unknown_fields=True):
    """Run a candidate. `base`: the revision it was made from; null: apply whatever runs."""

    text: str
    file: str = "candidate"
    base: int | None = None
    confirm_within_s: int | None = None
    note: str = ""


class ConfirmArgs(Consent, kw_only=True, forbid_unknown_fields=True):
    """Keep the change on trial. `trial`: the revision that is meant; null: whichever is on trial."""

    trial: int | None = None


class RollbackArgs(Consent, kw_only=True, forbid_unknown_fields=True):
    """Run an earlier revision; null: what ran before the trial, or where there is none the one before the running one.

    `trial`: only end the trial of this revision. Without it, who answers a moment after the trial is over goes one
    revision further back.
    """

    revision: int | None = None
    confirm_within_s: int | None = None
    trial: int | None = None


class RevisionArgs(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """Name one revision."""

    revision: int


class RevisionDiffArgs(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """Name two revisions: what going from `old` to `new` changes."""

    old: int
    new: int


class CommandArgs(Consent, kw_only=True, forbid_unknown_fields=True):
    """Commands of BalanceNG's language (`target 1 { ... }`, `register`, `enable`, `no target 3`) on what runs."""

    text: str
    base: int | None = None
    confirm_within_s: int | None = None


class Op(msgspec.Struct, frozen=True):
    """One operation: its argument type, its answer (None: an empty one) and whether it changes something.

    `apart`: it takes long, and is done in a thread or a process of its own.
    """

    args: type
    result: Any
    changes: bool = False
    apart: bool = False

    def allows(self, role: Role) -> bool:
        """Tell whether a role may do it: a monitor looks, an operator also changes."""
        return role == "operator" or not self.changes


OPS: dict[str, Op] = {
    "state": Op(NoArgs, State),
    "subscribe": Op(SubscribeArgs, None),
    "unsubscribe": Op(NoArgs, None),
    "events": Op(EventsArgs, list[Event]),
    "sessions": Op(SessionsArgs, Sessions),
    "explain": Op(ExplainArgs, Explanation),
    "trend": Op(TrendArgs, Trend, apart=True),
    "trends": Op(TrendsArgs, Trends, apart=True),
    "version": Op(NoArgs, Version),
    "conf": Op(NoArgs, str),  # the running configuration as BalanceNG text
    "check": Op(CheckArgs, list[Finding], apart=True),
    "admin": Op(AdminArgs, AdminResult, changes=True),
    "processes": Op(NoArgs, list[ProcessState]),
    "running": Op(NoArgs, RunningConfig),
    "diff": Op(DiffArgs, ConfigDiff, apart=True),
    "file-diff": Op(NoArgs, ConfigDiff, apart=True),  # what the file on the disk would change in what runs
    "history": Op(NoArgs, list[Revision]),  # newest first, without texts
    "revision": Op(RevisionArgs, Revision),
    "revision-diff": Op(RevisionDiffArgs, ConfigDiff, apart=True),
    "apply": Op(ApplyArgs, Applied, changes=True),
    "command": Op(CommandArgs, Applied, changes=True),
    "confirm": Op(ConfirmArgs, Applied, changes=True),
    "rollback": Op(RollbackArgs, Applied, changes=True),
    "save": Op(Consent, Applied, changes=True),  # operational state into the file
}
