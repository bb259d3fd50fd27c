"""Twenty clients of every harmful kind on monitor.sock: operators, checks and traffic go on as if nobody were there."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

ROOM_MB = 100
P99_S = 0.5
SECONDS = 25


def rss_mb(pid):
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / 1024
    return 0.0


class Watch(threading.Thread):
    """Notes the most memory that a process has."""

    def __init__(self, pid):
        super().__init__(daemon=True)
        self.pid, self.most, self.over = pid, 0.0, threading.Event()
        self.start()

    def run(self):
        while not self.over.wait(0.05):
            self.most = max(self.most, rss_mb(self.pid))


def test_monitors_that_mean_harm_delay_nobody(scene):
    scene.start()
    scene.ask("check", text=scene.config.read_text(), file="x.conf")
    before = rss_mb(scene.pid)
    watch = Watch(scene.pid)
    command = [
        sys.executable,
        "-m",
        "tests.helpers.attacker",
        scene.balancer.run_dir / "monitor.sock",
        str(SECONDS),
    ]
    attacker = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[2])
    try:
        time.sleep(3)
        took, oldest_s = [], 0.0
        with scene.console() as operator, scene.traffic_meanwhile(rate=50) as meanwhile:
            deadline = time.monotonic() + SECONDS - 6
            while time.monotonic() < deadline:
                begun = time.monotonic()
                action = ("drain", "enable")[len(took) % 2]
                assert operator.ask("admin", what="target", action=action, numbers=[2])["changed"] == [2]
                took.append(time.monotonic() - begun)
                checks = [check for target in operator.ask("state")["targets"] for check in target["checks"]]
                oldest_s = max(oldest_s, *(check["last_ok_s"] for check in checks))
                time.sleep(0.1)
        out, _ = attacker.communicate(timeout=30)
    finally:
        attacker.kill()
        attacker.wait()
        watch.over.set()
    harm = json.loads(out)
    p99 = sorted(took)[int(len(took) * 0.99)]
    print(
        f"{harm}; p99 {p99 * 1000:.0f} ms of {len(took)}; {before:.0f} → {watch.most:.0f} MB; oldest check {oldest_s:.1f} s"
    )
    assert all(harm.get(kind, 0) > 0 for kind in ("loris", "deaf", "large", "expensive", "refused")), harm
    assert meanwhile.tally.complete
    assert oldest_s < 5, "every 3 s"
    # Where other things keep the processors busy meanwhile, everybody waits for longer.
    assert p99 < P99_S * max(1.0, (os.getloadavg()[0] - 2) / (os.cpu_count() or 1))
    assert watch.most - before < ROOM_MB

    (sockets,) = [s for s in scene.state().sockets if s.role == "monitor"]
    assert sockets.refused["read-only"] >= harm["refused"]
    assert scene.balancer.log_text().count("save refused to a monitor") < 500
    late = [
        d.name for d in scene.state().duties if d.last_ok_s is not None and d.last_ok_s > 8 and d.failures
    ]
    assert not late


def test_an_order_whose_client_has_gone_is_not_carried_out(scene):
    """It waits behind a change that takes long; then it is too late to ask whether it is wanted still."""
    scene.start()
    text = scene.config.read_text()
    # A new virtual address is asked for before it is taken, for half a second.
    slow = (
        text
        + "server 2 {\nipaddr 172.16.1.77\nport 80\nprotocol tcp\ntargets 1\n}\nregister server 2\nenable server 2\n"
    )
    with scene.console() as first:
        waiting = scene.background(first.ask, "apply", text=slow, file="x.conf", confirm_within_s=600)
        time.sleep(0.1)
        gone = scene.console()
        gone.send({"id": 1, "op": "apply", "args": {"text": text + "// gone\n", "file": "x.conf"}})
        gone.sock.close()
        waiting.result(60)
    time.sleep(1)
    assert scene.balancer.config.read_text() == text
    assert all(not e.message.startswith("revision 3") for e in scene.events())
    assert scene.state().config.pending.revision == 2


def test_the_end_of_the_engine_waits_for_no_text(scene):
    scene.start()
    console = scene.console("monitor")
    lists = ("register targets " + ",".join(str(n % 1024 + 1) for n in range(1000)) + "\n") * 400
    console.send({"id": 1, "op": "check", "args": {"text": lists, "file": "x.conf"}})
    time.sleep(0.3)
    begun = time.monotonic()
    os.kill(scene.pid, signal.SIGTERM)
    assert scene.balancer.process.wait(10) == 0
    assert time.monotonic() - begun < 3
    console.sock.close()
