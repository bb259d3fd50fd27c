"""Why the program is not taken by the kernel, or not given to an interface, in words that say what to do."""

from __future__ import annotations

import array
import errno
import fcntl
import socket
import struct

from engine.datapath.xdp import libbpf

_OTHERWISE = "use --datapath afpacket"

_SAID = (
    # Part of what drivers say (their extended acknowledgements), in lower case; what mends it.
    ("lro", "switch it off: ethtool -K {name} lro off"),
    ("mtu", "a packet has to fit a page: make the MTU of {name} smaller (ip link set {name} mtu 1500)"),
    ("queue", "leave more transmit queues free: ethtool -L {name} combined with half as many"),
    ("tx ring", "leave more transmit queues free: ethtool -L {name} combined with half as many"),
    ("csum", "switch it off: ethtool -K {name} rx off"),
)


_SIOCETHTOOL, _GDRVINFO, _DRVINFO_BYTES = 0x8946, 3, 196  # linux/sockios.h, linux/ethtool.h


def driver_of(name: str) -> str:
    """Return the driver of an interface; empty where it does not say."""
    info = array.array("B", struct.pack("<I", _GDRVINFO) + bytes(_DRVINFO_BYTES - 4))
    request = struct.pack("16sP", name.encode(), info.buffer_info()[0])
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking:
        try:
            fcntl.ioctl(asking, _SIOCETHTOOL, request + bytes(16))
        except OSError:
            return ""
    return info.tobytes()[4:36].split(b"\0")[0].decode(errors="replace")


def loses_frames(name: str) -> str | None:
    """Say why native XDP would lose what it sends by an interface; None where nothing is known against it.

    A veth hands frames of XDP over only where its other end takes them by NAPI, and has no checksums for those that came
    without (drivers/net/veth.c).
    """
    if driver_of(name) != "veth":
        return None
    return (
        f"{name} is an end of a veth pair, where frames that native XDP sends are lost, and checksums that the sender left"
        f" to its interface: use --datapath xdp-generic or afpacket"
    )


def not_loaded(error: Exception) -> str:
    """Say why the program is not loaded."""
    if isinstance(error, libbpf.BpfError):
        if error.number == errno.EPERM:
            return f"the XDP program may not be loaded: root, or CAP_BPF and CAP_NET_ADMIN, is needed; or {_OTHERWISE}"
        said = f" ({error.log.strip().splitlines()[-1]})" if error.log.strip() else ""
        return f"this kernel does not take the XDP program: {error}{said}; Linux 5.17 or newer is needed, or {_OTHERWISE}"
    return f"{libbpf.NAME} cannot be loaded ({error}); install libbpf (Debian: libbpf1), or {_OTHERWISE}"


def not_attached(name: str, ifindex: int, error: libbpf.BpfError, *, generic: bool) -> str:
    """Say why the program is not attached to an interface, and whose is there if one is."""
    said = f" ({error.log})" if error.log else ""
    if error.number in {errno.EBUSY, errno.EEXIST} and (number := libbpf.attached(ifindex)):
        called = libbpf.name_of(number)
        what = f"{called!r} (number {number})" if called else f"number {number}"
        return (
            f"another XDP program is on {name}: {what}; it is left alone. Remove it with the tool that put it there, or"
            f" {_OTHERWISE}"
        )
    for word, mend in _SAID:
        if word in error.log.lower():
            return f"{name} does not take an XDP program{said}: {mend.format(name=name)}; or {_OTHERWISE}"
    if error.number == errno.EOPNOTSUPP and not generic:
        return f"the driver of {name} has no native XDP{said}: use --datapath xdp-generic or afpacket"
    return f"{name} does not take an XDP program: {error}{said}; {_OTHERWISE}"
