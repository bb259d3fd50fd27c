"""Every word of BalanceNG's language, block by block: what it does, how it is written, and whether it is built yet.

The parser, the completion, the help and the highlighting of the consoles are all drawn from these tables.
Source: the configuration files on BalanceNG's pages and the manual's list of words.
"""

from __future__ import annotations

from dataclasses import dataclass
from difflib import get_close_matches
from typing import TYPE_CHECKING, Literal

from engine.config.model import MAX_INSTANCES, MAX_SERVERS, MAX_STIMEOUT_S, MAX_TARGETS, MODULES
from engine.domain.checks import CHECK_KINDS

if TYPE_CHECKING:
    from collections.abc import Iterable

Kind = Literal["interface", "network", "server", "target"]
BlockName = Literal["", "interface", "network", "server", "target", "gateway", "vrrp", "set"]


@dataclass(frozen=True)
class Word:
    """One word of a block.

    `form` is how its value is written; `values` are the only ones it takes, where they can be listed. `pending` is
    empty for a word that works, else it says what happens until it does.
    """

    help: str
    form: str
    values: tuple[str, ...] = ()
    pending: str = ""


KINDS: dict[Kind, int] = {
    "interface": MAX_INSTANCES,
    "network": MAX_INSTANCES,
    "server": MAX_SERVERS,
    "target": MAX_TARGETS,
}
"""Blocks that have a number and are defined, registered and enabled, with the largest number of each."""

PLURALS: dict[str, Kind] = {f"{kind}s": kind for kind in KINDS}
"""The plural of each kind, legal after `register`, `enable`, `disable` and `no`."""

TOP: dict[str, Word] = {
    "modules": Word("the modules a frame visits, in this order", "A,B,...", MODULES),
    "set": Word("a setting of the whole engine", "NAME VALUE | { NAME VALUE ... }"),
    "interface": Word("a Linux interface that frames are taken from and sent to", "N { ... }"),
    "network": Word("an IP network on an interface", "N { ... }"),
    "gateway": Word("the next hop of this node", "{ ... }"),
    "vrrp": Word("election of the master among redundant nodes", "{ ... }"),
    "server": Word("a virtual server, the address and port that clients use", "N { ... }"),
    "target": Word("a real server behind virtual ones", "N { ... }"),
    "register": Word("declare a definition complete", "KIND LIST", tuple(KINDS)),
    "enable": Word("put a registered definition to work", "KIND LIST", tuple(KINDS)),
    "disable": Word("take a definition out of work, keep it registered", "KIND LIST", tuple(KINDS)),
    "no": Word("undo a definition, a registration or an enabling", "[register|enable] KIND LIST"),
}

_NAME = Word("a name for people", "TEXT")
_PORT = Word("the service's port", "1-65535 | any")
_PROTOCOL = Word("the service's protocol", "tcp | udp | any", ("tcp", "udp", "any"))

BLOCKS: dict[BlockName, dict[str, Word]] = {
    "": TOP,
    "interface": {
        "name": Word("the interface's name in Linux", "NAME"),
        "access": Word("how frames are read and written", "raw", ("raw",)),
        "threads": Word("worker processes on this interface", "1-64"),
    },
    "network": {
        "name": _NAME,
        "addr": Word("the network's address", "ADDRESS"),
        "mask": Word("the network's mask", "MASK"),
        "real": Word("this node's own address, source of ARP requests and health checks", "ADDRESS"),
        "virt": Word("the address a redundant pair shares, answered by the master", "ADDRESS"),
        "mask6": Word("the IPv6 prefix length", "0-128", pending="IPv6 is ignored"),
        "real6": Word("this node's own IPv6 address", "ADDRESS", pending="IPv6 is ignored"),
        "virt6": Word("the shared IPv6 address", "ADDRESS", pending="IPv6 is ignored"),
        "syncpeer": Word(
            "the node that session tables are exchanged with", "ADDRESS", pending="sessions stay on this node"
        ),
        "nat": Word(
            "the side of address translation",
            "inside | outside",
            ("inside", "outside"),
            pending="addresses are not translated",
        ),
        "interface": Word("the interface the network is on", "N"),
    },
    "server": {
        "name": _NAME,
        "ipaddr": Word("the virtual address", "ADDRESS"),
        "port": _PORT,
        "protocol": _PROTOCOL,
        "method": Word(
            "how the target of a new session is chosen",
            "rr | random | hash | first | session",
            ("rr", "random", "hash", "first", "session", "bw", "agent", "rndagent"),
        ),
        "sessionid": Word("what identifies a session", "src | src+port", ("src", "src+port")),
        "stimeout": Word("idle seconds after which a session ends", f"1-{MAX_STIMEOUT_S}"),
        "plugin": Word("a program that chooses the target", "TEXT", pending="the method chooses alone"),
        "targets": Word("the targets that serve", "LIST"),
        "backup": Word("targets that serve while all others are down", "LIST"),
    },
    "target": {
        "name": _NAME,
        "ipaddr": Word("the target's own address", "ADDRESS"),
        "port": _PORT,
        "protocol": _PROTOCOL,
        **{kind.word: Word(kind.meaning, kind.form) for kind in CHECK_KINDS.values()},
        "dsr": Word(
            "direct server return: the target answers clients itself", "enable", ("enable", "disable")
        ),
        "agent": Word("health and load asked from a program", "TEXT", pending="this check does not run"),
        "script": Word("health check by a script", "TEXT", pending="this check does not run"),
        "weight": Word("share of new sessions, for rr and random", "1-255"),
        "maxsessions": Word("most sessions at a time, 0 for no limit", "0-10000000"),
        "alert": Word("a command to run when the target goes down", "TEXT", pending="it is not run"),
        "upalert": Word("a command to run when the target comes up", "TEXT", pending="it is not run"),
    },
    "gateway": {
        "ipaddr": Word("the gateway's address", "ADDRESS"),
        **{
            kind.word: Word(kind.gateway_meaning, kind.form, pending="the gateway is not checked")
            for kind in CHECK_KINDS.values()
            if kind.gateway_meaning
        },
    },
    "vrrp": {
        "vrid": Word("the number of the virtual router", "1-255"),
        "priority": Word("who becomes master: the highest", "1-255"),
        "network": Word("the network the election runs on", "N"),
    },
    "set": {
        name: Word(text, "VALUE", pending="it has no effect here")
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
    """Return the known word that is most like `word`, or None; a very long word is like nothing."""
    if len(word) > 40:
        return None
    close = get_close_matches(word.lower(), list(known), n=1, cutoff=0.6)
    return close[0] if close else None


def home_of(word: str) -> BlockName | None:
    """Return the block that `word` belongs to, for a word that was found in the wrong one."""
    return next((block for block, words in BLOCKS.items() if word.lower() in words), None)
