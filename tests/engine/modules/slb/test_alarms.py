"""One alarm for each cause, with the number of those it concerns."""

from __future__ import annotations


def raised(play):
    return [
        (alarm.severity, alarm.subject, alarm.count, alarm.message) for alarm in play.world.alarms.values()
    ]


def many(kit, count, **fields):
    """A server whose targets refuse what they are asked."""
    play = kit.make(
        kit.seed(
            targets=[kit.target(n) for n in range(1, count + 1)],
            servers=[kit.server(targets=list(range(1, count + 1)), **fields)],
        )
    )
    for number in range(1, count + 1):
        play.hosts[f"172.16.1.{99 + number}"] = f"02:00:00:00:01:{number:02x}"
    return play


def test_what_many_have_for_one_cause_is_one_alarm_with_their_number(kit):
    play = many(kit, 40)
    play.live(6)
    assert not play.world.alarms
    play.no_service.update(f"172.16.1.{99 + n}" for n in range(2, 41))
    play.live(15)
    ((severity, subject, count, message),) = raised(play)
    assert (severity, subject, count) == ("warning", "39 targets", 39)
    assert message.startswith("39 targets down: connection refused on 172.16.1.101:80")
    assert message.endswith(", and so on (target 2, 3, 4 and 36 more)")
    (alarm,) = play.world.alarms.values()
    assert alarm.subjects == [f"target {n}" for n in range(2, 41)]
    play.no_service.clear()
    play.live(15)
    assert not play.world.alarms


def test_causes_that_differ_are_alarms_of_their_own(kit):
    play = many(kit, 4)
    play.live(6)
    play.no_service.update({"172.16.1.100", "172.16.1.101"})
    play.no_alias.add(("172.16.1.102", kit.VIP))
    play.live(15)
    told = raised(play)
    assert [(subject, count) for _, subject, count, _ in told] == [("2 targets", 2), ("target 3", 1)]
    assert "target 1, 2)" in told[0][3]
    assert told[1][3].startswith("target 3 down: does not accept 172.16.1.10")
    (alarm,) = [one for one in play.world.alarms.values() if one.count == 1]
    assert alarm.subjects == []


def test_servers_that_serve_nobody_are_one_alarm_beside_that_of_their_targets(kit):
    servers = [kit.server(n, ipaddr=f"172.16.1.{9 + n}", targets=[1]) for n in range(1, 6)]
    play = kit.make(kit.seed(servers=servers, targets=[kit.target(1)]))
    play.live(6)
    play.no_service.add("172.16.1.100")
    play.live(15)
    told = raised(play)
    assert [(severity, subject) for severity, subject, _, _ in told] == [
        ("error", "5 servers"),
        ("warning", "target 1"),
    ]
    assert told[0][3].startswith("5 servers serve nobody: target 1: connection refused")


def test_a_target_that_is_out_of_one_server_is_an_alarm(kit):
    servers = [kit.server(1), kit.server(2, ipaddr="172.16.1.11"), kit.server(3, ipaddr="172.16.1.12")]
    play = kit.make(kit.seed(servers=servers))
    play.no_alias.update({("172.16.1.100", "172.16.1.11"), ("172.16.1.100", "172.16.1.12")})
    play.live(15)
    assert [(severity, message) for severity, _, _, message in raised(play)] == [
        ("warning", "target 1 out of server 2: does not accept 172.16.1.11"),
        ("warning", "target 1 out of server 3: does not accept 172.16.1.12"),
    ]
    play.world.target_admin[1] = "disabled"
    play.live(1)
    assert not play.world.alarms, "who was taken out by hand is nobody's trouble"
