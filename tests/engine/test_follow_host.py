"""How links, addresses and routes of the host are followed, at the start and while running."""

import asyncio
import time
from types import SimpleNamespace

import pytest

from engine import follow_host
from engine.config.model import Config, Interface, Network
from engine.domain.address import Address
from engine.domain.frame import Link
from engine.domain.notices import Notice
from engine.follow_host import HostFollower
from engine.io.host.host import HostError, Righted
from engine.report.alarms import Alarms
from engine.report.duties import Duty

VIP = Address.parse("172.16.1.10")

NETWORKS = [
    Network(number=1, real="172.16.1.252", interface=1, registered=True, enabled=True),
    Network(number=2, real="172.16.2.252", interface=1, registered=True),
    Network(number=3, real="172.16.3.252", interface=1, enabled=True),
    Network(number=4, interface=1, registered=True, enabled=True),
]


class Host:
    """The kernel: what it has, what it refuses, what was asked of it in order."""

    def __init__(self):
        self.has = {1: Link(1, "eth0", 2, b"\x02" * 6, 1500, True)}
        self.refusal = None
        self.held = ""
        self.lacking = []
        self.asked = []
        self.during = lambda: None
        self.righted = Righted()
        self.notices = asyncio.Event()

    async def links(self, config):
        self.asked.append(("links", config))
        return dict(self.has)

    def refuse_held(self):
        if self.held:
            raise HostError(self.held)

    def refuse_owned(self, virtual):
        self.asked.append(("refuse_owned", list(virtual)))
        self.during()
        if self.refusal:
            raise self.refusal

    async def put_right(self, networks, links, virtual, now):
        self.asked.append(("put_right", [n.number for n in networks], sorted(links), list(virtual)))
        assert abs(now - time.monotonic()) < 10
        return self.righted

    async def changed(self):
        await self.notices.wait()
        self.notices.clear()


class Everything:
    def __init__(self):
        self.world = SimpleNamespace(
            config=Config(
                interfaces=[
                    Interface(number=1, name="eth0", registered=True, enabled=True),
                    Interface(number=2, name="eth1", registered=True),
                ],
                networks=NETWORKS,
            ),
            links={},
        )
        self.host = Host()
        self.did = []
        self.notices = []  # of the datapaths, at the next following
        self.events = []
        view = SimpleNamespace(
            refresh=lambda: self.did.append("refresh"),
            virtuals={VIP: SimpleNamespace(address=VIP)},
        )
        self.listening = {1: "what is to be heard"}
        chain = SimpleNamespace(view=view, listening=lambda: self.listening)
        forwarding = SimpleNamespace(follow_links=self._datapaths)
        sockets = SimpleNamespace(follow=self._listen)
        settler = SimpleNamespace(
            want_table=lambda: self.did.append("table"), wake=lambda: self.did.append("wake")
        )
        log = SimpleNamespace(add=self.events.append)
        self.alarms = Alarms(log)
        self.follower = HostFollower(
            *(self.world, chain, self.host, forwarding, sockets, settler, self.alarms, log),
            Duty("notices", "follow", self.alarms),
        )

    def _listen(self, listening):
        assert listening is self.listening
        self.did.append("sockets")

    def _datapaths(self):
        self.did.append("datapaths")
        return self.notices

    def raised(self):
        return [(a.severity, a.subject, a.message) for a in self.alarms]

    def told(self):
        return [(e.severity, e.subject, e.message) for e in self.events]


@pytest.fixture
def all_():
    return Everything()


async def test_everything_is_asked_of_the_host_in_order(all_):
    await all_.follower.follow()
    assert all_.host.asked == [
        ("links", all_.world.config),
        ("refuse_owned", ["172.16.1.10"]),
        ("put_right", [1, 4], [1], ["172.16.1.10"]),  # networks registered and enabled, both
    ]
    all_.host.asked.clear()
    await all_.follower.keep_following()
    # While running, an address that the host owns keeps nothing else from being put right.
    assert [what for what, *_ in all_.host.asked] == ["links", "put_right", "refuse_owned"]
    assert all_.world.links == all_.host.has
    assert all_.did[:4] == ["refresh", "datapaths", "table", "sockets"]


async def test_what_was_put_right_is_told_and_what_is_wrong_is_an_alarm_while_it_is(all_):
    notice = Notice("datapath", "warning", "host", "the address was gone and is back")
    all_.host.righted = Righted([notice], {"contested": "again and again", "other": "in place"})
    await all_.follower.follow()
    assert all_.events[0] is notice
    assert all_.raised()[:2] == [("error", "host", "again and again"), ("error", "host", "in place")]
    all_.events.clear()
    all_.host.righted = Righted([], {"contested": "again and again"})
    await all_.follower.keep_following()
    assert all_.told() == []
    assert all_.raised() == [("error", "host", "again and again")]
    all_.host.righted = Righted([], {"contested": "more of it"})
    await all_.follower.keep_following()
    assert all_.told() == [("error", "host", "more of it")]
    all_.host.righted = Righted()
    await all_.follower.keep_following()
    assert all_.raised() == []


async def test_what_could_not_be_put_right_is_a_refusal(all_):
    all_.host.righted = Righted(refusals=["no address", "no route"])
    with pytest.raises(HostError, match="no address; no route"):
        await all_.follower.follow()
    await all_.follower.keep_following()
    assert all_.raised() == [("error", "host", "no address; no route")]


async def test_notices_are_followed_one_round_for_all_that_come_together(all_, monkeypatch):
    monkeypatch.setattr(follow_host, "NOTICES_S", 0.05)
    rounds = []
    task = asyncio.create_task(all_.follower.follow_notices(lambda: rounds.append(list(all_.did))))
    await asyncio.sleep(0.01)
    assert rounds == []
    all_.host.notices.set()
    await asyncio.sleep(0.01)
    assert rounds == [["refresh", "datapaths", "table", "sockets"]]
    assert all_.did[-1] == "wake"
    all_.host.notices.set()
    await asyncio.sleep(0.01)
    all_.host.notices.set()
    assert len(rounds) == 1
    await asyncio.sleep(0.06)
    assert len(rounds) == 2
    task.cancel()


async def test_a_fault_while_following_a_notice_is_told_and_the_next_one_is_followed(all_, monkeypatch):
    monkeypatch.setattr(follow_host, "NOTICES_S", 0.001)
    rounds = []

    def followed():
        rounds.append(1)
        if len(rounds) == 1:
            raise ValueError("a fault")

    task = asyncio.create_task(all_.follower.follow_notices(followed))
    all_.host.notices.set()
    await asyncio.sleep(0.02)
    assert any("a fault" in message for _, _, message in all_.raised())
    all_.host.notices.set()
    await asyncio.sleep(0.02)
    assert (len(rounds), all_.raised()) == (2, [])
    task.cancel()


async def test_a_table_is_wanted_where_links_or_datapaths_changed_and_only_then(all_):
    await all_.follower.follow()
    all_.did.clear()
    await all_.follower.keep_following()
    assert all_.did == ["refresh", "datapaths", "sockets"]
    all_.did.clear()
    all_.notices = [Notice("datapath", "info", "interface 1", "eth0 has an MTU of 9000 now")]
    await all_.follower.keep_following()
    assert all_.did == ["refresh", "datapaths", "table", "sockets"]
    assert all_.events[-1] is all_.notices[0]
    all_.notices = []
    all_.did.clear()
    all_.host.has[1] = Link(1, "eth0", 2, b"\x04" * 6, 1500, True)
    await all_.follower.keep_following()
    assert all_.did == ["refresh", "datapaths", "table", "sockets"]


async def test_at_the_start_a_refusal_ends_the_attempt(all_):
    all_.host.refusal = HostError("this host owns it")
    with pytest.raises(HostError, match="owns it"):
        await all_.follower.follow()
    assert "datapaths" not in all_.did


async def test_while_running_a_refusal_is_an_alarm_told_once_and_links_are_followed(all_):
    await all_.follower.follow()
    all_.events.clear()
    all_.did.clear()
    all_.host.refusal = HostError("this host owns it")
    for _ in range(3):
        await all_.follower.keep_following()
    assert all_.raised() == [("error", "host", "this host owns it")]
    assert all_.told() == [("error", "host", "this host owns it")]
    assert all_.did.count("datapaths") == 3
    all_.host.refusal = OSError("no buffer space")
    await all_.follower.keep_following()
    assert all_.told()[1:] == [("error", "host", "no buffer space")]
    all_.host.refusal = None
    await all_.follower.keep_following()
    assert all_.raised() == []


async def test_a_change_that_the_host_refuses_and_is_taken_back_is_not_followed(all_):
    await all_.follower.follow()
    all_.did.clear()
    all_.host.refusal = HostError("not now")

    def another_config():
        all_.world.config = Config()

    all_.host.during = another_config
    await all_.follower.keep_following()
    assert all_.did == ["refresh"]


async def test_a_link_that_is_down_or_missing_is_an_alarm_and_every_step_is_told_once(all_):
    await all_.follower.follow()
    all_.events.clear()
    all_.host.has[1] = Link(1, "eth0", 2, b"\x02" * 6, 1500, False)
    await all_.follower.keep_following()
    await all_.follower.keep_following()
    assert all_.raised() == [("error", "interface 1", "eth0 is down: nothing is forwarded on it")]
    assert all_.told() == [("error", "interface 1", "eth0 is down")]
    del all_.host.has[1]
    await all_.follower.keep_following()
    assert all_.raised() == [("error", "interface 1", "eth0 is missing: nothing is forwarded on it")]
    all_.host.has[1] = Link(1, "eth0", 3, b"\x02" * 6, 1500, True)
    await all_.follower.keep_following()
    assert all_.raised() == []
    assert all_.told()[1:] == [
        ("error", "interface 1", "eth0 is missing"),
        ("info", "interface 1", "eth0 is up"),
    ]


async def test_an_interface_that_another_engine_has_ends_the_start_and_is_an_alarm_while_running(all_):
    all_.host.held = "another engine (pid 7) forwards on eth0"
    with pytest.raises(HostError, match="pid 7"):
        await all_.follower.follow()
    assert "datapaths" not in all_.did
    await all_.follower.keep_following()
    assert ("error", "host", "another engine (pid 7) forwards on eth0") in all_.raised()
    all_.host.held = ""
    await all_.follower.keep_following()
    assert ("error", "host", "another engine (pid 7) forwards on eth0") not in all_.raised()
