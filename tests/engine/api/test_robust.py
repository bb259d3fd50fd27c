"""Arbitrary bytes on one connection, and states of the largest size."""

import asyncio
import itertools
import struct
import time

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from engine.api.client import Client
from engine.api.codec import encode_frame
from engine.api.messages import MAX_FRAME_BYTES, StateFrame
from engine.api.server import Server
from tests.helpers import states

bodies = st.one_of(
    st.binary(max_size=64),
    st.builds(lambda n: b"\x91" * n, st.integers(0, 3000)),
    st.sampled_from(
        [
            b"\xdd\xff\xff\xff\xff",
            b"\xdf\xff\xff\xff\xff",
            b"\xc6\xff\xff\xff\xff",
            b"\x83\xa2id\x01\xa2op\xa5admin\xa4args\xdd\xff\xff\xff\xff",
            b"\x82\xa2id\xd3\x80\x00\x00\x00\x00\x00\x00\x00\xa2op\xa7version",
            b"\x82\xa2id\x01\xa2op\xa2\xff\xfe",
            b"\x83\xa2id\x01\xa2op\xa6events\xa4args\x81\xa5limit\xff",
        ]
    ),
)
pieces = st.lists(
    st.one_of(
        bodies.map(lambda body: struct.pack(">I", len(body)) + body),
        bodies,
        st.integers(0, 2**32 - 1).map(lambda size: struct.pack(">I", size)),
    ),
    max_size=6,
)
directories = itertools.count()


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(stream=pieces, role=st.sampled_from(["operator", "monitor"]))
def test_whatever_one_connection_sends_the_others_are_served(stream, role, canned, tmp_path):
    async def scene():
        run = tmp_path / str(next(directories))
        backend = canned.CannedBackend()
        failures = []
        asyncio.get_running_loop().set_exception_handler(lambda _, context: failures.append(context))
        server = Server(backend, run, frame_s=0.05, stall_s=0.3)
        await server.start()
        async with await Client.connect(run / "operator.sock") as good:
            await good.request("subscribe", state=False)
            _, writer = await asyncio.open_unix_connection(run / f"{role}.sock")
            for piece in stream:
                writer.write(piece)
                await asyncio.sleep(0)
            assert await good.request("state", timeout_s=2) == backend.now
            server.publish_event(states.event(7))
            assert (await anext(good.frames())).event.id == 7
            writer.close()
            async with await Client.connect(run / "monitor.sock") as fresh:
                assert await fresh.request("conf", timeout_s=2)
        await server.close()
        assert failures == []
        assert not [op for op, _, _ in backend.calls if op == "admin"]

    asyncio.run(scene())


def test_the_largest_configuration_fits_a_frame_and_encodes_fast():
    state = states.large_state(512, 1024, each=4)
    started = time.perf_counter()
    frame = encode_frame(StateFrame(state=state))
    took = time.perf_counter() - started
    print(f"512 servers, 1024 targets: {len(frame) / 1e6:.2f} MB in {took * 1e3:.1f} ms")
    assert len(frame) < MAX_FRAME_BYTES
    assert took < 0.25


@pytest.mark.parametrize("each", [48, 200])
async def test_a_state_with_too_many_checks_is_cut_and_says_so(canned, tmp_path, each, caplog):
    backend = canned.CannedBackend(states.large_state(512, 1024, each=each))
    backend.now.targets[0].checks[-1].state = "down"
    server = Server(backend, tmp_path / "run")
    await server.start()
    async with await Client.connect(tmp_path / "run/monitor.sock") as client:
        asked = await client.request("state")
        await client.request("subscribe", events=False)
        pushed = (await anext(client.frames())).state
    await server.close()
    for state in (asked, pushed):
        assert len(state.targets) == 1024
        assert max(len(target.checks) for target in state.targets) == 8
        assert state.targets[0].checks[0].state == "down"
        assert "too many checks" in state.alarms[-1].message
    assert caplog.text.count("consoles see part of") == 1
