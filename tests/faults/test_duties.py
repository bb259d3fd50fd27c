"""One thing that the control process does fails or hangs: everything else has its turns, and it is told which."""

import os
import signal
import sys
import textwrap

import pytest

from tests.helpers.scene import Refused, until

BREAK = {
    "counters": """
        from engine.trends.rates import Rates
        def update(self, counters, now):
            raise RuntimeError("no such counter")
        Rates.update = update
        """,
    "links": """
        import asyncio
        from engine.follow_host import HostFollower
        async def keep_following(self):
            await asyncio.sleep(3600)
        HostFollower.keep_following = keep_following
        """,
    "records": """
        import threading
        from engine.changes.revisions import RevisionStore
        RevisionStore.mend = lambda self: threading.Event().wait(60)
        """,
    "module arp": """
        from engine.modules.arp.arp import Arp
        tick, count = Arp.tick, []
        def broken(self, now):
            count.append(now)
            if len(count) > 20:
                raise RuntimeError(f"no such entry {len(count)}")
            return tick(self, now)
        Arp.tick = broken
        """,
    "publishing": """
        from engine.engine import Engine
        def show(self):
            raise RuntimeError("no such row")
        Engine._show = show
        """,
}
TELLS = {
    "counters": "no such counter",
    "links": "follow links, addresses and routes of the host: waits for too long",
    "records": "the disk does not answer",
    "module arp": "no such entry",
    "publishing": "no such row",
}


@pytest.fixture
def broken(monkeypatch, request):
    """Have the engine that is started next start broken; bngctl stays whole."""

    def entry(module):
        begin = textwrap.dedent(BREAK[request.param]) if module == "engine.cli" else ""
        return [sys.executable, "-c", f"{begin}\nfrom {module} import main; raise SystemExit(main())"]

    monkeypatch.setattr("engine.lab.balancer.entry", entry)
    return request.param


@pytest.mark.parametrize("broken", list(BREAK), indirect=True)
def test_a_duty_that_fails_or_waits_is_told_and_keeps_no_other(scene, broken):
    scene.start()
    until(lambda: any(TELLS[broken] in alarm for alarm in scene.alarms()), 15, "an alarm names it")
    # A worker that dies is replaced, a target that dies is found, a trial is taken back, a change is made.
    (worker,) = scene.workers()
    os.kill(worker, signal.SIGKILL)
    until(lambda: scene.workers() not in ([], [worker]), 4, "the worker is replaced")
    scene.lab.stop_server("target2")
    until(lambda: scene.target(2).health == "down", 20, "the check finds the target down")
    if broken == "records":  # a disk that hangs takes no change, and says so
        with pytest.raises(Refused, match="the disk does not answer; nothing was changed"):
            scene.ask("apply", text=scene.ask("running")["text"] + "// a comment\n", file="x.conf")
        scene.admin("disable", 2)
        assert any("does not answer" in alarm for alarm in scene.alarms())
        assert scene.stop() == 0
        return
    text = scene.ask("running")["text"]
    scene.ask("apply", text=text.replace("targets 1,2", "targets 1"), file="x.conf", confirm_within_s=1)
    until(lambda: scene.state().config.pending is None, 4, "the trial is taken back")
    assert scene.server(1).targets == [1, 2]
    assert scene.traffic(32).complete

    duties = {d.name: d for d in scene.state().duties}
    late = {n for n, d in duties.items() if d.last_ok_s is None or d.last_ok_s > 8}
    regular = {"counters", "workers", "links", "records", "sockets", "modules", "watch"}
    assert regular & late <= {broken}
    shown = scene.balancer.ctl("show", "duties")
    (line,) = [line for line in shown.stdout.splitlines() if line.startswith(broken)]
    assert "failed: RuntimeError" in line or "waits for" in line


def test_a_run_folder_that_is_removed_is_there_again(scene):
    scene.start()
    run = scene.balancer.run_dir
    with scene.console() as before:
        for name in ("operator.sock", "monitor.sock", "added.json"):
            (run / name).unlink()
        run.rename(run.with_name("away"))
        until((run / "monitor.sock").is_socket, 5, "the sockets are made again")
        assert before.ask("version")
        assert scene.event(0, "operator.sock was removed, and is there again")
    with scene.console("monitor") as console:
        assert console.hello["role"] == "monitor"
    until((run / "added.json").exists, 3, "the record of what was added is written again")
    assert scene.traffic(32).complete
