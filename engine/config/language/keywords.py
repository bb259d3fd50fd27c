"""Every word of BalanceNG's language, block by block: what it does, how it is written, and whether it is built yet.

The parser, the completion, the help and the highlighting of the consoles are all drawn from these tables.
Source: the configuration files on BalanceNG's pages and the manual's list of words.
"""

from __future__ import annotations

from dataclasses import dataclass
from difflib import get_close_matches
from typing import TYPE_CHECKING, Literal

from engine.config.model import MAX_INSTANCES, MAX_SERVERS, MAX_STIMEOUT_S, MAX_TARGETS, MAX_VLAN, MODULES
from engine.domain.checks import CHECK_KINDS

if TYPE_CHECKING:
    from collections.abc import Iterable

Kind = Literal["interface", "network", "server", "target"]
BlockName = Literal["", "interface", "network", "server", "target", "gateway", "vrrp", "set"]


@dataclass(frozen=True)
class Keyword:
    """One word of the language.

    `form` is how its value is written; `values` are the only ones it takes, where they can be listed. `pending` is
    empty for a word that works, else it says what happens until it does.
    """

    help: str
    form: str
    values: tuple[str, ...] = ()
    pending: str = ""

    @property
    def explained(self) -> str:
        """What it does, with the values that its form does not name, and what happens until it does it."""
        named = self.form.replace("|", " ").split()
        unnamed = ", ".join(value for value in self.values if value not in named)
        partly = len(unnamed.split(", ")) < len(self.values)
        values = (f", also {unnamed}" if partly else f" ({unnamed})") if unnamed else ""
        pending = f"; not built yet: {self.pending}" if self.pending else ""
        return f"{self.help}{values}{pending}"


KINDS: dict[Kind, int] = {
    "interface": MAX_INSTANCES,
    "network": MAX_INSTANCES,
    "server": MAX_SERVERS,
    "target": MAX_TARGETS,
}
"""Blocks that have a number and are defined, registered and enabled, with the largest number of each."""

PLURALS: dict[str, Kind] = {f"{kind}s": kind for kind in KINDS}
"""The plural of each kind, legal after `register`, `enable`, `disable` and `no`."""

TOP: dict[str, Keyword] = {
    "modules": Keyword("the modules a frame visits, in this order", "A,B,...", MODULES),
    "set": Keyword("a setting of the whole engine", "NAME VALUE | { NAME VALUE ... }"),
    "interface": Keyword("a Linux interface that frames are taken from and sent to", "N { ... }"),
    "network": Keyword("an IP network on an interface", "N { ... }"),
    "gateway": Keyword("the next hop of this node", "{ ... }"),
    "vrrp": Keyword("election of the master among redundant nodes", "{ ... }"),
    "server": Keyword("a virtual server, the address and port that clients use", "N { ... }"),
    "target": Keyword("a real server behind virtual ones", "N { ... }"),
    "register": Keyword("declare a definition complete", "KIND LIST", tuple(KINDS)),
    "enable": Keyword("put a registered definition to work", "KIND LIST", tuple(KINDS)),
    "disable": Keyword("take a definition out of work, keep it registered", "KIND LIST", tuple(KINDS)),
    "no": Keyword("undo a definition, a registration or an enabling", "[register|enable] KIND LIST"),
}

_NAME = Keyword("a name for people", "TEXT")
_PORT = Keyword("the service's port", "1-65535 | any")
_PROTOCOL = Keyword("the service's protocol", "tcp | udp | any", ("tcp", "udp", "any"))

BLOCKS: dict[BlockName, dict[str, Keyword]] = {
    "": TOP,
    "interface": {
        "name": Keyword("the interface's name in Linux", "NAME"),
        "access": Keyword("how frames are read and written", "raw", ("raw",)),
        "threads": Keyword("worker processes on this interface", "1-64"),
    },
    "network": {
        "name": _NAME,
        "addr": Keyword("the network's address", "ADDRESS"),
        "mask": Keyword("the network's mask", "MASK"),
        "real": Keyword("this node's own address, source of ARP requests and health checks", "ADDRESS"),
        "virt": Keyword("the address a redundant pair shares, answered by the master", "ADDRESS"),
        "mask6": Keyword("the IPv6 prefix length", "0-128", pending="IPv6 is ignored"),
        "real6": Keyword("this node's own IPv6 address", "ADDRESS", pending="IPv6 is ignored"),
        "virt6": Keyword("the shared IPv6 address", "ADDRESS", pending="IPv6 is ignored"),
        "syncpeer": Keyword(
            "the node that session tables are exchanged with", "ADDRESS", pending="sessions stay on this node"
        ),
        "nat": Keyword(
            "the side of address translation",
            "inside | outside",
            ("inside", "outside"),
            pending="addresses are not translated",
        ),
        "interface": Keyword("the interface the network is on", "N"),
        "vlan": Keyword("the VLAN of the interface, where the network is not untagged", f"1-{MAX_VLAN}"),
    },
    "server": {
        "name": _NAME,
        "ipaddr": Keyword("the virtual address", "ADDRESS"),
        "port": _PORT,
        "protocol": _PROTOCOL,
        "method": Keyword(
            "how the target of a new session is chosen",
            "rr | random | hash | first | session",
            ("rr", "random", "hash", "first", "session", "bw", "agent", "rndagent"),
        ),
        "sessionid": Keyword("what identifies a session", "src | src+port", ("src", "src+port")),
        "stimeout": Keyword("idle seconds after which a session ends", f"1-{MAX_STIMEOUT_S}"),
        "plugin": Keyword("a program that chooses the target", "TEXT", pending="the method chooses alone"),
        "targets": Keyword("the targets that serve", "LIST"),
        "backup": Keyword("targets that serve while all others are down", "LIST"),
    },
    "target": {
        "name": _NAME,
        "ipaddr": Keyword("the target's own address", "ADDRESS"),
        "port": _PORT,
        "protocol": _PROTOCOL,
        **{kind.word: Keyword(kind.meaning, kind.form) for kind in CHECK_KINDS.values()},
        "dsr": Keyword(
            "direct server return: the target answers clients itself", "enable", ("enable", "disable")
        ),
        "agent": Keyword("health and load asked from a program", "TEXT", pending="this check does not run"),
        "script": Keyword("health check by a script", "TEXT", pending="this check does not run"),
        "weight": Keyword("share of new sessions, for rr and random", "1-255"),
        "maxsessions": Keyword("most sessions at a time, 0 for no limit", "0-10000000"),
        "drainwithin": Keyword(
            "seconds after which what is left at a drained target ends, 0 for never", "0-604800"
        ),
        "alert": Keyword("a command to run when the target goes down", "TEXT", pending="it is not run"),
        "upalert": Keyword("a command to run when the target comes up", "TEXT", pending="it is not run"),
    },
    "gateway": {
        "ipaddr": Keyword("the gateway's address", "ADDRESS"),
        **{
            kind.word: Keyword(kind.gateway_meaning, kind.form, pending="the gateway is not checked")
            for kind in CHECK_KINDS.values()
            if kind.gateway_meaning
        },
    },
    "vrrp": {
        "vrid": Keyword("the number of the virtual router", "1-255"),
        "priority": Keyword("who becomes master: the highest", "1-255"),
        "network": Keyword("the network the election runs on", "N"),
    },
    "set": {
        name: Keyword(text, "VALUE", pending="it has no effect here")
        for name, text in {
            "ipforwarding": "let the kernel forward between networks",
            "multithreading": "use several threads",
            "sessionautoresync": "exchange session tables after a restart",
            "sessionsyncack": "acknowledge exchanged sessions",
        }.items()
    },
}
"""Block → word → what it is; the empty name is the top of a file."""

METHODS_PENDING: frozenset[str] = frozenset({"bw", "agent", "rndagent"})
"""Methods that are known but not built: such a server is balanced with rr."""


def nearest(word: str, known: Iterable[str]) -> str | None:
    """Return the known word that is most like `word`; None where none is close, and for a very long word."""
    if len(word) > 40:
        return None
    close = get_close_matches(word.lower(), list(known), n=1, cutoff=0.6)
    return close[0] if close else None


def home_of(word: str) -> BlockName | None:
    """Return the block that `word` belongs to, for a word that was found in the wrong one."""
    return next((block for block, words in BLOCKS.items() if word.lower() in words), None)
