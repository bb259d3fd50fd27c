"""The meaning of interval and timeout (docs/architecture.md, Checks), as properties: whatever the attempts bring, in any order."""

import math

from hypothesis import given, settings
from hypothesis import strategies as st

from engine.modules.hc.watch import Watch
from engine.modules.state.world import CheckResult

TIMES = st.integers(1, 6).flatmap(lambda i: st.tuples(st.just(i), st.integers(i + 1, 20)))
STEP = 0.1
RTT = 0.05


class Run:
    """Drives a Watch as hc does: an attempt ends by its answer after RTT or as lost after min(interval, timeout)."""

    def __init__(self, interval, timeout, results):
        self.watch = Watch(CheckResult(), interval, timeout)
        self.results = iter(results)
        self.now = 0.0
        self.start_at = 0.0
        self.end_at: float | None = None
        self.ending = "ok"
        self.log: list[tuple[float, str]] = []  # (time, state or ending)
        self.attempt_s = min(interval, timeout)

    def run(self, until):
        while self.now < until:
            self.now = round(self.now + STEP / 2, 3)
            if self.end_at is not None and self.now >= self.end_at:
                self.end()
            before = self.watch.result.state
            self.watch.judge(self.now)
            if before != self.watch.result.state:
                self.log.append((self.now, "down"))
            if self.end_at is None and self.now >= self.start_at:
                self.ending = next(self.results, "ok")
                self.watch.begin(self.now)
                self.end_at = self.now + (self.attempt_s if self.ending == "lost" else RTT)
        return self

    def end(self):
        self.end_at = None
        before = self.watch.result.state
        if self.ending == "ok":
            self.watch.good(self.now, 1.0)
        else:
            self.watch.bad(self.now, self.ending, certain=self.ending == "refused")
        self.log.append((self.now, self.ending))
        if before != self.watch.result.state:
            self.log.append((self.now, self.watch.result.state))
        self.start_at = self.watch.next_start(self.now)


ENDINGS = st.lists(st.sampled_from(["ok", "lost", "refused"]), max_size=8)


@given(times=TIMES, endings=ENDINGS)
@settings(deadline=None)
def test_one_lost_probe_between_good_ones_never_takes_it_down(times, endings):
    isolated = ["ok"]
    for ending in endings:
        isolated += ["lost" if ending == "refused" else ending, "ok"]
    run = Run(*times, isolated).run(60)
    assert "down" not in [word for _, word in run.log]


@given(times=TIMES, endings=ENDINGS)
@settings(deadline=None)
def test_one_refusal_between_good_ones_never_takes_it_down_either(times, endings):
    isolated = ["ok"]
    for ending in endings:
        isolated += ["refused" if ending == "lost" else ending, "ok"]
    run = Run(*times, isolated).run(60)
    assert "down" not in [word for _, word in run.log]


@given(times=TIMES, endings=ENDINGS)
@settings(deadline=None)
def test_silence_takes_it_down_no_earlier_than_the_timeout_and_no_later_than_an_interval_more(times, endings):
    interval, timeout = times
    run = Run(interval, timeout, ["ok", *[e for e in endings if e == "ok"], *["lost"] * 200]).run(100)
    last_ok = max(at for at, word in run.log if word == "ok")
    (down,) = [at for at, word in run.log if word == "down"]
    assert last_ok + timeout <= down + STEP
    assert down <= last_ok + timeout + interval + STEP


@given(times=TIMES, endings=ENDINGS)
@settings(deadline=None)
def test_one_good_answer_brings_it_up(times, endings):
    run = Run(*times, endings).run(60)
    state = "unknown"
    for index, (_, word) in enumerate(run.log):
        if word == "ok" and state != "up":
            assert run.log[index + 1][1] == "up"
        if word in {"up", "down"}:
            state = word


@given(times=TIMES)
def test_two_refusals_in_a_row_take_it_down_half_a_second_apart(times):
    run = Run(*times, ["ok", "refused", "refused", "refused"]).run(times[0] + 2)
    first, second = [at for at, word in run.log if word == "refused"][:2]
    assert 0.4 <= second - first <= 0.7
    assert (second, "down") in run.log


def test_a_refusal_and_a_lost_attempt_are_not_two_refusals():
    run = Run(3, 10, ["ok", "refused", "lost", "refused", "ok"]).run(8)
    assert "down" not in [word for _, word in run.log]


@given(endings=st.lists(st.sampled_from(["lost", "refused"]), min_size=1, max_size=20))
def test_down_until_the_first_success(endings):
    run = Run(3, 10, [*endings, "ok"])
    run.run(3 * len(endings) + 10)
    states = [word for _, word in run.log if word in {"up", "down"}]
    assert states == ["down", "up"]


def test_a_refused_target_that_is_down_is_asked_once_an_interval():
    run = Run(3, 10, ["refused"] * 20).run(30)
    assert len([1 for _, word in run.log if word == "refused"]) in range(9, 12)


def well(now: float) -> Watch:
    watch = Watch(CheckResult(), 3, 10)
    watch.good(now, 1.0)
    return watch


def test_no_more_than_the_silence_is_excused():
    watch = well(100)
    watch.excuse(600, 100.5)  # the engine stood still, and then read an answer that had come meanwhile
    for now in (104, 107, 110, 113):
        watch.bad(now, "no answer", certain=False)
    assert watch.result.state == "down"


def test_a_refusal_before_an_outage_and_one_after_it_are_not_two_in_a_row():
    watch = well(100)
    watch.bad(101, "refused", certain=True)
    watch.unheard("not judged while eth0 is down")
    watch.bad(105, "refused", certain=True)
    assert watch.result.state == "up"
    watch.bad(106, "refused", certain=True)
    assert watch.result.state == "down"


# -- the edges --------------------------------------------------------------------------------------------------------


def lost(watch, *times):
    for now in times:
        watch.bad(now, "no answer", certain=False)
    return watch


def test_one_lost_attempt_grants_an_interval_two_do_not():
    assert lost(well(100), 104).down_at() == 100 + 10 + 3
    assert lost(well(100), 104, 107).down_at() == 110
    assert well(100).down_at() == math.inf
    assert Watch(CheckResult(), 3, 10).down_at() == math.inf


def test_it_goes_down_at_that_very_moment_and_not_before():
    watch = lost(well(100), 104, 107)
    assert not watch.judge(109.999)
    assert watch.result.state == "up"
    assert watch.judge(110)
    assert watch.result.state == "down"
    assert not watch.judge(111)  # that is no news
    assert watch.down_at() == math.inf


def test_what_was_excused_is_added():
    watch = lost(well(100), 104, 107)
    watch.excuse(5, 107)
    assert watch.down_at() == 115
    watch.excuse(100, 108)
    assert watch.down_at() == 115 + 8  # no more than the silence
    watch.excuse(5, 90)
    assert watch.down_at() == 123
    watch.good(120, 1.0)
    assert lost(watch, 121, 122).down_at() == 130


def test_while_answers_cannot_arrive_time_stands_still():
    watch = lost(well(100), 104, 107)
    watch.hear(108, possible=False)
    watch.hear(109, possible=False)
    assert watch.down_at() == math.inf
    assert not watch.judge(1000)
    watch.hear(1008, possible=True)
    assert watch.down_at() == 110 + 900
    watch.hear(1009, possible=True)
    assert watch.down_at() == 1010
    watch.hear(1009, possible=False)
    watch.good(1020, 1.0)  # it was heard all the same
    watch.hear(1022, possible=True)
    assert lost(watch, 1023, 1024).down_at() == 1032


def test_two_certain_refusals_need_no_time():
    watch = well(100)
    assert watch.bad(101, "refused", certain=True)
    assert watch.result.state == "up"
    assert watch.bad(101.5, "refused", certain=True)
    assert watch.result.state == "down"
    assert watch.result.error == "refused"


def test_what_is_news():
    watch = Watch(CheckResult(), 3, 10)
    assert watch.bad(1, "no answer", certain=False)  # it is down now
    assert not watch.bad(4, "no answer", certain=False)
    assert watch.bad(7, "refused", certain=True)  # another cause
    assert watch.good(10, 1.0)
    assert not watch.good(13, 2.0)
    assert (watch.result.rtt_ms, watch.result.error, watch.result.last_ok) == (2.0, None, 13)
    assert watch.bad(16, "no answer", certain=False)
    assert not watch.bad(17, "no answer", certain=False)
    assert watch.unheard("not judged")
    assert not watch.unheard("not judged")
    assert watch.result.error == "not judged"


def test_a_target_that_is_down_keeps_its_cause_while_it_cannot_be_heard():
    watch = Watch(CheckResult(), 3, 10)
    watch.bad(1, "refused", certain=True)
    assert not watch.unheard("not judged")
    assert watch.result.error == "refused"


def test_the_next_attempt_is_an_interval_after_the_last_or_soon_after_a_refusal():
    watch = well(100)
    watch.begin(103)
    assert watch.flying
    watch.good(103.5, 1.0)
    assert not watch.flying
    assert watch.next_start(103.5) == 106
    assert watch.next_start(107) == 107
    watch.begin(106)
    watch.bad(106.1, "refused", certain=True)
    assert watch.next_start(106.1) == 106.6
    watch.begin(106.6)
    watch.bad(106.7, "refused", certain=True)
    assert watch.next_start(106.7) == 109.6  # it is down
    assert watch.result.tried
