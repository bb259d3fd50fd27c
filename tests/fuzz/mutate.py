"""Configuration texts that are nearly right: the samples, cut, doubled, nested, misspelt, and with numbers at limits."""

from __future__ import annotations

from typing import TYPE_CHECKING

from engine.config.language.keywords import BLOCKS, KINDS, PLURALS
from engine.config.model import (
    MAX_INSTANCES,
    MAX_MAXSESSIONS,
    MAX_SERVERS,
    MAX_STIMEOUT_S,
    MAX_TARGETS,
    MAX_THREADS,
    MAX_WEIGHT,
    MODULES,
)
from tests.helpers.paths import SAMPLES

if TYPE_CHECKING:
    import random

SEEDS = {
    language: [p.read_bytes() for p in sorted(SAMPLES.glob(f"*.{ending}"))]
    for language, ending in (("balanceng", "conf"), ("toml", "toml"))
}

_LIMITS = (
    *(0, 1, 2, 3, 12, 32, 33, 128, 255, 256, 3600, 3601, 65_535, 65_536, 86_400, 86_401),
    *(MAX_INSTANCES, MAX_SERVERS, MAX_TARGETS, MAX_THREADS, MAX_WEIGHT, MAX_STIMEOUT_S, MAX_MAXSESSIONS),
    *(2**31, 2**32, 2**63, 2**64),
)
NUMBERS = [
    *(str(n + d) for n in _LIMITS for d in (-1, 0, 1)),
    *("9" * 400, "9" * 5000, "00080", "0x10", "0o7", "0b1", "1e3", "1_000", "+1", "-0", ".5", "1.5", "nan"),
    *(
        "-inf",
        "\uff11\uff12",
        "²",
        "1-4",
        "4-1",
        "1-1024",
        "1,2",
        "1,,2",
        ",",
        "1,",
        "1,1,1",
        "1 , 2",
        "1-",
        "-1",
    ),
    *("3,10", "80,3,10", "80,10,3", "80,3,10,1", "1-4,6", "1979-05-27", "07:32:00", "1979-05-27T07:32:00Z"),
]
VALUES = [
    *("any", "tcp", "udp", "raw", "eth0", "lo", "enable", "disable", "true", "false", "inside", "outside"),
    *("src", "src+port", "rr", "hash", "first", "session", "random", "bw", "agent", *MODULES),
    *(
        "172.16.1.10",
        "172.16.1.0",
        "172.16.1.252",
        "0.0.0.0",
        "255.255.255.255",
        "255.255.255.0",
        "127.0.0.1",
    ),
    *("224.0.0.1", "10.0.0.256", "010.1.1.1", "1.2.3", "::1", "fe80::1%eth0", "::ffff:1.2.3.4", "/24", "24"),
    *(
        '""',
        '"a b"',
        '"',
        "'",
        "'x'",
        '"\\',
        '"\\"',
        '"\\u0041"',
        '"\\ud800"',
        '"""',
        "'''",
        "{}",
        "[]",
        "[[]]",
    ),
    *("vrrp,arp,ping,hc,master,slb", "arp,arp", "[1, 2]", "[1, [2]]", "{ port = 80 }", "x" * 300, "é" * 40),
]
ODD = [
    *(
        "\0",
        "\ufeff",
        "\r",
        "\r\n",
        "\t",
        "\v",
        "\f",
        "\x1c",
        "\x85",
        "\u2028",
        "\u2029",
        "\xa0",
        "\u200b",
        "\u202e",
    ),
    *(
        "\ud7ff",
        "\U0010ffff",
        "e\u0301",
        "ß",
        "İ",
        "\u017f",
        "K",
        "\x7f",
        "\x1b[31m",
        "\\",
        "//",
        "#",
        "/*",
        "*/",
    ),
    *("{", "}", "{{", "}}", "[", "]", "[[", "]]", "=", ".", ",", ";", '"', "'", '"""', "\n", "\n\n", " "),
]
WORDS = sorted(
    {word for block in BLOCKS.values() for word in block}
    | set(PLURALS)
    | {"registered", "enabled", "number", "interval", "timeout", "unregister"}
)
STATEMENTS = {
    "balanceng": [
        *(
            "register target 1",
            "enable targets 1,2",
            "disable server 1",
            "no target 2",
            "no register server 1",
        ),
        *(
            "no enable targets 1-4",
            "no gateway",
            "no vrrp",
            "no set ipforwarding",
            "set ipforwarding 1",
            "set {",
        ),
        *(
            "target 1 {",
            "server 2 { ipaddr 172.16.1.11 port 80 protocol tcp targets 1 }",
            "}",
            "modules slb,arp",
        ),
        *(
            "target 1 weight 5",
            "target 3 { ipaddr 172.16.1.103 port 80 }",
            "no target 1 ping",
            "no vrrp priority",
        ),
        *("gateway ipaddr 172.16.1.254", "vrrp { vrid 7 priority 200 network 1 }", "server 1 targets 2"),
        *(
            "network 1 real 172.16.1.251",
            "interface 2 { name eth1 }",
            "register interfaces 1-2",
            "// note",
            "save",
        ),
        *(
            'target 1 name "a // b"',
            "target 2 { name x } // y",
            "no server 1 targets",
            "server 1 method hash",
        ),
    ],
    "toml": [
        *(
            "[target.1]",
            "[target.3]",
            "[server]",
            "[[server]]",
            "[server.1.x]",
            "[target.'1']",
            "[ target . 1 ]",
        ),
        *(
            "weight = 5",
            "enabled = false",
            "registered = false",
            "target.1.weight = 2",
            "server.1 = { port = 80 }",
        ),
        *(
            "targets = [1, 2]",
            "targets = '1-2'",
            "targets = 1",
            "modules = ['arp', 'slb']",
            "modules = 'arp,slb'",
        ),
        *(
            "ping = { interval = 3, timeout = 10 }",
            "ping = '3,10'",
            "ping.interval = 3",
            "tcpopen = 80",
            "# note",
        ),
        *("name = '''a\nb'''", 'name = """\\\n  x"""', "[set]", "ipforwarding = 1", "set.x = 1979-05-27"),
        *(
            "interface = [{name = 'eth0'}]",
            "vrrp = { vrid = 7 }",
            "gateway.ipaddr = '10.1.1.1'",
            "target = {}",
        ),
    ],
}
MOST = 64 * 1024


def _line(rng: random.Random, language: str) -> str:
    pick = rng.random()
    if pick < 0.5:
        return rng.choice(STATEMENTS[language])
    between = " = " if language == "toml" else " "
    if pick < 0.6 and language == "toml":
        return f"[{rng.choice(list(KINDS))}.{rng.choice(NUMBERS)}]"
    value = rng.choice(rng.choice([NUMBERS, VALUES, WORDS]))
    return f"{rng.choice(WORDS)}{between}{value}"


def _token(rng: random.Random, line: str, new: str) -> str:
    parts = line.split(" ")
    filled = [i for i, part in enumerate(parts) if part] or [0]
    parts[rng.choice(filled)] = new
    return " ".join(parts)


def text(rng: random.Random, given: str, language: str) -> str:
    """Change a text in one to a few places."""
    lines = given.split("\n")
    for _ in range(rng.choice((1, 1, 1, 2, 3, 6))):
        at = rng.randrange(len(lines)) if lines else 0
        lines = lines or [""]
        match rng.randrange(13):
            case 0:
                lines[at] = _token(rng, lines[at], rng.choice(NUMBERS))
            case 1:
                lines[at] = _token(rng, lines[at], rng.choice(VALUES))
            case 2:
                lines[at] = _token(rng, lines[at], rng.choice(WORDS))
            case 3:
                lines.insert(at, _line(rng, language))
            case 4:
                del lines[at : at + rng.choice((1, 1, 3, 10))]
            case 5:  # doubled
                end = at + rng.choice((1, 1, 4, 12))
                lines[at:at] = lines[at:end] * rng.choice((1, 1, 2, 30))
            case 6:
                other = rng.randrange(len(lines))
                lines[at], lines[other] = lines[other], lines[at]
            case 7:  # joined
                lines[at : at + 2] = [rng.choice(("", " ", "  ")).join(lines[at : at + 2])]
            case 8:
                place = rng.randrange(len(lines[at]) + 1)
                lines[at] = (
                    lines[at][:place] + rng.choice(ODD) * rng.choice((1, 1, 1, 2, 50)) + lines[at][place:]
                )
            case 9:  # nested
                opened, closed = rng.choice(
                    (("{", "}"), ("[", "]"), ("target 1 {", "}"), ("a.", ""), ("x = {", "}"))
                )
                deep = rng.choice((1, 2, 5, 200))
                lines[at] = opened * deep + lines[at] + closed * rng.choice((deep, 0, deep - 1))
            case 10:  # broken in two
                place = rng.randrange(len(lines[at]) + 1)
                lines[at : at + 1] = [lines[at][:place], lines[at][place:]]
            case 11:  # from elsewhere
                other = rng.choice(SEEDS[language]).decode().split("\n")
                begin = rng.randrange(len(other))
                lines[at:at] = other[begin : begin + rng.choice((1, 5, 40))]
            case _:
                word = rng.choice(lines[at].split() or [""])
                lines[at] = lines[at].replace(word, word.upper() if rng.random() < 0.5 else word[:-1], 1)
    ending = rng.choice(("\n",) * 20 + ("\r\n", "\r"))
    return ending.join(lines)[:MOST]


def encoded(rng: random.Random, given: bytes) -> bytes:
    """Damage bytes, as wrong encodings and bad disks do."""
    match rng.randrange(7):
        case 0:
            return given.decode(errors="replace").encode(
                rng.choice(("utf-16", "utf-32", "utf-7", "utf-8-sig"))
            )
        case 1:
            return given.decode(errors="replace").encode("latin-1", errors="replace")
        case 2:
            return given[: rng.randrange(len(given) + 1)]
        case 3:
            at = rng.randrange(len(given) + 1)
            return given[:at] + rng.randbytes(rng.choice((1, 2, 8))) + given[at:]
        case 4:
            at = rng.randrange(len(given) + 1)
            bad = rng.choice((b"\xff", b"\xc0\x80", b"\xed\xa0\x80", b"\xf4\x90\x80\x80", b"\xe2\x82", b"\0"))
            return given[:at] + bad + given[at:]
        case 5:
            at = rng.randrange(len(given) + 1)
            return given[:at] + given[at + rng.choice((1, 2, 60)) :]
        case _:
            return rng.randbytes(rng.choice((0, 1, 5, 200)))


def large(rng: random.Random, language: str) -> str:
    """Make a text of the size of the limits: where time that is not linear shows."""
    match rng.randrange(8):
        case 0:
            return (_line(rng, language) + "\n") * rng.choice((1_000, 49_000, 60_000))
        case 1:
            return rng.choice((*ODD, *VALUES)) * rng.choice((1_000, 16_000, 500_000))
        case 2:
            return "\n".join(_line(rng, language) for _ in range(rng.choice((1_000, 10_000))))
        case 3:
            return rng.choice(("{", "[", "a.", "a = [", "[[", "target 1 {\n", "a = {", '"\\')) * 5_000
        case _:
            return _many(rng, language)


_BASE = {
    "balanceng": """modules arp,hc,master,slb
interface 1 { name eth0 }
network 1 { addr 10.0.0.0 mask 255.0.0.0 real 10.0.0.1 interface 1 }
register interface 1
enable interface 1
register network 1
enable network 1""",
    "toml": """modules = ["arp", "hc", "master", "slb"]
[interface.1]
name = "eth0"
[network.1]
addr = "10.0.0.0"
mask = "255.0.0.0"
real = "10.0.0.1"
interface = 1""",
}


def _many(rng: random.Random, language: str) -> str:
    servers, targets = rng.choice((1, 8, 128, 512)), rng.choice((1, 64, 1024))
    same = rng.random() < 0.3
    out = [_BASE[language]]
    numbers = rng.choice((f"1-{targets}", ",".join(map(str, range(1, targets + 1))), "1"))
    for kind, most in (("server", servers), ("target", targets)):
        for n in range(1, most + 1):
            address = (
                "10.3.0.10" if same else f"10.{'1' if kind == 'server' else '2'}.{n // 250}.{n % 250 + 1}"
            )
            if language == "balanceng":
                served = f" targets {numbers}" if kind == "server" else " dsr enable tcpopen 80,3,10"
                out.append(f"{kind} {n} {{\n ipaddr {address}\n port 80\n protocol tcp\n{served}\n}}")
                out.append(f"register {kind} {n}\nenable {kind} {n}")
            else:
                served = f'targets = "{numbers}"' if kind == "server" else "dsr = true\ntcpopen = '80,3,10'"
                out.append(f'[{kind}.{n}]\nipaddr = "{address}"\nport = 80\nprotocol = "tcp"\n{served}')
    return "\n".join(out)
