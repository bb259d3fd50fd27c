"""What fuzzing found stays found, and every fuzzer runs for a moment."""

import random

import pytest

from engine.datapath.contract import DropReason
from engine.lab.balancer import Balancer
from engine.lab.topology import Lab
from tests.bench import harness
from tests.fuzz import fuzz_config, fuzz_packets, fuzz_socket, fuzz_worker
from tests.fuzz.loop import CORPUS, Broken, Run

MOMENT_S = 3


def corpus(name):
    found = sorted((CORPUS / name).glob("*.bin"))
    return [pytest.param(path.read_bytes(), id=path.stem) for path in found]


@pytest.mark.parametrize("data", corpus("config"))
def test_configurations_that_broke_something_once(data):
    fuzz_config.check(data)


@pytest.mark.parametrize("name", ["config", "socket"])
def test_there_is_a_corpus(name):
    assert corpus(name)


def test_the_configuration_survives_a_moment():
    assert fuzz_config.main(["--seconds", str(MOMENT_S), "--no-keep"]) == 0


def test_packets_survive_a_moment():
    assert fuzz_packets.main(["--seconds", str(MOMENT_S), "--no-keep"]) == 0


@pytest.mark.netns
def test_the_sockets_survive_a_moment_and_what_broke_them_once(run_id, tmp_path):
    with Lab(f"{run_id}-fuzz") as lab:
        balancer = Balancer(lab, tmp_path / "engine", fuzz_socket.SAMPLES / "dsr.conf")
        balancer.wait_ready()
        scene = fuzz_socket.Scene(balancer, random.Random(), keep=False)
        status = fuzz_socket.fuzz(scene, MOMENT_S, grown=False)
        ended = balancer.stop()
    assert (status, ended) == (0, 0), scene.findings
    assert fuzz_socket.TRACEBACK not in balancer.log_text()
    assert scene.connections > 20
    assert scene.states > 5


@pytest.mark.netns
def test_a_real_worker_survives_a_tenth_of_the_mutated_frames(run_id):
    with harness.wire(f"{run_id}-wire") as made:
        found = fuzz_worker.ordeal(made, 60_000, random.Random(1))
    assert found.survived
    assert found.sent > 50_000
    assert found.counters.dropped[DropReason.FAULT] == 0
    # By hand, on a quiet machine, it is held to more (`fuzz_worker.SLOWER`).
    assert found.ratio > 0.6


# -- that the fuzzers see what they look for --------------------------------------------------------------------------


def test_a_finding_is_counted_once_made_small_and_reported(capsys):
    def check(data):
        if b"x" in data:
            raise Broken("an x")

    run = Run("none", 1, check, keep=False)
    for data in (b"abc", b"aaaaxbbbb", b"x"):
        run.one(data)
    assert run.report() == 1
    assert (run.executions, len(run.findings)) == (3, 1)
    assert "\nb'x'\n" in capsys.readouterr().out


def test_a_round_trip_that_is_none_is_seen(monkeypatch):
    data = fuzz_config.pack("balanceng", fuzz_config.mutate.SEEDS["balanceng"][0])
    fuzz_config.check(data)
    monkeypatch.setattr(fuzz_config, "dump_toml", lambda _config: "modules = ['arp']\n")
    with pytest.raises(Broken, match="read again as toml"):
        fuzz_config.check(data)


def test_an_internal_answer_is_seen(tmp_path):
    import asyncio

    from engine.api.server import Server

    class Failing:
        engine_version, boot_id, hostname = "0", "b", "h"

        async def call(self, op, _args, _actor):
            raise ValueError(op)

    class Balancer:
        run_dir = tmp_path / "run"

    async def play():
        server = Server(Failing(), Balancer.run_dir)
        await server.start()
        body = fuzz_socket.msgspec.msgpack.encode({"id": 1, "op": "conf", "args": {}})
        scene = fuzz_socket.Scene(Balancer(), random.Random(1), keep=False)
        await fuzz_socket.hostile(
            scene, [len(body).to_bytes(4, "big") + body], role="operator", manner="read"
        )
        await server.close()
        return scene

    scene = asyncio.run(play())
    assert [what.split(":")[0] for what in scene.findings] == ["internal"]
    assert scene.codes == {"internal": 1}
