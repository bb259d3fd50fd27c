"""Run a program within what the service's unit permits, as far as a process can do that to itself without systemd.

python unit_sandbox.py UNIT PROGRAM ...

Capabilities, system calls, address families, executable memory, no new privileges. What systemd does with mounts
(ProtectSystem and the like) is not tried here.
"""

from __future__ import annotations

import ctypes
import os
import re
import socket
import subprocess
import sys
from pathlib import Path

from engine.io import privileges
from engine.io.privileges import Capability
from engine.io.seccomp import Call, allow_only

PR_SET_MDWE, PR_MDWE_REFUSE_EXEC_GAIN = 65, 1  # since Linux 6.3
_ANY_VALUE = 0xFFFFFFFF


def settings(unit: Path, name: str) -> list[str]:
    return re.findall(rf"^{name}=(.*)$", unit.read_text(), re.MULTILINE)


def expanded(groups: list[str]) -> set[str]:
    """The system calls of systemd's groups, and of groups within them."""
    found = set()
    for group in groups:
        if not group.startswith("@"):
            found.add(group)
            continue
        text = subprocess.run(
            ["systemd-analyze", "syscall-filter", "--no-pager", group],
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        words = [
            line.strip()
            for line in text.splitlines()[1:]
            if line.strip() and not line.strip().startswith("#")
        ]
        found |= expanded(words)
    return found


def permitted(unit: Path) -> list[Call]:
    """What SystemCallFilter and RestrictAddressFamilies leave; the group @default is always permitted."""
    names = expanded(["@default"])
    for line in settings(unit, "SystemCallFilter"):
        groups = line.removeprefix("~").split()
        names = names - expanded(groups) if line.startswith("~") else names | expanded(groups)
    (families,) = settings(unit, "RestrictAddressFamilies")
    calls = [Call(name) for name in sorted(names - {"socket"})]
    return calls + [Call("socket", 0, getattr(socket, family), _ANY_VALUE) for family in families.split()]


def main() -> None:
    unit, *command = sys.argv[1:]
    (bounding,) = settings(Path(unit), "CapabilityBoundingSet")
    kept = [Capability[name.removeprefix("CAP_")] for name in bounding.split()]
    calls = permitted(Path(unit))
    privileges._bound(kept)
    privileges._keep(kept)
    privileges._no_new_privileges()
    if "yes" in settings(Path(unit), "MemoryDenyWriteExecute"):
        privileges._call(ctypes.CDLL(None).prctl(PR_SET_MDWE, PR_MDWE_REFUSE_EXEC_GAIN, 0, 0, 0))
    allow_only(calls)
    os.execv(command[0], command)


if __name__ == "__main__":
    main()
