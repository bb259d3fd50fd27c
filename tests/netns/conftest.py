"""Real packets: a lab per test, and the engine in it."""

from pathlib import Path

import pytest

from engine.lab.balancer import Balancer, sample_config
from engine.lab.topology import Lab


@pytest.fixture
def lab(run_id):
    """The seed's network, up; everything in it ends with the test."""
    with Lab(f"{run_id}-lab") as lab:
        yield lab


@pytest.fixture
def start_engine(lab, tmp_path):
    """Call it to run an engine: `start_engine(config, *options, node="lb", wait=True)`; config is a path or text.

    Returns a Balancer, stopped after the test; one that a test did not end itself has to stop cleanly. A failed
    test shows the logs.
    """
    started = []

    def start(config=None, *options, node="lb", wait=True):
        path = (
            sample_config("dsr.conf") if config is None else Path(config) if "\n" not in str(config) else None
        )
        if path is None:
            path = tmp_path / f"engine{len(started)}.conf"
            path.write_text(config)
        balancer = Balancer(lab, tmp_path / f"engine{len(started)}", path, node=node, options=options)
        started.append(balancer)
        if wait:
            balancer.wait_ready()
        return balancer

    yield start
    statuses = []
    for balancer in started:
        try:
            statuses.append(balancer.stop() if balancer.process.poll() is None else 0)
        finally:
            print(f"--- {balancer.log} (status {balancer.process.returncode})\n{balancer.log_text()}")
    assert not any(statuses), f"an engine did not stop cleanly: {statuses}"


@pytest.fixture
def engine(start_engine):
    """The engine on the seed's file, in the balancer's node, ready."""
    return start_engine()
