"""The balancer with a second card: another network, with a card of each target in it, and no router."""

from __future__ import annotations

import contextlib
import os
import re
import select
import socket
import struct
import threading

from engine.datapath.afpacket.sender import tag_bytes, tagged
from engine.io import if_packet as c
from engine.lab import addressing, links
from engine.lab.balancer import sample_config
from engine.lab.namespaces import inside

PREFIX = 24
REAL = "10.2.0.252"
TARGETS = {"target1": "10.2.0.100", "target2": "10.2.0.101"}
PORTS = {"lb": REAL, **TARGETS}
"""What hangs on the second switch by its eth1, each with the address its MAC is made of."""

LB_MAC = addressing.mac_of(REAL)


def build(lab, bridge="br1"):
    """Wire the second network. Targets answer by their first card, by which their default route leads."""
    with contextlib.ExitStack() as stack:
        nodes = {node: os.open(lab.netns_path(node), os.O_RDONLY | os.O_CLOEXEC) for node in PORTS}
        for fd in nodes.values():
            stack.callback(os.close, fd)
        with inside(lab.netns_path("switch")):
            if bridge != "br0":
                links.bridge(bridge)
            for number, (node, address) in enumerate(PORTS.items()):
                peer = {"ifname": "eth1", "address": addressing.mac_of(address), "net_ns_fd": nodes[node]}
                links.cable(f"{node}-1", f"02:02:00:00:00:{number:02x}", peer, master=bridge)
    for node, address in TARGETS.items():
        with inside(lab.netns_path(node)):
            links.addresses("eth1", [address], PREFIX)
    with inside(lab.netns_path("lb")):
        links.set_link("eth1", up=True)


class Trunk(threading.Thread):
    """A switch's port that leads one VLAN: tagged to the balancer, untagged to the bridge. (Not every kernel has VLANs.)"""

    def __init__(self, lab, bridge, vlan):
        super().__init__(daemon=True)
        self._tag = tag_bytes(vlan)
        self._ended = False
        with inside(lab.netns_path("switch")), links.netlink() as netlink:
            netlink.link("set", index=links.index_of(netlink, "lb-1"), master=0)
            links.cable("trunk", "02:02:00:00:00:fe", {"ifname": "trunk-1", "address": "02:02:00:00:00:ff"})
            netlink.link(
                "set",
                index=links.index_of(netlink, "trunk-1"),
                master=links.index_of(netlink, bridge),
                state="up",
            )
            self._balancer, self._bridge = (self._socket(name) for name in ("lb-1", "trunk"))
        self.start()

    @staticmethod
    def _socket(name):
        sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
        for option in (c.PACKET_IGNORE_OUTGOING, c.PACKET_AUXDATA, c.PACKET_VNET_HDR):
            sock.setsockopt(c.SOL_PACKET, option, 1)
        sock.bind((name, c.ETH_P_ALL))
        return sock

    def run(self):
        while not self._ended:
            for sock in select.select([self._balancer, self._bridge], [], [], 0.2)[0]:
                data, ancillary, _, _ = sock.recvmsg(70000, 128)
                status = control = 0
                for _, _, value in ancillary:
                    status, _, _, _, _, control, _ = struct.unpack_from("IIIHHHH", value)
                tag = tag_bytes(control) if status & c.TP_STATUS_VLAN_VALID else b""
                with contextlib.suppress(OSError):  # a card that is down
                    if sock is self._bridge:
                        self._balancer.send(tagged(memoryview(data), self._tag))
                    elif tag == self._tag:
                        self._bridge.send(data)

    def end(self):
        self._ended = True
        self.join()
        self._balancer.close()
        self._bridge.close()


def config(*moved, vlan=None, more=""):
    """Return the example's file with a second network, and the targets of these numbers in it (both by default).

    On a VLAN they have no check of their own, for which the kernel needs a link of the VLAN.
    """
    text = sample_config("dsr.conf").read_text()
    second = f"""interface 2 {{
    name eth1
}}
register  interface 2
enable    interface 2
network 2 {{
    addr 10.2.0.0
    mask 255.255.255.0
    real {REAL}
    interface 2
    {"" if vlan is None else f"vlan {vlan}"}
}}
register  network 2
enable    network 2
"""
    for number in moved or (1, 2):
        text = text.replace(f"ipaddr 172.16.1.{99 + number}\n", f"ipaddr 10.2.0.{99 + number}\n")
    if vlan is not None:
        text = re.sub(r"(?m)^ +tcpopen.*\n", "", text)
    return re.sub(r"(?m)^server\s+1 \{", lambda found: second + more + found[0], text)
