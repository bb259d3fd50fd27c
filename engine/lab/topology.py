"""The lab: the example network built, used and taken down again.

`Lab("bng").up()` makes the namespaces bng-client, bng-router, ..., wires them, starts the targets' web servers and
returns when a client reaches both. `down()` ends every process inside and removes every name, also what is left of a
half-built lab. Needs root's capabilities, or a user namespace entered before (`namespaces.obtain_privileges`).
"""

from __future__ import annotations

import contextlib
import os
import select
import shutil
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from pyroute2.netlink.exceptions import NetlinkError

from engine.lab import addressing, httpd, links, namespaces, processes
from engine.lab.namespaces import LabError

if TYPE_CHECKING:
    from collections.abc import Sequence

STATE_DIR = Path("/run/bng-lab")
"""A folder per prefix: logs, and the mark by which `down` knows that names are the lab's."""

READY_TIMEOUT_S = 10.0
"""For a web server to start and for a first connection; both take some 0.1 s on an idle machine."""

_PACKAGE_ROOT = Path(__file__).resolve().parents[2]


def command_environment() -> dict[str, str]:
    """Return the environment in which `python -m engine...` works, installed or from a checkout."""
    paths = [str(_PACKAGE_ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(paths)}


class Lab:
    """One network of namespaces, named `<prefix>-<node>`; several can exist side by side."""

    def __init__(self, prefix: str = "bng") -> None:
        if (
            not prefix
            or len(prefix) > 64
            or not all(c.isascii() and (c.isalnum() or c in "-_") for c in prefix)
        ):
            raise LabError(f"{prefix!r} is not a prefix for names: use letters, digits, - and _ for --prefix")
        self.prefix = prefix
        self.state_dir = STATE_DIR / prefix
        self._children: list[subprocess.Popen[Any]] = []
        self._servers: dict[str, subprocess.Popen[bytes]] = {}

    def __enter__(self) -> Self:
        self.up()
        return self

    def __exit__(self, *_: object) -> None:
        self.down()

    # -- up and down ------------------------------------------------------------------------------------------------

    def name(self, node: str) -> str:
        """Return the name of a node's namespace; LabError for an unknown node."""
        if node not in addressing.NODES:
            raise LabError(f"no node {node!r}: the nodes are {', '.join(addressing.NODES)}")
        return f"{self.prefix}-{node}"

    def netns_path(self, node: str) -> Path:
        """Return the file that stands for a node's network namespace."""
        return namespaces.NETNS_DIR / self.name(node)

    def is_up(self) -> bool:
        """Return whether this lab, or a part of it, exists."""
        return self.state_dir.exists()

    def up(self) -> None:
        """Build everything; LabError if it exists already or cannot be built, with nothing left behind."""
        try:
            self.state_dir.mkdir(mode=0o755, parents=True)
        except FileExistsError:
            raise LabError(
                f"lab {self.prefix!r} is already up: bng-lab down --prefix {self.prefix}"
            ) from None
        for node in addressing.NODES:
            if self.netns_path(node).exists():
                self._forget()
                raise LabError(
                    f"{self.netns_path(node)} exists and is not the lab's: use another --prefix, "
                    f"or remove it (ip netns delete {self.name(node)})"
                )
        try:
            self._build()
        except BaseException as error:
            self.down()
            if isinstance(error, OSError):
                refusal = namespaces.explain_refusal(error, os.geteuid(), namespaces.missing_capabilities())
                raise LabError(f"cannot build the lab: {error}; {refusal}") from error
            if isinstance(error, NetlinkError):
                raise LabError(
                    f"the kernel refused a link or address: {error}; needed are veth and bridge (modprobe veth bridge)"
                ) from error
            raise

    def _build(self) -> None:
        """Make the nodes, wire them, start the servers, prove that a client reaches them."""
        for node in addressing.NODES:
            namespaces.create(self.name(node))
            with namespaces.inside(self.netns_path(node)):
                links.quiet_defaults()
        self._wire()
        for node in addressing.TARGETS:
            self._start_server(node)
        for node in addressing.TARGETS:
            self._await_server(node)
        self._prove()

    def _wire(self) -> None:
        """Connect the nodes and give them their addresses and routes."""
        with contextlib.ExitStack() as stack:

            def fd_of(node: str) -> int:
                fd = os.open(self.netns_path(node), os.O_RDONLY | os.O_CLOEXEC)
                stack.callback(os.close, fd)
                return fd

            with namespaces.inside(self.netns_path("switch")):
                links.bridge("br0")
                for number, (node, address) in enumerate(addressing.LAN_PORTS.items()):
                    peer = {"ifname": "eth0", "address": addressing.mac_of(address), "net_ns_fd": fd_of(node)}
                    links.cable(node, f"02:01:00:00:00:{number:02x}", peer, master="br0")
            with namespaces.inside(self.netns_path("router")):
                links.sysctl("ipv4/ip_forward", 1)
                links.addresses("eth0", [addressing.ROUTER], addressing.LAN_PREFIX)
                mac = addressing.mac_of(addressing.CLIENT_SOURCES[0])
                peer = {"ifname": "eth0", "address": mac, "net_ns_fd": fd_of("client")}
                links.cable("eth1", addressing.mac_of(addressing.CLIENT_GATEWAY), peer)
                links.addresses("eth1", [addressing.CLIENT_GATEWAY], addressing.LAN_PREFIX)
        with namespaces.inside(self.netns_path("client")):
            links.addresses("eth0", list(addressing.CLIENT_SOURCES), addressing.LAN_PREFIX)
            links.default_route(addressing.CLIENT_GATEWAY, "eth0")
        with namespaces.inside(self.netns_path("lb")):
            links.set_link("eth0", up=True)
            links.default_route(addressing.ROUTER, "eth0", onlink=True)
        for node, address in addressing.TARGETS.items():
            # Before the interface is up: the alias is never announced, not even for a moment.
            self.set_arp(node, ignore=1, announce=2)
            self.alias(node, present=True)
            with namespaces.inside(self.netns_path(node)):
                links.addresses("eth0", [address], addressing.LAN_PREFIX)
                links.default_route(addressing.ROUTER, "eth0")

    def _prove(self) -> None:
        """Connect from the client to each target's own address, through the router."""
        deadline = time.monotonic() + READY_TIMEOUT_S
        for node, address in addressing.TARGETS.items():
            while True:
                try:
                    with namespaces.inside(self.netns_path("client")):
                        socket.create_connection((address, addressing.HTTP_PORT), timeout=1).close()
                    break
                except OSError as error:
                    if time.monotonic() > deadline:
                        raise LabError(f"the client does not reach {node} ({address}): {error}") from error
                    time.sleep(0.02)

    def down(self) -> None:
        """End every process in the lab and remove it; does nothing if there is no lab of this prefix."""
        if not self.state_dir.exists():
            return
        processes.end(self.members())
        for child in self._children:
            with contextlib.suppress(subprocess.TimeoutExpired):
                child.wait(timeout=processes.GRACE_S)
            if child.stdout is not None and child in self._servers.values():
                child.stdout.close()
        self._children.clear()
        self._servers.clear()
        for node in addressing.NODES:
            namespaces.remove(self.name(node))
        self._forget()

    def members(self) -> list[processes.Identity]:
        """Return everything that runs in the lab's namespaces, whichever process started it."""
        inodes = set()
        for node in addressing.NODES:
            with contextlib.suppress(OSError):  # half built
                inodes.add(self.netns_path(node).stat().st_ino)
        return processes.in_namespaces(inodes)

    def leave_running(self) -> None:
        """Let go of the programs started here, so that this process may end and they go on."""
        for child in self._children:
            if child.stdout is not None:
                child.stdout.close()
            child.returncode = 0  # nothing here waits for it
        self._children.clear()
        self._servers.clear()

    def _forget(self) -> None:
        """Remove the state folder, and the folder above it with the last lab."""
        shutil.rmtree(self.state_dir, ignore_errors=True)
        with contextlib.suppress(OSError):
            STATE_DIR.rmdir()

    # -- programs ---------------------------------------------------------------------------------------------------

    def popen(
        self, node: str, argv: Sequence[str], *, tied: bool = False, **options: Any
    ) -> subprocess.Popen[Any]:
        """Start a program in a node; its pid is the program's own. `tied`: it gets SIGTERM when this process ends.

        `options` are Popen's. The program runs in this process's mount namespace but for a fresh /sys.
        """
        enter = [
            *(sys.executable, "-I", "-S", namespaces.__file__, "enter"),
            *(str(self.netns_path(node)), str(os.getpid() if tied else 0)),
        ]
        child = subprocess.Popen([*enter, *argv], **options)  # noqa: S603 - the caller's program
        self._children.append(child)
        return child

    def run(self, node: str, argv: Sequence[str], *, timeout_s: float = 30, **options: Any) -> Any:
        """Run a program in a node to its end; returns CompletedProcess with text output, and raises as Popen does."""
        child = self.popen(
            node,
            argv,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            **options,
        )
        with child:
            try:
                out, err = child.communicate(timeout=timeout_s)
            except BaseException:
                child.kill()
                raise
            finally:
                self._children.remove(child)
        return subprocess.CompletedProcess(list(argv), child.returncode, out, err)

    # -- the targets' web servers -----------------------------------------------------------------------------------

    def access_log(self, node: str) -> Path:
        """Return the access log of a target: a line per request, the client's address first."""
        return self.state_dir / f"{node}.access.log"

    def start_server(self, node: str) -> None:
        """Start a target's web server and wait until it listens."""
        self._start_server(node)
        self._await_server(node)

    def _start_server(self, node: str) -> None:
        argv = [sys.executable, "-I", httpd.__file__, "--name", node, "--log", str(self.access_log(node))]
        with (self.state_dir / f"{node}.log").open("ab") as log:
            # A session of its own: an interrupt at the terminal is for the lab's owner, which then stops the servers.
            self._servers[node] = self.popen(
                node,
                argv,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=log,
                cwd="/",
                start_new_session=True,
            )

    def _await_server(self, node: str) -> None:
        pipe = self._servers[node].stdout
        assert pipe is not None  # noqa: S101 - for the type checker: started with a pipe above
        readable, _, _ = select.select([pipe], [], [], READY_TIMEOUT_S)
        if not readable or pipe.readline() != b"ready\n":
            log = (self.state_dir / f"{node}.log").read_text(encoding="utf-8", errors="replace")
            raise LabError(f"the web server of {node} did not start: {log.strip() or 'its log is empty'}")

    def stop_server(self, node: str) -> None:
        """Stop a target's web server, whichever process started it; connections in progress break."""
        inode = self.netns_path(node).stat().st_ino
        argument = httpd.__file__.encode()
        serving = [
            process
            for process in processes.in_namespaces({inode})
            if argument in Path(f"/proc/{process.pid}/cmdline").read_bytes().split(b"\0")
        ]
        processes.end(serving)
        child = self._servers.pop(node, None)
        if child is not None:
            child.wait()
            if child.stdout is not None:
                child.stdout.close()
            self._children.remove(child)

    # -- what may go wrong in a network -----------------------------------------------------------------------------

    def alias(self, node: str, address: str = addressing.VIP, *, present: bool) -> None:
        """Give a node's loopback interface an address (the virtual server's), or take it away."""
        with namespaces.inside(self.netns_path(node)):
            links.alias(address, present=present)

    def set_arp(self, node: str, *, ignore: int, announce: int) -> None:
        """Set arp_ignore and arp_announce for all interfaces of a node (ip-sysctl.rst; direct server return needs 1 and 2)."""
        self.set_sysctl(node, "ipv4/conf/all/arp_ignore", ignore)
        self.set_sysctl(node, "ipv4/conf/all/arp_announce", announce)

    def set_sysctl(self, node: str, key: str, value: int | str) -> None:
        """Set net.KEY (`ipv4/conf/all/arp_ignore`) in a node."""
        with namespaces.inside(self.netns_path(node)):
            links.sysctl(key, value)

    def set_link(self, node: str, interface: str = "eth0", *, up: bool) -> None:
        """Turn a node's interface on or off; the kernel forgets the routes over one that goes off."""
        with namespaces.inside(self.netns_path(node)):
            links.set_link(interface, up=up)

    def set_cable(self, node: str, *, up: bool) -> None:
        """Plug or pull the cable of a node at the switch: the node sees its carrier go, and keeps its routes."""
        with namespaces.inside(self.netns_path("switch")):
            links.set_link(node, up=up)

    def set_mtu(self, mtu: int, nodes: Sequence[str] = tuple(addressing.LAN_PORTS)) -> None:
        """Set the MTU in bytes of the nodes' eth0 and of their ports at the switch; by default of the whole LAN."""
        for node in nodes:
            with namespaces.inside(self.netns_path("switch")):
                links.set_link(node, mtu=mtu)
            with namespaces.inside(self.netns_path(node)):
                links.set_link("eth0", mtu=mtu)


def prefixes() -> list[str]:
    """Return the prefixes of the labs that exist on this host (in this user namespace)."""
    return sorted(entry.name for entry in STATE_DIR.iterdir()) if STATE_DIR.is_dir() else []
