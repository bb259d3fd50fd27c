"""How a target or server stood in a moment, and which seconds have one."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from engine.trends.measures import SLOT, Phase
from engine.trends.recorder import Recorder, RoundTrips, _of_server, _of_target, ring_for
from engine.trends.scale import decode, encode
from engine.trends.trend_file import RINGS, TrendFile

NOW = 1_800_000_000


def status(health="up", out_of=(), *, operational=True):
    return SimpleNamespace(health=health, operational=operational, out_of=out_of)


@pytest.mark.parametrize(
    ("admin", "found", "phase"),
    [
        ("disabled", status(), Phase.DISABLED),
        ("draining", status(), Phase.DRAINING),
        ("enabled", None, Phase.UNKNOWN),
        ("enabled", status("unknown", operational=False), Phase.UNKNOWN),
        ("enabled", status("unknown"), Phase.UP),
        ("enabled", status("down", operational=False), Phase.DOWN),
        ("enabled", status(), Phase.UP),
        ("enabled", status(operational=False), Phase.IDLE),
        ("enabled", status(out_of=(2,)), Phase.UP | Phase.PARTLY),
    ],
)
def test_how_a_target_stood(admin, found, phase):
    assert _of_target(admin, found) == phase


@pytest.mark.parametrize(
    ("decision", "enabled", "master", "phase"),
    [
        (((1, 2), ()), False, True, Phase.DISABLED),
        (((1, 2), ()), True, False, Phase.IDLE),
        (None, True, True, Phase.DOWN),
        (((), (1,)), True, True, Phase.DOWN),
        (((1, 2), ()), True, True, Phase.UP),
        (((1,), (2,)), True, True, Phase.UP),
        (((1,), ()), True, True, Phase.UP | Phase.PARTLY),
    ],
)
def test_how_a_server_stood(decision, enabled, master, phase):
    made = decision and SimpleNamespace(new=decision[0], full=decision[1])
    server = SimpleNamespace(targets=[1, 2])
    assert _of_server(server, made, enabled=enabled, master=master) == phase


def test_the_words_of_phases():
    assert (Phase.UP | Phase.PARTLY).labels == ["up", "partly"]
    assert Phase(0).labels == []


def test_round_trips_are_means_until_they_are_taken():
    trips = RoundTrips()
    for target, rtt_ms in ((1, 2.0), (1, 4.0), (2, None), (-1, 9.0), (1 << 20, 9.0)):
        trips.note(target, rtt_ms)
    means = trips.take()
    assert means[1] == 3.0
    assert np.isnan(np.delete(means, 1)).all()
    assert np.isnan(trips.take()).all()


def moment(pps):
    slot = np.zeros((), SLOT)
    slot["header"]["target"] = 2
    slot["target"]["pps"][:2] = encode((0.0, pps))
    return SimpleNamespace(slot=slot)


def seconds(path):
    file = TrendFile(path)
    times, records = file.read(RINGS[0], "target", 1, NOW + 100, 200)
    file.close()
    return dict(zip((times - NOW).tolist(), np.round(decode(records["pps"])).tolist(), strict=True))


def test_a_second_that_was_missed_is_as_the_next_one_and_more_are_a_gap(tmp_path):
    recorder = Recorder(tmp_path / "trends")
    for at, pps in ((0, 10.0), (0, 99.0), (2, 20.0), (5, 50.0), (6, 60.0)):
        recorder.record(moment(pps), NOW + at)
    recorder.close()
    assert recorder.trouble == ""
    assert seconds(tmp_path / "trends") == {0: 10.0, 1: 20.0, 2: 20.0, 5: 50.0, 6: 60.0}


def test_without_a_file_nothing_is_read(tmp_path):
    recorder = Recorder(tmp_path / "trends")
    assert [len(part) for part in recorder.read("target", 1, NOW, 60, 0)[1:]] == [0, 0]
    assert [len(part) for part in recorder.read_all("target", NOW, 60, 0)[1:]] == [0, 0]
    recorder.record(moment(1.0), NOW)
    recorder.close()
    recorder.close()
    assert [len(part) for part in recorder.read("target", 1, NOW, 60, 0)[1:]] == [0, 0]
    assert list(tmp_path.iterdir()) == [tmp_path / "trends"]


@pytest.mark.parametrize("at", range(len(RINGS)))
def test_the_finest_ring_that_reaches_back_is_read(at):
    ring = RINGS[at]
    assert ring_for(ring.span_s, 0) is ring
    assert ring_for(ring.span_s + 1, 0) is RINGS[min(at + 1, len(RINGS) - 1)]
    assert ring_for(1, ring.step_s) is ring
