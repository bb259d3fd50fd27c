import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.domain.pace import REFILL_S, Agenda, PacedAgenda, TokenBucket, spread


def test_a_bucket_lets_its_burst_pass_and_then_its_rate():
    bucket = TokenBucket(10, 5)
    assert [bucket.take(0.0) for _ in range(6)] == [True] * 5 + [False]
    assert [bucket.take(0.1), bucket.take(0.1)] == [True, False]
    assert sum(bucket.take(0.1 + i / 100) for i in range(1, 201)) == 20


def test_a_bucket_never_holds_more_than_its_burst():
    bucket = TokenBucket(1000, 3)
    bucket.take(0.0)
    assert sum(bucket.take(3600.0) for _ in range(10)) == 3


def test_a_clock_that_stands_or_steps_back_gives_no_tokens():
    bucket = TokenBucket(1, 1)
    assert bucket.take(100.0)
    assert not bucket.take(50.0)
    assert not bucket.take(100.5)
    assert bucket.take(101.5)


@given(st.lists(st.tuples(st.sampled_from("abcdef"), st.one_of(st.none(), st.floats(0, 10))), max_size=40))
def test_an_agenda_gives_each_key_once_at_its_last_time(steps):
    agenda: Agenda[str] = Agenda()
    expected: dict[str, float] = {}
    for key, due in steps:
        if due is None:
            agenda.discard(key)
            expected.pop(key, None)
        else:
            agenda.put(key, due)
            expected[key] = due
    assert len(agenda) == len(expected)
    assert agenda.pop(-1.0) is None
    popped = []
    while (key := agenda.pop(10.0)) is not None:
        popped.append(key)
    assert sorted(popped) == sorted(expected)
    assert [expected[k] for k in popped] == sorted(expected.values())


def test_an_agenda_that_is_shifted_keeps_its_order_and_its_moves():
    agenda: Agenda[str] = Agenda()
    for key, due in (("a", 1.0), ("b", 2.0), ("c", 0.5), ("a", 3.0)):
        agenda.put(key, due)
    agenda.discard("c")
    agenda.shift(10.0)
    agenda.put("d", 12.5)
    assert agenda.pop(11.9) is None
    assert [agenda.pop(20.0) for _ in range(4)] == ["b", "d", "a", None]


def test_spread_is_even_and_the_same_in_every_run():
    values = sorted(spread(f"172.16.{i // 256}.{i % 256}") for i in range(1024))
    assert spread("172.16.1.100") == spread("172.16.1.100")
    tenths = [sum(1 for v in values if i / 10 <= v < (i + 1) / 10) for i in range(10)]
    assert min(tenths) > 60
    assert max(tenths) < 150


def test_an_agenda_says_when_its_first_key_is_due():
    agenda: Agenda[str] = Agenda()
    assert agenda.next_due() == math.inf
    agenda.put("a", 3.0)
    agenda.put("b", 2.0)
    assert agenda.next_due() == 2.0
    agenda.put("b", 5.0)
    assert agenda.next_due() == 3.0
    agenda.discard("a")
    assert agenda.next_due() == 5.0
    agenda.shift(10.0)
    assert agenda.next_due() == 15.0
    assert agenda.pop(14.9) is None
    assert agenda.pop(15.0) == "b"
    assert agenda.next_due() == math.inf


def test_a_paced_agenda_lets_a_burst_go_and_then_bundles_at_its_rate():
    agenda: PacedAgenda[int] = PacedAgenda(100, 10)
    for key in range(40):
        agenda.put(key, 1.0)
    now, times = 0.0, []
    while len(agenda):
        now = max(now, agenda.next_due())
        while (key := agenda.pop(now)) is not None:
            times.append((round(now - 1.0, 3), key))
    assert [key for _, key in times] == list(range(40))
    assert sum(at == 0 for at, _ in times) == 10
    assert times[-1][0] == pytest.approx(0.3, abs=REFILL_S)
    assert len({at for at, _ in times}) == 7  # the burst, and five at a time
    assert agenda.next_due() == math.inf


def test_a_paced_agenda_that_is_not_pressed_is_an_agenda():
    agenda: PacedAgenda[str] = PacedAgenda(100, 10)
    agenda.put("a", 5.0)
    assert agenda.next_due() == 5.0
    assert agenda.pop(4.99) is None
    assert agenda.pop(5.0) == "a"
