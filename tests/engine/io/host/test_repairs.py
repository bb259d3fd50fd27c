"""What is told of repairs, and when they are a contest."""

from engine.io.host.repairs import PACE_S, TOLD, WINDOW_S, Repairs


def test_a_few_repairs_are_told_and_one_more_is_a_contest():
    repairs = Repairs()
    for second in range(TOLD):
        assert repairs.due("x", second)
        assert repairs.done("x", second)
        assert repairs.contested(second) == set()
    assert repairs.due("x", TOLD)
    assert not repairs.done("x", TOLD)
    assert repairs.contested(TOLD) == {"x"}


def test_repairs_that_lie_apart_are_no_contest():
    repairs = Repairs()
    for n in range(TOLD):
        assert repairs.done("x", n)
    assert repairs.done("x", WINDOW_S)  # the first one counts no more
    assert repairs.contested(WINDOW_S) == set()
    assert not repairs.done("x", WINDOW_S + 0.5)  # the second still does


def contest(now=0.0):
    repairs = Repairs()
    for _ in range(TOLD + 1):
        repairs.done("x", now)
    return repairs


def test_what_is_contested_is_put_back_at_a_steady_pace():
    repairs = contest()
    assert not repairs.due("x", PACE_S - 0.01)
    assert repairs.due("x", PACE_S)
    assert not repairs.done("x", PACE_S)
    assert not repairs.due("x", 2 * PACE_S - 0.01)
    assert repairs.due("y", 0)


def test_a_contest_is_over_when_the_thing_was_left_alone_for_a_while():
    repairs = contest()
    assert repairs.contested(WINDOW_S - 0.01) == {"x"}
    assert repairs.contested(WINDOW_S) == set()
    assert repairs.due("x", WINDOW_S)
    assert repairs.done("x", WINDOW_S)


def test_things_are_counted_apart():
    repairs = contest()
    assert repairs.done("y", 0)
    assert repairs.contested(0) == {"x"}
