"""What waits for a disk waits alone, in its order, and no longer than the engine does."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import threading
import time

import pytest

from engine.changes.disk_thread import DiskThread


async def test_one_thing_is_done_after_the_other_and_the_loop_goes_on():
    disk, did = DiskThread(), []
    gate = threading.Event()
    first = asyncio.create_task(disk.do(gate.wait, 5))
    others = [asyncio.create_task(disk.do(did.append, n)) for n in range(5)]
    await asyncio.sleep(0.05)
    assert did == []
    gate.set()
    assert await first
    await asyncio.gather(*others)
    assert did == list(range(5))
    assert await disk.do(sum, [1, 2], start=3) == 6


async def test_what_it_raises_is_for_who_asked_and_the_next_is_done():
    disk = DiskThread()
    with pytest.raises(OSError, match="No such file"):
        await disk.do(open, "/nowhere/at/all")
    assert await disk.do(int) == 0


async def test_who_asks_waits_for_a_while_and_what_had_not_begun_is_not_done():
    disk, did, gate = DiskThread(0.05), [], threading.Event()
    hung = asyncio.create_task(disk.do(lambda: (gate.wait(5), did.append("begun"))))
    late = asyncio.create_task(disk.do(did.append, "late"))
    for one in (hung, late):
        with pytest.raises(OSError, match="the disk does not answer"):
            await one
    gate.set()
    assert await disk.drain(5)
    assert did == ["begun"]


async def test_the_end_waits_for_what_was_asked_and_not_for_a_disk_that_hangs():
    disk, did = DiskThread(), []
    slow = asyncio.create_task(disk.do(lambda: (time.sleep(0.05), did.append(1))))
    await asyncio.sleep(0)
    assert await disk.drain(5)
    assert did == [1]
    gate = threading.Event()
    hung = asyncio.create_task(disk.do(gate.wait, 5))
    await asyncio.sleep(0)
    assert not await disk.drain(0.05)
    gate.set()
    await asyncio.gather(slow, hung)


def test_a_process_ends_whatever_the_disk_is_at():
    code = """
import asyncio, threading
from engine.changes.disk_thread import DiskThread
async def main():
    disk = DiskThread()
    hung = asyncio.create_task(disk.do(threading.Event().wait))
    await asyncio.sleep(0.01)
    assert not await disk.drain(0.01)
    hung.cancel()
asyncio.run(main())
print("ended")
"""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=20, check=False
    )
    assert (done.stdout, done.stderr) == ("ended\n", "")
