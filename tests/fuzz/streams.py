"""What a hostile or broken console may send: requests that are nearly right, and bytes that are none."""

from __future__ import annotations

import struct
import typing

import msgspec

from engine.api.messages import MAX_FRAME_BYTES
from engine.api.ops import OPS
from tests.fuzz import mutate

if typing.TYPE_CHECKING:
    import random

SEED_TEXT = (mutate.SAMPLES / "dsr.conf").read_text()
SEED_TOML = (mutate.SAMPLES / "dsr.toml").read_text()

INTS = [
    0,
    1,
    2,
    3,
    -1,
    7,
    64,
    255,
    1000,
    1024,
    1025,
    65_535,
    65_536,
    86_400,
    2**31,
    2**32,
    -(2**31),
    2**63 - 1,
    -(2**63),
]
TEXTS = [
    *(
        "",
        "x",
        "1",
        "2",
        "80",
        "-1",
        "any",
        "target",
        "server",
        "enable",
        "drain",
        "tcp",
        "x" * 300,
        "é" * 300,
    ),
    *(
        "172.16.1.10",
        "192.0.2.1",
        "256.1.1.1",
        "::1",
        "fe80::1%eth0",
        "1.2.3.4:80",
        "\0",
        "\n",
        "\ud7ff",
        "\u202e",
    ),
    *("../../etc/passwd", "candidate.toml", "x.conf", "%s%n", "9" * 5000, "\x1b[31m", "\uff10", "²"),
]
OTHER = [
    None,
    True,
    False,
    0.5,
    float("nan"),
    float("inf"),
    b"",
    b"x" * 20,
    [],
    {},
    [[]],
    {"a": {}},
    2**64 - 1,
]
BROKEN = [
    *(b"", b"\xc1", b"\x91" * 3000, b"\x81\xa1a" * 3000, b"\xdd\xff\xff\xff\xff", b"\xdf\xff\xff\xff\xff"),
    *(
        b"\xc6\xff\xff\xff\xff",
        b"\xdb\xff\xff\xff\xffabc",
        b"\x82\xa2id\x01\xa2op\xa2\xff\xfe",
        b"\xc9\xff\xff\xff\xff\x01",
    ),
    *(
        b"\x82\xa2id\xcf" + b"\xff" * 8 + b"\xa2op\xa7version",
        b"\x82\xa2id\x01\xa2id\x02",
        b"\x90",
        b"\x80",
        b"\xc0",
    ),
    b"\x83\xa2id\x01\xa2op\xa5admin\xa4args" + b"\x91" * 5000,
    b"\x83\xa2id\x01\xa2op\xa6events\xa4args\x81\xa5limit\xff",
    b"\x83\xa2id\x01\xa2op\xa8sessions\xa4args\xd6\xff\x00\x00\x00\x00",
]
SIZES = [0, 1, 3, 4, 2**16, MAX_FRAME_BYTES - 1, MAX_FRAME_BYTES, MAX_FRAME_BYTES + 1, 2**31, 2**32 - 1]


MOST_APPLIED = 6_000
"""Characters of a text to apply, as commands or as a configuration: half as long again as the longest sample."""


def framed(body: bytes, size: int | None = None) -> bytes:
    """Put a length before a body, a wrong one where `size` says so."""
    return struct.pack(">I", len(body) if size is None else size) + body


def _text(rng: random.Random, name: str) -> str:
    if name != "text" or rng.random() < 0.1:
        return rng.choice(TEXTS)
    pick = rng.random()
    if pick < 0.25:
        return rng.choice(mutate.STATEMENTS["balanceng"])
    if pick < 0.28:
        return mutate.large(rng, rng.choice(("balanceng", "toml")))[:400_000]
    language, seed = rng.choice((("balanceng", SEED_TEXT), ("toml", SEED_TOML)))
    return seed if rng.random() < 0.2 else mutate.text(rng, seed, language)


def _value(rng: random.Random, name: str, kind: typing.Any) -> typing.Any:
    """Make a value of an annotation."""
    origin = typing.get_origin(kind)
    arguments = typing.get_args(kind)
    if origin is typing.Literal:
        return rng.choice(arguments)
    if origin is list:
        return [_value(rng, name, arguments[0]) for _ in range(rng.choice((0, 1, 2, 2, 50)))]
    if arguments:  # a union
        return _value(rng, name, rng.choice(arguments))
    if kind is bool:
        return rng.random() < 0.5
    if kind is int:
        return rng.choice(INTS) if rng.random() < 0.5 else rng.randrange(1, 6)
    if kind is str:
        return _text(rng, name)
    return None


def harmless(text: str) -> str:
    """Take out what a change must not be for this machine's sake.

    Dozens of workers; and the largest configurations, whose hundred thousand health checks keep an engine busy for as
    long as they run. They are compared and checked here, and run in tests/netns/test_scale.py.
    """
    return text.replace("threads", "threats")[:MOST_APPLIED]


def request(rng: random.Random, *, wrong: float = 0.25) -> dict[str, typing.Any]:
    """Make a request of some op; its arguments fit, but for a share of `wrong` ones."""
    op = rng.choice(list(OPS))
    args: dict[str, typing.Any] = {}
    for field in msgspec.structs.fields(OPS[op].args):
        if field.required or rng.random() < 0.4:
            args[field.name] = _value(rng, field.name, field.type)
    if isinstance(args.get("text"), str) and OPS[op].changes:
        args["text"] = harmless(args["text"])
    if isinstance(args.get("confirm_within_s"), int) and rng.random() < 0.8:
        args["confirm_within_s"] = rng.choice((1, 2, 5))
    if rng.random() < wrong:
        args[rng.choice([*args, "extra"])] = rng.choice(rng.choice((INTS, TEXTS, OTHER)))
    message: dict[str, typing.Any] = {"id": rng.randrange(1, 1 << 31), "op": op, "args": args}
    if rng.random() < wrong / 2:
        message[rng.choice(("id", "op", "args", "type"))] = rng.choice(rng.choice((INTS, TEXTS, OTHER)))
    if rng.random() < wrong / 4:
        del message[rng.choice(list(message))]
    return message


def body(rng: random.Random) -> bytes:
    """Make a frame's body: a request, a damaged request, or no message at all."""
    pick = rng.random()
    if pick < 0.1:
        return rng.choice(BROKEN)
    if pick < 0.15:
        return rng.randbytes(rng.choice((1, 4, 40, 4000)))
    whole = msgspec.msgpack.encode(request(rng))
    if pick < 0.7:
        return whole
    at = rng.randrange(len(whole))
    match rng.randrange(4):
        case 0:
            return whole[:at]
        case 1:
            return whole[:at] + rng.randbytes(1) + whole[at + 1 :]
        case 2:
            return whole[:at] + rng.choice(BROKEN)[:200] + whole[at:]
        case _:
            return whole + whole


def stream(rng: random.Random) -> list[bytes]:
    """Make what one connection sends, in the pieces that it sends it in."""
    frames = []
    for _ in range(rng.choice((1, 1, 2, 3, 8))):
        content = body(rng)
        pick = rng.random()
        if pick < 0.85:
            frames.append(framed(content))
        elif pick < 0.95:
            frames.append(framed(content, rng.choice((*SIZES, len(content) + 1, max(0, len(content) - 1)))))
        else:
            frames.append(content)
    if rng.random() < 0.15:
        frames.append(framed(body(rng))[: rng.randrange(1, 40)])  # and goes away in the middle
    if rng.random() < 0.01:
        frames = [framed(b"\xc6" + struct.pack(">I", MAX_FRAME_BYTES - 5) + bytes(MAX_FRAME_BYTES - 5))]
    if rng.random() < 0.3:
        whole = b"".join(frames)[:20_000]
        cuts = sorted(rng.randrange(len(whole) + 1) for _ in range(rng.choice((1, 3, 20))))
        frames = [whole[a:b] for a, b in zip([0, *cuts], [*cuts, len(whole)], strict=True)]
    return frames
