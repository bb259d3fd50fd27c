"""Whether another engine runs in this network namespace: what carries our mark may then be that one's.

Names of abstract Unix sockets belong to a network namespace and go with their socket, however a process ends (unix(7));
/proc/net/unix lists them with an @ in front (proc_net(5)).
"""

from __future__ import annotations

import secrets
import socket
from pathlib import Path

_PREFIX = "bng-engine/"
_LISTING = Path("/proc/thread-self/net/unix")


class Presence:
    """Shows other engines in this network namespace that this one is there, and looks for them."""

    def __init__(self) -> None:
        self._name = _PREFIX + secrets.token_hex(8)
        self._sock = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._sock.bind("\0" + self._name)

    def alone(self) -> bool:
        """Tell whether no other engine runs; False where that cannot be found out."""
        try:
            text = _LISTING.read_text(errors="replace")
        except OSError:
            return False
        names = {line.rpartition(" @")[2] for line in text.splitlines() if f" @{_PREFIX}" in line}
        return names <= {self._name}

    def close(self) -> None:
        """Be gone."""
        self._sock.close()
