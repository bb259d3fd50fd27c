"""Once a second: what counters, checks and decisions say is handed to the recorder of trends."""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING

from engine.trends.recorder import Moment, RoundTrips

if TYPE_CHECKING:
    from engine.changes.admin import AdminState
    from engine.datapath.contract import Counters
    from engine.domain.checks import ProbeAnswer, ProbeKey
    from engine.modules.chain import Chain
    from engine.report.alarms import Alarms
    from engine.trends.rates import Rates
    from engine.trends.recorder import Recorder

log = logging.getLogger("engine")


class Measuring:
    """Makes a moment of each second. A disk that does not take it is an alarm, and costs nothing but the record."""

    def __init__(
        self, chain: Chain, admin: AdminState, rates: Rates, recorder: Recorder, alarms: Alarms
    ) -> None:
        self._chain = chain
        self._admin = admin
        self._rates = rates
        self._recorder = recorder
        self._alarms = alarms
        self._round_trips = RoundTrips()

    def note(self, key: ProbeKey, answer: ProbeAnswer) -> None:
        """Take how long a check took."""
        self._round_trips.note(key.target, answer.rtt_ms)

    def look(self, counters: Counters, now: float) -> None:
        """Record this second: `counters` as of `now`, monotonic seconds, the rates being theirs already."""
        view, slb = self._chain.view, self._chain.slb
        moment = Moment(counters, self._rates)
        moment.targets(
            view.targets,
            slb.targets(now),
            {n: self._admin.of_target(t) for n, t in view.targets.items()},
            self._round_trips.take(),
        )
        moment.servers(
            view.servers,
            slb.eligibility(now),
            {n: view.server_enabled(s) for n, s in view.servers.items()},
            master=self._chain.world.is_master,
        )
        self._recorder.record(moment, int(time.time()))
        self._tell(self._recorder.trouble)

    def _tell(self, trouble: str) -> None:
        if not trouble:
            self._alarms.clear("trends")
        elif self._alarms.set("trends", "trends", f"how it goes is not recorded: {trouble}", "warning"):
            log.warning("how it goes is not recorded: %s", trouble)
