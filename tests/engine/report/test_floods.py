"""Floods of frames for the control process: told once when one begins and once when it is over."""

from engine.config.model import Config, Interface
from engine.domain.frame import FrameClass
from engine.io.control_sockets import QueueCount
from engine.modules.state.world import World
from engine.report.alarms import Alarms
from engine.report.events import EventLog
from engine.report.floods import OVER_S, Floods


class Play:
    def __init__(self):
        world = World(Config(interfaces=[Interface(number=1, name="eth0", registered=True, enabled=True)]))
        self.log = EventLog(lambda _: None)
        self.alarms = Alarms(self.log)
        self.floods = Floods(world, self.alarms, self.log)
        self.unread, self.now = dict.fromkeys(FrameClass, 0), 0.0

    def run(self, seconds, frame_class=FrameClass.ECHO, pps=0):
        for _ in range(seconds):
            self.now += 1
            self.unread[frame_class] += pps
            self.floods.look([QueueCount(1, c, 0, n) for c, n in self.unread.items()], self.now)

    @property
    def told(self):
        return [(event.kind, event.severity, event.message) for event in self.log.since(0, 100)]


def test_where_everything_is_read_nothing_is_told():
    play = Play()
    play.run(30)
    assert play.told == []


def test_a_flood_is_told_at_its_beginning_and_at_its_end():
    play = Play()
    play.run(2)
    play.run(15, pps=51_000)
    (alarm,) = play.alarms
    assert (alarm.severity, alarm.subject) == ("warning", "interface 1")
    (began,) = play.told
    assert began[:2] == ("datapath", "warning")
    assert "eth0: more echo requests to virtual addresses than are read, 51000 of them" in began[2]
    play.run(int(OVER_S) - 1)
    play.run(1, pps=1)  # a last one: it is not over yet
    play.run(int(OVER_S) - 1)
    assert play.told == [began]
    play.run(1)
    assert list(play.alarms) == []
    _, over = play.told
    assert over[:2] == ("datapath", "info")
    assert "is over, 765001 were not read" in over[2]


def test_each_class_has_a_flood_of_its_own_and_a_long_one_is_told_once():
    play = Play()
    play.run(3600, FrameClass.STRANGERS, pps=103_000)
    play.run(5, FrameClass.ECHO, pps=1)
    assert [(kind, message.split(" than")[0]) for kind, _, message in play.told] == [
        ("arp", "eth0: more ARP of hosts that are not known"),
        ("datapath", "eth0: more echo requests to virtual addresses"),
    ]
    assert len(list(play.alarms)) == 2


def test_a_socket_that_is_opened_anew_counts_from_0_and_one_that_is_gone_has_no_alarm():
    play = Play()
    play.run(5, pps=1000)
    play.unread[FrameClass.ECHO] = 0
    play.run(1, pps=10)
    assert len(play.told) == 1
    play.floods.look([], play.now + 1)
    assert list(play.alarms) == []


def test_floods_do_not_follow_one_another_faster_than_they_end():
    play = Play()
    for _ in range(300):
        play.run(1, pps=100)
        play.run(int(OVER_S) - 2)
    assert len(play.told) == 1
