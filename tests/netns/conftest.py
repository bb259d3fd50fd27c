"""Real packets: a lab per test, and the engine in it."""

import json
import subprocess
from pathlib import Path

import pytest

from engine.lab.demo import entry, sample_config
from engine.lab.topology import Lab, command_environment

READY_TIMEOUT_S = 30


class RunningEngine:
    """An engine in a node of a lab, with its sockets, its log and bngctl for it."""

    def __init__(self, lab, directory, config, node="lb", options=()):
        self.lab = lab
        self.run_dir = directory / "run"
        self.state_dir = directory / "state"
        self.log = directory / "engine.log"
        directory.mkdir()
        with self.log.open("wb") as log:
            self.process = lab.popen(
                node,
                [
                    *(*entry("engine.cli"), "run", str(config), *options),
                    *("--run-dir", str(self.run_dir), "--state-dir", str(self.state_dir)),
                ],
                tied=True,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=command_environment(),
                start_new_session=True,
            )

    def ctl(self, *args, timeout_s=60):
        """Run bngctl; returns CompletedProcess."""
        return subprocess.run(
            [*entry("bngtui.ctl"), "--run-dir", str(self.run_dir), *args],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=timeout_s,
            env=command_environment(),
        )

    def json(self, *args):
        """Run `bngctl --json ...`, which has to succeed, and return what it prints."""
        done = self.ctl("--json", *args)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    def wait_ready(self, timeout_s=READY_TIMEOUT_S):
        """Wait until its first round of checks is over."""
        done = self.ctl("wait-ready", "--timeout", str(timeout_s), timeout_s=timeout_s + 30)
        assert done.returncode == 0, f"not ready: {done.stderr}\n{self.log_text()}"

    def log_text(self):
        return self.log.read_text(errors="replace")

    def stop(self, timeout_s=10):
        """End it as a service manager would; returns its exit status."""
        if self.process.poll() is None:
            self.process.terminate()
        try:
            return self.process.wait(timeout=timeout_s)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise


@pytest.fixture
def lab(run_id):
    """The seed's network, up; everything in it ends with the test."""
    with Lab(f"{run_id}-lab") as lab:
        yield lab


@pytest.fixture
def start_engine(lab, tmp_path):
    """Call it to run an engine: `start_engine(config, *options, node="lb", wait=True)`; config is a path or text.

    Stopped after the test; one that a test did not end itself has to stop cleanly. A failed test shows the logs.
    """
    engines = []

    def start(config=None, *options, node="lb", wait=True):
        directory = tmp_path / f"engine{len(engines)}"
        path = sample_config("dsr.conf") if config is None else config
        if isinstance(config, str) and "\n" in config:
            path = tmp_path / f"engine{len(engines)}.conf"
            path.write_text(config)
        engine = RunningEngine(lab, directory, Path(path), node, options)
        engines.append(engine)
        if wait:
            engine.wait_ready()
        return engine

    yield start
    statuses = []
    for engine in engines:
        ended_before = engine.process.poll() is not None
        try:
            statuses.append(0 if ended_before else engine.stop())
        finally:
            print(f"--- {engine.log} (status {engine.process.returncode})\n{engine.log_text()}")
    assert not any(statuses), f"an engine did not stop cleanly: {statuses}"


@pytest.fixture
def engine(start_engine):
    """The engine on the seed's file, in the balancer's node, ready."""
    return start_engine()
