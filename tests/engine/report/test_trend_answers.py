"""What was recorded, as a console gets it: of the right address, within what a frame holds, and what was not measured as null."""

import threading

import numpy as np
import pytest

from engine.api.ops import TrendArgs, TrendsArgs
from engine.config.model import Config, Server, Target
from engine.datapath.contract import Counters, DropReason
from engine.datapath.counters import CounterBlock
from engine.domain.errors import OpError
from engine.modules.state.world import ServerDecision, TargetStatus
from engine.report.trend_answers import STEPS_MOST, trend, trends
from engine.trends.rates import Rates
from engine.trends.recorder import Moment, Recorder, RoundTrips

NOW = 1_800_000_000
CONFIG = Config(
    servers=[Server(number=1, ipaddr="172.16.1.10", port=80, targets=[1, 2], registered=True)],
    targets=[
        Target(number=1, ipaddr="172.17.2.101", port=80, registered=True),
        Target(number=2, ipaddr="172.17.2.102", port=80, registered=True),
    ],
)


@pytest.fixture
def recorder(tmp_path):
    one = Recorder(tmp_path / "trends")
    yield one
    one.close()


def record(recorder, seconds, config=CONFIG, **health):
    """Record `seconds` in which target 1 has 100 packets a second and target 2 none; 3 frames a second are no server's."""
    block = CounterBlock.create()
    rates, trips = Rates(), RoundTrips()
    rates.update(block.read(), float(seconds[0]))
    for at in seconds:
        block.target_packets[1] += 100
        block.target_bytes[1] += 6000
        block.server_packets[1] += 100
        block.dropped[DropReason.NO_SERVER] += 3
        block.target_sessions[1] = 12
        counters: Counters = block.read()
        rates.update(counters, at + 1.0)
        if at % 5 == 0:
            trips.note(1, 2.0)
            trips.note(1, 4.0)
            trips.note(2, None)
        moment = Moment(counters, rates)
        targets = {t.number: t for t in config.targets}
        statuses = {
            n: TargetStatus(n, health.get(f"t{n}", "up"), health.get(f"t{n}", "up") == "up", None, 0.0)
            for n in targets
        }
        moment.targets(targets, statuses, dict.fromkeys(targets, "enabled"), trips.take())
        up = tuple(n for n in targets if statuses[n].operational)
        servers = {s.number: s for s in config.servers}
        moment.servers(servers, {1: ServerDecision(1, up, up)}, {1: True}, master=True)
        recorder.record(moment, NOW + at)
        done = threading.Event()
        recorder._writer.do(done.set)
        assert done.wait(10)
    block.memory.close()


def finish(recorder):
    """Have all written, and open the file again, as a later engine does."""
    path = recorder._path
    recorder.close()
    again = Recorder(path)
    again._open(NOW)
    return again


def test_one_target_s_course(recorder):
    record(recorder, range(20), t2="down")
    again = finish(recorder)
    one = trend(again, CONFIG, TrendArgs(what="target", number=1, seconds=10), NOW + 19)
    assert (one.step_s, one.times) == (1, list(range(NOW + 10, NOW + 20)))
    assert one.values["pps"] == pytest.approx([100.0] * 10, rel=2e-3)
    assert one.values["bps"] == pytest.approx([48_000.0] * 10, rel=2e-3)
    assert one.values["sessions"] == pytest.approx([12.0] * 10, rel=2e-3)
    assert one.values["rtt_ms"] == [pytest.approx(3.0, rel=2e-3), None, None, None, None] * 2
    assert one.states == [["up"]] * 10
    two = trend(again, CONFIG, TrendArgs(what="target", number=2, seconds=2), NOW + 19)
    assert (two.values["pps"], two.states) == ([0.0, 0.0], [["down"], ["down"]])
    server = trend(again, CONFIG, TrendArgs(what="server", number=1, seconds=1), NOW + 19)
    assert server.states == [["up", "partly"]]
    again.close()


def test_the_datapath_s_course_has_its_drops_by_reason(recorder):
    record(recorder, range(3))
    again = finish(recorder)
    one = trend(again, CONFIG, TrendArgs(what="datapath", seconds=2), NOW + 2)
    assert one.values["dropped no-server"] == pytest.approx([3.0, 3.0], rel=2e-3)
    assert one.values["dropped"] == pytest.approx([3.0, 3.0], rel=2e-3)
    assert "dropped loop" not in one.values
    again.close()


def test_coarser_steps_when_asked_or_when_it_is_long_ago(recorder):
    record(recorder, range(120))
    again = finish(recorder)
    for asked, step_s in (
        ({"seconds": 100, "step_s": 10}, 10),
        ({"seconds": 3600}, 10),
        ({"seconds": 86_400}, 60),
    ):
        one = trend(again, CONFIG, TrendArgs(what="target", number=1, **asked), NOW + 119)
        assert one.step_s == step_s
        assert one.values["pps"] == pytest.approx([100.0] * len(one.times), rel=3e-3)
        assert one.times
    again.close()


def test_what_the_number_had_at_another_address_is_left_out(recorder):
    former = Config(
        servers=CONFIG.servers, targets=[Target(number=1, ipaddr="172.17.2.9", port=80, registered=True)]
    )
    record(recorder, range(5), former)
    record(recorder, range(5, 8))
    again = finish(recorder)
    assert trend(again, CONFIG, TrendArgs(what="target", number=1), NOW + 8).times == [
        NOW + n for n in (5, 6, 7)
    ]
    every = trends(again, CONFIG, TrendsArgs(what="target", seconds=10), NOW + 8)
    assert every.values[1][:5] == [None] * 5
    assert every.values[1][5:] == pytest.approx([100.0] * 3, rel=2e-3)
    again.close()


def test_all_targets_at_once_within_a_frame(recorder):
    record(recorder, range(300))
    again = finish(recorder)
    every = trends(again, CONFIG, TrendsArgs(what="target", seconds=200), NOW + 299)
    assert (every.step_s, len(every.times)) == (1, 200)
    assert set(every.values) == {1, 2}
    assert every.values[2] == [0.0] * 200
    two_days = trends(
        again, CONFIG, TrendsArgs(what="server", measure="sessions", seconds=172_800), NOW + 299
    )
    assert two_days.step_s == 60
    assert len(two_days.times) <= STEPS_MOST
    again.close()


@pytest.mark.parametrize(
    ("args", "says"),
    [
        (TrendArgs(what="target", number=9), "there is no target 9"),
        (TrendArgs(what="target", number=1, seconds=0), "counted from 1"),
        (TrendArgs(what="datapath", step_s=-1), "not below 0"),
        (TrendsArgs(what="server", measure="rtt_ms"), "servers have no rtt_ms; there are pps"),
        (TrendsArgs(what="server", seconds=-5), "counted from 1"),
    ],
)
def test_what_cannot_be_asked_is_said(recorder, args, says):
    answer = trend if isinstance(args, TrendArgs) else trends
    with pytest.raises(OpError, match=says):
        answer(recorder, CONFIG, args, NOW)


def test_before_anything_was_recorded_there_is_nothing(recorder):
    assert trend(recorder, CONFIG, TrendArgs(what="target", number=1), NOW).times == []
    assert trends(recorder, CONFIG, TrendsArgs(what="target"), NOW).values == {1: [], 2: []}


def test_a_round_trip_of_a_number_that_no_target_can_have_is_not_taken():
    trips = RoundTrips()
    trips.note(5000, 1.0)
    assert np.isnan(trips.take()).all()
