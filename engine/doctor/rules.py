"""What on this host would stop or slow the engine, each with the command that fixes it. Facts in, advice out."""

# ruff: noqa: D401 - the docstring of a rule says what has to hold

from __future__ import annotations

import errno
import os
import re
import shlex
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import msgspec

from engine.domain.address import Prefix
from engine.io.privileges import WORKER_USER
from engine.io.seccomp import LIBRARY

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from engine.config.finding import Finding
    from engine.config.model import Config
    from engine.doctor.facts import HostFacts, LinkFacts

MIN_KERNEL = (5, 15)
"""Oldest kernel the engine is made for."""

SLOT_BYTES = 1_900
"""A ring slot of 2 KiB less its header and a virtio header; larger frames take the slow way."""


class Advice(msgspec.Struct, frozen=True, kw_only=True):
    """One thing about this host: `error` stops the engine, `warning` slows or endangers it, `info` is good to know."""

    severity: Literal["error", "warning", "info"]
    code: str
    subject: str
    message: str
    command: str = ""


@dataclass(frozen=True)
class Case:
    """A configuration on a host; `file` is what the operator called the configuration."""

    config: Config
    host: HostFacts
    file: str

    @property
    def virtual(self) -> dict[str, str]:
        """Virtual address → whose it is."""
        found = {n.virt: f"virt of network {n.number}" for n in self.config.networks if n.enabled and n.virt}
        servers = (s for s in self.config.servers if s.enabled and s.ipaddr)
        return found | {str(s.ipaddr): f"server {s.number}" for s in servers}

    def enabled_links(self) -> Iterator[LinkFacts]:
        """Yield the host's interfaces that the configuration uses."""
        for interface in self.config.interfaces:
            link = self.host.links.get(interface.name)
            if interface.enabled and link is not None:
                yield link


def privileges(case: Case) -> Iterator[Advice]:
    """Root, or the two capabilities the AF_PACKET datapath needs."""
    run = f"sudo bng-engine run {shlex.quote(case.file)}"
    needs = {
        "CAP_NET_RAW": "it opens packet sockets and sends echo requests",
        "CAP_NET_ADMIN": "it adds addresses and blackhole routes, and sets interfaces promiscuous",
    }
    for name, why in needs.items():
        if name not in case.host.capabilities:
            yield Advice(
                severity="error",
                code="privilege",
                subject="privileges",
                message=f"the engine needs {name}: {why}",
                command=run,
            )
    refused = case.host.packet_socket_errno
    if refused is not None and "CAP_NET_RAW" in case.host.capabilities:
        yield Advice(
            severity="error",
            code="packet-socket",
            subject="kernel",
            message=f"a packet socket cannot be opened: {os.strerror(refused)}",
            command="modprobe af_packet" if refused == errno.EAFNOSUPPORT else "",
        )


def confinement(case: Case) -> Iterator[Advice]:
    """Workers as somebody of their own, barred from system calls that they do not need."""
    if not case.host.libseccomp:
        yield Advice(
            severity="warning",
            code="seccomp",
            subject="privileges",
            message=f"{LIBRARY} is not installed: every system call is open to workers",
            command="apt install libseccomp2",
        )
    user = case.host.worker_user
    if user is None:
        yield Advice(
            severity="info",
            code="worker-user",
            subject="privileges",
            message="workers keep the user id of the engine, without its capabilities: there is no other here to give them",
        )
    elif user != WORKER_USER:
        yield Advice(
            severity="info",
            code="worker-user",
            subject="privileges",
            message=f"workers run as {user}, as other services may; the user {WORKER_USER} would be theirs alone",
            command=f"useradd --system --no-create-home --shell /usr/sbin/nologin {WORKER_USER}",
        )


def versions(case: Case) -> Iterator[Advice]:
    """Python and kernel are ones the engine is made for."""
    python = ".".join(map(str, case.host.python))
    if case.host.python < (3, 11):
        yield Advice(
            severity="error", code="python", subject="python", message=f"Python {python} is older than 3.11"
        )
    found = re.match(r"(\d+)\.(\d+)", case.host.kernel)
    if found and (int(found[1]), int(found[2])) < MIN_KERNEL:
        yield Advice(
            severity="warning",
            code="kernel",
            subject="kernel",
            message=f"Linux {case.host.kernel} is older than {'.'.join(map(str, MIN_KERNEL))}, which the engine is made for",
        )
    else:
        yield Advice(
            severity="info",
            code="versions",
            subject="versions",
            message=f"Linux {case.host.kernel}, Python {python}",
        )


def interfaces(case: Case) -> Iterator[Advice]:
    """Every enabled interface exists, carries Ethernet, is up, and is not used by another program."""
    for interface in case.config.interfaces:
        if not interface.enabled:
            continue
        subject, link = f"interface {interface.name}", case.host.links.get(interface.name)
        name = shlex.quote(interface.name)
        if link is None:
            yield Advice(
                severity="error",
                code="interface-missing",
                subject=subject,
                message="this host has no such interface",
                command="ip -brief link",
            )
            continue
        if not link.ethernet:
            yield Advice(
                severity="error",
                code="not-ethernet",
                subject=subject,
                message="it does not carry Ethernet frames, so targets cannot be reached by MAC",
                command="ip -brief link",
            )
        if not link.up:
            yield Advice(
                severity="error",
                code="interface-down",
                subject=subject,
                message="it is down",
                command=f"ip link set dev {name} up",
            )
        if link.bridge_port:
            yield Advice(
                severity="warning",
                code="bridge-port",
                subject=subject,
                message="it is a port of a bridge or bond, whose owner handles the same frames; configure that one instead",
                command=f"ip -detail link show dev {name}",
            )
        if link.xdp:
            yield Advice(
                severity="warning",
                code="foreign-xdp",
                subject=subject,
                message="an XDP program sees its frames first; if it is not this engine's own, find out whose it is",
                command=f"ip -detail link show dev {name}",
            )


def offloads(case: Case) -> Iterator[Advice]:
    """What the interface does to frames before the engine sees them."""
    for link in case.enabled_links():
        subject, name = f"interface {link.name}", shlex.quote(link.name)
        if link.lro:
            yield Advice(
                severity="info",
                code="lro",
                subject=subject,
                message="large receive offload merges frames in a way that is not made for forwarding",
                command=f"ethtool -K {name} lro off",
            )
        if link.gro:
            yield Advice(
                severity="info",
                code="gro",
                subject=subject,
                message="generic receive offload is on: merged frames are forwarded whole, so this needs no change",
            )
        if link.mtu > SLOT_BYTES:
            yield Advice(
                severity="warning",
                code="mtu",
                subject=subject,
                message=f"an MTU of {link.mtu} allows frames larger than a ring slot, which take a slower way",
                command=f"ip link set dev {name} mtu 1500",
            )


def addresses(case: Case) -> Iterator[Advice]:
    """The host owns `real` (or gets it from the engine), and no virtual address."""
    for own in case.host.addresses:
        whose = case.virtual.get(own.address)
        if whose is not None:
            yield Advice(
                severity="error",
                code="owns-virtual",
                subject=own.address,
                message=f"the host itself owns the address of {whose}, and would answer its clients",
                command=f"ip addr del {own.address}/{own.prefix} dev {shlex.quote(own.link)}",
            )
    names = {i.number: i.name for i in case.config.interfaces if i.enabled}
    for network in case.config.networks:
        name = names.get(network.interface or 0)
        if not (network.enabled and network.real and network.mask and name in case.host.links):
            continue
        holders = [own.link for own in case.host.addresses if own.address == network.real]
        prefix = Prefix.parse(network.real, network.mask).family_length
        if not holders:
            yield Advice(
                severity="info",
                code="real-added",
                subject=f"network {network.number}",
                message=f"{name} lacks the real address {network.real}; the engine adds it and removes it at its end",
                command=f"ip addr add {network.real}/{prefix} dev {shlex.quote(name)}",
            )
        elif name not in holders:
            yield Advice(
                severity="warning",
                code="real-elsewhere",
                subject=f"network {network.number}",
                message=f"the real address {network.real} is on {holders[0]}, not on {name}",
                command=f"ip addr del {network.real}/{prefix} dev {shlex.quote(holders[0])}",
            )


def forwarding(case: Case) -> Iterator[Advice]:
    """A host that routes sees the frames for virtual addresses too."""
    if case.host.ip_forward:
        yield Advice(
            severity="warning",
            code="ip-forward",
            subject="ip_forward",
            message="the host routes packets, so the kernel looks at every frame for a virtual address as well; the "
            "engine's blackhole routes keep it from sending duplicates, at the price of that work",
            command="sysctl -w net.ipv4.ip_forward=0",
        )


def folders(case: Case) -> Iterator[Advice]:
    """The engine can write its sockets and its state."""
    for folder, fault in case.host.folders.items():
        if fault is None:
            continue
        misplaced = fault.kind == "not-a-folder"
        why = "is not a folder" if misplaced else "may not be written by this user"
        make, look = f"sudo install -d -m 0755 {shlex.quote(folder)}", f"ls -ld {shlex.quote(fault.path)}"
        yield Advice(
            severity="error",
            code="folder",
            subject=folder,
            message=f"the engine cannot write there: {fault.path} {why}",
            command=look if misplaced else make,
        )


def xdp(_: Case) -> Iterator[Advice]:
    """What `--datapath auto` comes to."""
    yield Advice(
        severity="info",
        code="xdp",
        subject="datapath",
        message="`--datapath auto` forwards by AF_PACKET; xdp and xdp-generic forward by an XDP program where they are asked for",
    )


def neighbours(case: Case) -> Iterator[Advice]:
    """The kernel's neighbour table (arp(7), gc_thresh3) holds the targets, which the checks' sockets ask for by ARP."""
    hosts = len({t.ipaddr for t in case.config.targets if t.registered and t.enabled})
    most = case.host.neighbours_max
    # Other hosts, other namespaces and addresses not resolved yet share it.
    if most is not None and hosts > most // 2:
        wanted = 1 << (4 * hosts - 1).bit_length()
        yield Advice(
            severity="warning",
            code="neighbours",
            subject="neighbour table",
            message=f"the kernel keeps at most {most} neighbours, and {hosts} targets are checked: "
            "where they do not fit, checks fail",
            command=f"sysctl -w net.ipv4.neigh.default.gc_thresh2={wanted // 2} net.ipv4.neigh.default.gc_thresh3={wanted}",
        )


RULES: tuple[Callable[[Case], Iterator[Advice]], ...] = (
    privileges,
    confinement,
    versions,
    folders,
    interfaces,
    addresses,
    forwarding,
    neighbours,
    offloads,
    xdp,
)
"""In the order in which they are asked."""

_ORDER = {"error": 0, "warning": 1, "info": 2}


def examine(config: Config, host: HostFacts, file: str) -> list[Advice]:
    """Return all advice for a valid configuration on a host, the gravest first. `file` is named in commands."""
    case = Case(config, host, file)
    found = [advice for rule in RULES for advice in rule(case)]
    return sorted(found, key=lambda advice: _ORDER[advice.severity])


def of_finding(finding: Finding) -> Advice:
    """Turn a finding of an invalid configuration into advice: nothing else can be said before it is fixed."""
    return Advice(
        severity=finding.severity,
        code=finding.code,
        subject=f"{finding.file}:{finding.line}:{finding.column}",
        message=f"{finding.message}; {finding.hint}" if finding.hint else finding.message,
    )
