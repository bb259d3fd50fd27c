"""What an engine remembers over its own end: events, and how it went."""

import os
import signal

from tests.helpers.scene import until


def test_after_a_kill_events_and_the_course_are_still_there_and_the_kill_is_told(own_scene):
    scene = own_scene
    scene.traffic(200)
    before = scene.events()
    until(lambda: len(trend(scene)["times"]) >= 3, 10, "three seconds were measured")
    measured = [at for at, sessions in course(scene, "sessions") if sessions]
    assert measured

    os.kill(scene.pid, signal.SIGKILL)
    scene.balancer.process.wait(10)
    scene.start()
    after = scene.events()
    assert [e.id for e in after[: len(before)]] == [e.id for e in before]
    told = next(e for e in after if e.id > before[-1].id)
    assert told.message.startswith("started again: the run before (pid ")
    assert "was killed, or it crashed" in told.message
    until(lambda: trend(scene)["times"][-1] > measured[-1] + 1, 10, "the second life was measured")
    assert set(measured) <= {at for at, sessions in course(scene, "sessions") if sessions}


def test_after_a_stop_nothing_is_told_and_numbers_go_on(own_scene):
    scene = own_scene
    last = scene.events()[-1].id
    scene.stop()
    scene.start()
    after = scene.events()
    assert [e.id for e in after] == sorted(e.id for e in after)
    assert after[-1].id > last
    assert not [e for e in after if "killed" in e.message or "restarted" in e.message]


def test_a_state_folder_that_takes_nothing_is_an_alarm_and_forwarding_goes_on(own_scene):
    scene = own_scene
    scene.stop()
    path = scene.balancer.state_dir / "trends"
    path.unlink()
    path.mkdir()
    scene.start()
    until(lambda: any("how it goes is not recorded" in text for text in scene.alarms()), 10, "an alarm")
    scene.traffic(64)
    path.rmdir()
    until(lambda: not any("how it goes" in text for text in scene.alarms()), 10, "the alarm is over")
    until(lambda: trend(scene)["times"], 10, "it is recorded again")


def trend(scene, what="target", number=1):
    return scene.ask("trend", what=what, number=number, seconds=120)


def course(scene, name):
    answer = trend(scene)
    return list(zip(answer["times"], answer["values"][name], strict=True))
