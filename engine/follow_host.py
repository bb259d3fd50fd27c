"""A chapter of the engine: follow the host's links, addresses and routes, and put right what differs.

Driven by the kernel's notices, and once a second all the same: a notice may be lost. At the start, and when another configuration is taken up, what the host refuses ends the attempt; while running it is an
alarm, and forwarding goes on.
"""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

from pyroute2.netlink.exceptions import NetlinkError

from engine.domain.notices import Notice
from engine.io.host.host import HostError

if TYPE_CHECKING:
    from collections.abc import Callable

    from engine.domain.frame import Link
    from engine.forwarding import Forwarding
    from engine.io.control_sockets import ControlSockets
    from engine.io.host.host import Host
    from engine.modules.chain import Chain
    from engine.modules.state.world import World
    from engine.report.alarms import Alarms
    from engine.report.duties import Duty
    from engine.report.events import EventLog
    from engine.settle import Settler

HOST_REFUSES = (HostError, NetlinkError, OSError)
"""What the host may say to anything asked of it: reasons to try again, never to end."""

NOTICES_S = 0.2
"""Notices that come so close after one another are followed together: a card that is replaced makes a dozen."""


class HostFollower:
    """Writer of `World.links`; keeps a datapath and a control socket on each link that a network needs."""

    def __init__(
        self,
        world: World,
        chain: Chain,
        host: Host,
        forwarding: Forwarding,
        sockets: ControlSockets,
        settler: Settler,
        alarms: Alarms,
        event_log: EventLog,
        notices: Duty,
    ) -> None:
        """`notices` is told how following the kernel's notices comes out."""
        self._world = world
        self._chain = chain
        self._host = host
        self._forwarding = forwarding
        self._sockets = sockets
        self._settler = settler
        self._alarms = alarms
        self._event_log = event_log
        self._notices = notices
        self._lock = asyncio.Lock()
        self._link_told: dict[str, str] = {}
        self._wrong: set[str] = set()

    async def follow(self) -> None:
        """Take links, addresses and routes as they are now, and put right what is missing. Raises `HOST_REFUSES`."""
        async with self._lock:
            before = self._world.links
            await self._take_links()
            self._host.refuse_held()
            self._host.refuse_owned(self._virtual())
            await self._put_right()
            self._follow_links(before)

    async def keep_following(self) -> None:
        """Follow while running; call about once a second. What the host refuses now is an alarm."""
        try:
            async with self._lock:
                before, config = self._world.links, self._world.config
                await self._take_links()
                try:
                    await self._put_right()
                    self._host.refuse_held()
                    self._host.refuse_owned(self._virtual())
                finally:
                    # A change that the host refuses just now is taken back: then there is nothing to follow.
                    if self._world.config is config:
                        self._follow_links(before)
        except HOST_REFUSES as error:
            if self._alarms.set("host", "host", str(error)):
                self._event_log.add(Notice("config", "error", "host", str(error)))
        else:
            self._alarms.clear("host")

    async def follow_notices(self, followed: Callable[[], None]) -> None:
        """Follow whenever the kernel says that something has changed; `followed` is called each time, then it is settled."""
        while True:
            await self._host.changed()
            with self._notices.attempt():
                await self.keep_following()
                followed()
                self._settler.wake()
            await asyncio.sleep(NOTICES_S)

    async def _take_links(self) -> None:
        self._world.links = await self._host.links(self._world.config)
        self._chain.view.refresh()

    def _virtual(self) -> list[str]:
        return [str(v.address) for v in self._chain.view.virtuals.values()]

    async def _put_right(self) -> None:
        """Have the addresses and routes that the configuration needs, tell what was put right. Raises `HOST_REFUSES`."""
        networks = [n for n in self._world.config.networks if n.registered and n.enabled]
        righted = await self._host.put_right(networks, self._world.links, self._virtual(), time.monotonic())
        for notice in righted.notices:
            self._event_log.add(notice)
        for key, text in righted.wrong.items():
            if self._alarms.set(key, "host", text):
                self._event_log.add(Notice("datapath", "error", "host", text))
        for key in self._wrong - righted.wrong.keys():
            self._alarms.clear(key)
        self._wrong = set(righted.wrong)
        if righted.refusals:
            raise HostError("; ".join(righted.refusals))

    def _follow_links(self, before: dict[int, Link]) -> None:
        """Have a datapath and a control socket on what links there are."""
        self._tell_links()
        notices = self._forwarding.follow_links()
        for notice in notices:
            self._event_log.add(notice)
        if notices or self._world.links != before:
            self._settler.want_table()
        self._sockets.follow(self._chain.listening())

    def _tell_links(self) -> None:
        """Tell what became of each interface, once; what is not up is an alarm."""
        for interface in self._world.config.interfaces:
            if not interface.enabled:
                continue
            subject = f"interface {interface.number}"
            link = self._world.links.get(interface.number)
            up = link is not None and link.up
            text = f"{interface.name} is {'missing' if link is None else 'up' if up else 'down'}"
            if up:
                self._alarms.clear(subject)
            else:
                self._alarms.set(subject, subject, f"{text}: nothing is forwarded on it")
            if self._link_told.get(subject) != text:
                self._link_told[subject] = text
                self._event_log.add(Notice("datapath", "info" if up else "error", subject, text))
