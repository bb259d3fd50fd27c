"""`udp` and `dns`: what does the target say to a datagram on its own address? A connected kernel socket.

The kernel hands an ICMP error to the socket that it is about (udp(7)): refused where the host has nothing on the port.
"""

from __future__ import annotations

import asyncio
import errno
import os
import random
import socket
import time
from typing import TYPE_CHECKING

from engine.domain.checks import ProbeAnswer
from engine.packets.questions import QUESTIONS

if TYPE_CHECKING:
    from engine.domain.checks import ProbeStart
    from engine.packets.questions import Question

SILENT_S = 1.0
"""How long a service that need not answer is waited for: a refusal comes within milliseconds on a local network."""

_CERTAIN = {
    errno.ECONNREFUSED: "port unreachable: nothing on UDP port {1} of {0}",
    errno.EHOSTUNREACH: "no route to host {0}",
    errno.EHOSTDOWN: "host {0} is down",
}


async def run(probe: ProbeStart) -> ProbeAnswer:
    """Send one datagram and wait for what comes back. Never raises but for cancellation.

    Ok where it is answered, or where nothing is said to a question that need not be (`silent`). Certain: refused or
    unreachable.
    """
    address, port, question = probe.key.address, probe.key.port or 0, QUESTIONS[probe.key.kind]
    patience_s = probe.key.attempt_s if question.must_answer else min(SILENT_S, probe.key.attempt_s)
    number = random.randrange(0x10000)
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
    begun = time.monotonic()
    try:
        try:
            sock.bind((str(probe.source), 0))
        except OSError as error:
            return ProbeAnswer(
                ok=False, error=f"cannot send from {probe.source}: {os.strerror(error.errno or 0)}"
            )
        sock.connect((str(address), port))
        sock.send(question.build(number))
        if await _answered(sock, question, number, patience_s):
            return ProbeAnswer(ok=True, rtt_ms=(time.monotonic() - begun) * 1000)
    except OSError as error:
        code = error.errno or errno.EIO
        if code in _CERTAIN:
            return ProbeAnswer(ok=False, error=_CERTAIN[code].format(address, port), certain=True)
        return ProbeAnswer(ok=False, error=f"{os.strerror(code)} on UDP port {port} of {address}")
    finally:
        sock.close()
    if question.must_answer:
        error_text = f"no answer to {question.asks} on UDP port {port} of {address} within {patience_s:g} s"
        return ProbeAnswer(ok=False, error=error_text)
    return ProbeAnswer(ok=True, silent=True)


async def _answered(sock: socket.socket, question: Question, number: int, patience_s: float) -> bool:
    """Wait for an answer to the question; False where none comes in time. Raises the socket's error."""
    loop = asyncio.get_running_loop()
    try:
        async with asyncio.timeout(patience_s):
            while True:
                if question.answers(await loop.sock_recv(sock, 65536), number):
                    return True
    except TimeoutError:
        return False
