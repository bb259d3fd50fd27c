"""What the engine keeps on the disk, beside what forwards: the history, and what operators have said of targets and servers.

A disk that is full, read-only or gone stops neither forwarding nor a change that is made already. What it does not take
is an alarm, and is written as soon as the disk lets it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from engine.domain.notices import Notice

if TYPE_CHECKING:
    from engine.changes.admin import AdminState
    from engine.changes.transactions import Transactions
    from engine.domain.notices import EventKind, EventSeverity
    from engine.report.alarms import Alarms
    from engine.report.events import EventLog

LOOK_S = 5.0
"""Time between two looks at the disk: whether it takes what it did not take, and has what it has to."""


class Records:
    """Keeps history and operational state on the disk, and tells what it does not take."""

    def __init__(
        self, transactions: Transactions, admin: AdminState, alarms: Alarms, event_log: EventLog
    ) -> None:
        self._transactions = transactions
        self._admin = admin
        self._alarms = alarms
        self._event_log = event_log
        self._next_look = 0.0
        self._unsaved = False

    def due(self, now: float) -> float:
        """Return when to look again, in monotonic seconds."""
        return now if self._unsaved else self._next_look

    async def keep(self, now: float) -> None:
        """Look whether the disk has everything; `now` is monotonic seconds."""
        self._next_look = now + LOOK_S
        owed = await self._transactions.mend_records()
        self._tell("history", "config", "history", owed)
        warnings = "; ".join(self._transactions.store.warnings)
        self._tell("history folder", "config", "history", warnings, "warning", over="")
        if self._unsaved or self._admin.owed:
            await self.save_operational_state()

    async def watch_file(self, _: float) -> None:
        """Look whether the disk has the configuration file as it was read or written last."""
        await self._transactions.watch_file()
        alarm = self._transactions.disk.alarm()
        over = "is what the engine read or wrote last again"
        if alarm is None:
            self._tell("file", "config", "configuration file", "", over=over)
        else:
            self._tell("file", "config", alarm.subject, alarm.message, alarm.severity)

    def operational_state_changed(self) -> None:
        """Have operational state written at the next turn."""
        self._unsaved = True

    async def save_operational_state(self) -> None:
        """Write what operators have said for the next start; where the disk does not take it, that is an alarm."""
        self._unsaved = False
        try:
            trouble = await self._transactions.writer.do(self._admin.save, self._admin.encoded())
        except OSError as error:  # it does not answer
            trouble = self._admin.owed = f"operational state is not kept for the next start: {error.strerror}"
        self._tell("operational state", "admin", "operational state", trouble)

    def _tell(
        self,
        key: str,
        kind: EventKind,
        subject: str,
        text: str,
        severity: EventSeverity = "error",
        *,
        over: str = "the disk has everything again",
    ) -> None:
        """Raise an alarm with `text`, or take it back where there is nothing to say, and tell that it is `over`."""
        if not text:
            if self._alarms.clear(key) and over:
                self._event_log.add(Notice(kind, "info", subject, over))
        elif self._alarms.set(key, subject, text, severity):
            self._event_log.add(Notice(kind, severity, subject, text))
