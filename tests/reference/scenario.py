"""Histories: batches of frames, changes of the table, sweeps, and time going by; random ones by kind."""

from __future__ import annotations

import random
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from engine.datapath.contract import NO_INTERFACE
from engine.datapath.table import Compiler, EgressInput, ServerInput, TargetInput
from engine.domain.address import Address
from tests.reference import build
from tests.reference.build import MIX, OWN, OWN_TOO, Field, target_mac

if TYPE_CHECKING:
    from tests.reference.wire import Frame

PROTOCOL = {"tcp": 6, "udp": 17, "any": 0}
METHODS = ("rr", "random", "hash", "first", "session")


@dataclass(frozen=True)
class World:
    """What a table is compiled from."""

    servers: tuple[ServerInput, ...]
    targets: tuple[TargetInput, ...]
    virtual: tuple[Address, ...]
    own: tuple[bytes, ...] = (OWN,)
    mtu: int = 1500
    vlans: tuple[tuple[Address, int], ...] = ()

    def compile(self, compiler: Compiler):
        return compiler.compile(
            self.servers,
            self.targets,
            virtual=self.virtual,
            vlans=dict(self.vlans),
            own_mac=self.own,
            blocked_mac=[t.mac for t in self.targets],
            mtu=self.mtu,
        )

    def __str__(self) -> str:
        weights = {t.number: t.weight for t in self.targets if t.weight != 1}
        lines = [
            f"server {s.number} {s.address}:{s.port}/{s.protocol} {s.method} by {'port' if s.by_port else 'address'}"
            f" idle {s.idle_s} s new {list(s.new)} keep {list(s.keep)}"
            for s in self.servers
        ]
        return "; ".join(
            [
                *lines,
                f"weights {weights}" if weights else "",
                f"virtual {[*map(str, self.virtual)]}",
                f"VLANs {self.vlans}" if self.vlans else "",
            ]
        )


@dataclass(frozen=True)
class Install:
    world: World
    why: str = ""

    def __str__(self) -> str:
        return f"install ({self.why}) {self.world}"


@dataclass(frozen=True)
class Batch:
    """Frames that wait together. `late`: they came under the table before, and are decided by the new one."""

    frames: tuple[Frame, ...]
    late: bool = False

    def __str__(self) -> str:
        return "\n".join(["batch, late:" if self.late else "batch:", *(f"    {f}" for f in self.frames)])


@dataclass(frozen=True)
class Change:
    """A change of table while frames wait that came before it: they are decided by the table before."""

    frames: tuple[Frame, ...]
    install: Install

    def __str__(self) -> str:
        return "\n".join([f"{self.install}, while these wait:", *(f"    {f}" for f in self.frames)])


@dataclass(frozen=True)
class Sweep:
    pass


@dataclass(frozen=True)
class Wait:
    seconds: int


Step = Install | Batch | Change | Sweep | Wait


@dataclass(frozen=True)
class Scenario:
    """A history and the size of the flow table it is played with."""

    lines: int
    seed: int
    steps: tuple[Step, ...]

    def __str__(self) -> str:
        return "\n".join(
            [f"{self.lines} lines, draws {self.seed}", *(f"  {n}. {s}" for n, s in enumerate(self.steps))]
        )


@dataclass(frozen=True, eq=False)
class Kind:
    """How a random scenario is made; every part that may differ between datapaths can be left out by itself."""

    name: str
    mix: dict = field(default_factory=lambda: dict(MIX))
    methods: tuple[str, ...] = METHODS
    by_port: tuple[bool, ...] = (False, True)
    lines: tuple[int, ...] = (2, 4, 16)
    clients: int = 6
    ports: int = 3
    batches: tuple[int, ...] = (1, 2, 5, 12, 20, 40, 64, 100)
    flags: tuple[int, ...] = Field.flags
    changes: tuple[str, ...] = ()
    waits: tuple[int, ...] = (0, 0, 1, 1, 4, 5, 6, 10, 11, 29, 31, 61, 601)
    own: tuple[bytes, ...] = (OWN,)
    limits: tuple[int, ...] = (0,)
    ways_out: tuple[EgressInput | None, ...] = (None,)
    vlans: tuple[int, ...] = (0,)
    once_a_batch: bool = (
        False  # a client sends one frame in a batch, so that nothing in it follows from another
    )
    late: bool = False
    sweeps: bool = True
    change_share: float = 0.25
    steps: tuple[int, ...] = (4, 8, 20)
    mtu: int = 1500


CHANGES = (
    "target down",
    "target back",
    "drain",
    "weights",
    "mac",
    "server off",
    "server back",
    "identity",
    "leave",
    "way out",
)


def scenario(kind: Kind, seed: int) -> Scenario:
    """Make the scenario of a seed; the same for the same seed and kind."""
    return _Maker(kind, random.Random(f"{kind.name} {seed}")).make(seed)


class _Maker:
    def __init__(self, kind: Kind, rng: random.Random) -> None:
        self.kind = kind
        self.rng = rng
        self.scene = Field(
            rng=rng,
            clients=[bytes((192, 0, 2, 1 + n)) for n in range(kind.clients)],
            ports=[40000 + n for n in range(kind.ports)] + [0] * (rng.random() < 0.2),
            virtual=[],
            services=[],
            mtu=kind.mtu,
            flags=kind.flags,
        )
        self.world = self._first_world()
        self._off: list[ServerInput] = []
        self._follow()

    def _first_world(self) -> World:
        rng, kind = self.rng, self.kind
        count = rng.choice((1, 2, 3, 4))
        targets = tuple(
            TargetInput(
                n,
                f"172.16.1.{99 + n}:80",
                target_mac(n),
                rng.choice((1, 1, 2, 3)),
                rng.choice(kind.limits),
                rng.choice(kind.ways_out),
            )
            for n in range(1, count + 1)
        )
        numbers = tuple(t.number for t in targets)
        places = [("172.16.1.10", 80, "tcp"), ("172.16.1.10", 53, "udp"), ("172.16.1.11", 0, "any"), ("172.16.1.11", 80, "tcp"),
                  ("172.16.1.10", 0, "tcp"), ("172.16.1.10", 80, "any"), ("172.16.1.12", 0, "udp")]  # fmt: skip
        servers = []
        for text, port, protocol in rng.sample(places, rng.choice((1, 1, 2, 3))):
            address = Address.parse(text)
            members = tuple(rng.sample(numbers, rng.randint(1, len(numbers))))
            servers.append(
                ServerInput(
                    number=rng.choice([n for n in (1, 2, 3, 7, 512) if n not in {s.number for s in servers}]),
                    address=address,
                    port=port,
                    protocol=protocol,
                    method=rng.choice(kind.methods),
                    by_port=rng.choice(kind.by_port),
                    idle_s=rng.choice((5, 30, 60, 600, 32000)),
                    new=members if rng.random() < 0.95 else (),
                    keep=members,
                )
            )
        virtual = tuple(sorted({s.address for s in servers} | {Address.parse("172.16.1.13")}))
        vlans = tuple((address, vlan) for address in virtual if (vlan := rng.choice(kind.vlans)))
        return World(tuple(servers), targets, virtual, kind.own, kind.mtu, vlans)

    def _follow(self) -> None:
        """Aim at what the table has, and at what it had before."""
        self.scene.virtual = [address.packed for address in self.world.virtual]
        self.scene.vlans = {address.packed: vlan for address, vlan in self.world.vlans}
        services = [(s.address.packed, s.port, PROTOCOL[s.protocol]) for s in self.world.servers]
        self.scene.services = list(dict.fromkeys([*self.scene.services, *services]))

    def make(self, seed: int) -> Scenario:
        rng, kind = self.rng, self.kind
        steps: list[Step] = [Install(self.world, "the first")]
        for _ in range(rng.choice(kind.steps)):
            what = rng.random()
            if kind.changes and what < kind.change_share:
                steps.append(self._change())
            elif what < kind.change_share + 0.1 and kind.sweeps:
                steps.append(Sweep())
            elif what < kind.change_share + 0.3:
                steps.append(Wait(rng.choice(kind.waits)))
            steps.append(
                self._batch(late=kind.late and isinstance(steps[-1], Install) and rng.random() < 0.5)
            )
        return Scenario(rng.choice(kind.lines), seed, tuple(steps))

    def _batch(self, *, late: bool) -> Batch:
        rng, kind = self.rng, self.kind
        makers, weights = list(kind.mix), list(kind.mix.values())
        wanted = rng.choice(kind.batches)
        frames = [self._tagged(maker(self.scene)) for maker in rng.choices(makers, weights, k=wanted)]
        if kind.once_a_batch:
            frames = list({f.data[26:30]: f for f in reversed(frames)}.values())[::-1]
        return Batch(tuple(frames), late)

    def _tagged(self, frame: Frame) -> Frame:
        """Put a frame on the VLAN of its address, but for one now and then."""
        vlan = self.scene.vlans.get(frame.data[30:34])
        if not vlan or frame.vlan is not None or self.rng.random() < 0.1:
            return frame
        return replace(
            frame, vlan=(self.rng.choice((0, 0x6000)) | vlan, self.rng.choice((0, 0x8100, 0x88A8)))
        )

    def _change(self) -> Install:
        why = self.rng.choice(self.kind.changes)
        self.world = getattr(self, "_" + why.replace(" ", "_"))(self.world)
        self._follow()
        return Install(self.world, why)

    def _some_server(self, world: World, **changes) -> World:
        if not world.servers:
            return world
        at = self.rng.randrange(len(world.servers))
        return _with_server(world, at, **{k: v(world.servers[at]) for k, v in changes.items()})

    def _target_down(self, world: World) -> World:
        gone = self.rng.choice(world.targets).number
        for at, server in enumerate(world.servers):
            rest = {
                "new": tuple(n for n in server.new if n != gone),
                "keep": tuple(n for n in server.keep if n != gone),
            }
            world = _with_server(world, at, **rest)
        return world

    def _target_back(self, world: World) -> World:
        back = self.rng.choice(world.targets).number
        return self._some_server(
            world,
            new=lambda s: (*(n for n in s.new if n != back), back),
            keep=lambda s: (*(n for n in s.keep if n != back), back),
        )

    def _target_gone(self, world: World) -> World:
        """Out of the configuration: its MAC is forgotten, too."""
        if len(world.targets) < 2:
            return world
        gone = self.rng.choice(world.targets)
        for at, server in enumerate(world.servers):
            rest = {w: tuple(n for n in getattr(server, w) if n != gone.number) for w in ("new", "keep")}
            world = _with_server(world, at, **rest)
        return replace(world, targets=tuple(t for t in world.targets if t != gone))

    def _drain(self, world: World) -> World:
        drained = self.rng.choice(world.targets).number
        return self._some_server(world, new=lambda s: tuple(n for n in s.new if n != drained))

    def _leave(self, world: World) -> World:
        """Clients of some targets are to go elsewhere when they begin anew."""
        return self._some_server(world, leaving=lambda s: tuple(n for n in s.keep if self.rng.random() < 0.5))

    def _weights(self, world: World) -> World:
        rng = self.rng
        return replace(
            world, targets=tuple(replace(t, weight=rng.choice((0, 1, 2, 5))) for t in world.targets)
        )

    def _mac(self, world: World) -> World:
        at = self.rng.randrange(len(world.targets))
        changed = replace(
            world.targets[at], mac=bytes.fromhex("020000000200")[:5] + bytes([self.rng.randrange(256)])
        )
        return replace(world, targets=(*world.targets[:at], changed, *world.targets[at + 1 :]))

    def _way_out(self, world: World) -> World:
        """A target's interface is another now."""
        at = self.rng.randrange(len(world.targets))
        changed = replace(world.targets[at], egress=self.rng.choice(self.kind.ways_out))
        return replace(world, targets=(*world.targets[:at], changed, *world.targets[at + 1 :]))

    def _identity(self, world: World) -> World:
        """A target gets another address: it is another target under the same number."""
        at = self.rng.randrange(len(world.targets))
        changed = replace(world.targets[at], identity=f"172.16.1.{self.rng.choice((100, 150, 151))}:8{at}")
        return replace(world, targets=(*world.targets[:at], changed, *world.targets[at + 1 :]))

    def _server_off(self, world: World) -> World:
        if not world.servers:
            return world
        if self.rng.random() < 0.5:
            return _with_server(world, len(world.servers) - 1, answers=False)
        self._off.append(world.servers[-1])
        return replace(world, servers=world.servers[:-1])

    def _server_back(self, world: World) -> World:
        silent = [at for at, server in enumerate(world.servers) if not server.answers]
        if silent:
            return _with_server(world, self.rng.choice(silent), answers=True)
        if not self._off:
            return world
        server = self._off.pop()
        there = {t.number for t in world.targets}
        server = replace(
            server,
            new=tuple(n for n in server.new if n in there),
            keep=tuple(n for n in server.keep if n in there),
        )
        places = self.rng.randint(0, len(world.servers))
        return replace(world, servers=(*world.servers[:places], server, *world.servers[places:]))

    def _address_gone(self, world: World) -> World:
        if not world.servers:
            return world
        gone = self.rng.choice(world.servers).address
        self._off += [s for s in world.servers if s.address == gone]
        return replace(
            world,
            servers=tuple(s for s in world.servers if s.address != gone),
            virtual=tuple(v for v in world.virtual if v != gone),
        )

    def _all_down(self, world: World) -> World:
        self._members = getattr(self, "_members", None) or [(s.new, s.keep) for s in world.servers]
        return replace(world, servers=tuple(replace(s, new=(), keep=()) for s in world.servers))

    def _all_back(self, world: World) -> World:
        members = getattr(self, "_members", None) or [(s.new, s.keep) for s in world.servers]
        return replace(
            world,
            servers=tuple(
                replace(s, new=n, keep=k) for s, (n, k) in zip(world.servers, members, strict=True)
            ),
        )

    def _nobody(self, world: World) -> World:
        """A server keeps its flows and takes no new ones."""
        return self._some_server(world, new=lambda _: ())

    def _vlan(self, world: World) -> World:
        """A network moves to another VLAN."""
        moved = self.rng.choice(world.virtual)
        rest = tuple(pair for pair in world.vlans if pair[0] != moved)
        vlan = self.rng.choice(self.kind.vlans)
        return replace(world, vlans=(*rest, (moved, vlan)) if vlan else rest)

    def _mtu(self, world: World) -> World:
        return replace(world, mtu=self.rng.choice((1500, 1400)))


def _with_server(world: World, at: int, **changes) -> World:
    servers = list(world.servers)
    servers[at] = replace(servers[at], **changes)
    return replace(world, servers=tuple(servers))


_PLAIN = {build.plain: 1}
_ORDERLY = (2, 16, 24, 18)  # SYN, ACK, PSH-ACK, SYN-ACK
_ACK = (16,)
_DATA = (16, 24)  # ACK, PSH-ACK
_SPECIAL = {
    maker: MIX[maker]
    for maker in (build.echo, build.error, build.first_fragment, build.later_fragment, build.options, build.vlan, build.protocol,
                  build.super_frame, build.cut_short, build.elsewhere)
}  # fmt: skip
_BY_HASH = ("hash", "first")
_ONE_TO_ONE = {"lines": (1024,), "once_a_batch": True}  # one frame a client in a batch, hardly two in a line

WAYS_OUT = (
    None,
    EgressInput(7, bytes.fromhex("020000000701"), 1400),
    EgressInput(8, bytes.fromhex("020000000801"), 1500, 200),
    EgressInput(8, bytes.fromhex("020000000801"), 1500),
    EgressInput(0, OWN, 1500, 300),
    EgressInput(NO_INTERFACE, bytes(6), 0xFFFF),
)
"""To other networks: by other interfaces and VLANs, and by one that does not exist now."""

KINDS = [
    # One frame at a time, and batches in which no frame follows from another.
    Kind("one at a time", mix={**MIX, build.later_fragment: 0}, batches=(1,), steps=(40, 80), changes=CHANGES, own=(OWN, OWN_TOO)),
    Kind("one at a time, lines full", mix={**_PLAIN, build.udp: 1}, batches=(1,), lines=(1, 2), clients=40, steps=(100,)),
    Kind("independent frames", mix=_PLAIN, methods=_BY_HASH, clients=30, changes=CHANGES, **_ONE_TO_ONE),
    Kind("no plain frames", mix=_SPECIAL, batches=(1, 3, 20, 40), own=(OWN, OWN_TOO)),
    Kind("fragments", mix={build.first_fragment: 1, build.later_fragment: 2, build.options: 1}, steps=(20,)),
    # Batches in which one frame follows from another.
    Kind("orderly connections", mix=_PLAIN, methods=_BY_HASH, flags=_ORDERLY, lines=(1024,)),
    Kind("established connections", mix=_PLAIN, flags=_DATA, lines=(1024,), clients=3, ports=2, batches=(24, 64), steps=(20,), waits=(1, 4)),
    Kind("flags in any order", mix=_PLAIN, methods=_BY_HASH, lines=(1024,)),
    Kind("turns of round robin", mix=_PLAIN, methods=("rr",), clients=30, **_ONE_TO_ONE),
    Kind("least sessions", mix=_PLAIN, methods=("session",), clients=30, **_ONE_TO_ONE),
    Kind("random draws", mix=_PLAIN, methods=("random",), clients=30, **_ONE_TO_ONE),
    Kind("lines full", mix=_PLAIN, methods=("hash",), lines=(2,), clients=60, once_a_batch=True),
    Kind("a server without targets", mix=_PLAIN, methods=("hash",), lines=(1,), clients=60, once_a_batch=True, changes=("nobody",)),
    Kind("plain beside others", mix={build.plain: 3, build.options: 1, build.vlan: 1}, methods=("hash",), lines=(1024,), flags=_ACK),
    # Rare things.
    Kind("fragments and changes", mix={build.first_fragment: 1, build.later_fragment: 2}, batches=(1, 2), steps=(20,),
         changes=(*CHANGES, "target gone", "address gone"), waits=(0, 1)),
    Kind("two MACs of our own", mix={build.plain: 3, build.from_other_own: 1, build.to_other_mac: 1}, methods=("hash",),
         flags=_ACK, own=(OWN, OWN_TOO), clients=30, **_ONE_TO_ONE),
    Kind("frames to an address that went", mix=_PLAIN, methods=("hash",), flags=_ACK, late=True, changes=("address gone", "server back"),
         clients=30, **_ONE_TO_ONE),
    Kind("generations come round", mix=_PLAIN, batches=(1,), flags=(2, 16), lines=(16,), clients=60, ports=1,
         changes=("all down", "all back"), change_share=0.9, steps=(150,), waits=(0,), sweeps=False),
    Kind("targets at their limits", mix=_PLAIN, limits=(0, 1, 2, 5, 40), clients=30, lines=(16, 1024), changes=CHANGES),
    Kind("clients that are to leave", mix={build.plain: 6, build.options: 1}, clients=10, changes=("leave", "target back", "drain")),
    Kind("targets in other networks", vlans=(0, 0, 300), mix={build.plain: 6, build.vlan: 1, build.super_frame: 1, build.options: 1, build.error: 1},
         clients=12, changes=("way out", "mac", "mtu"), ways_out=WAYS_OUT),
    Kind("transfers in super-frames", mix={build.super_frame: 8, build.plain: 1, build.options: 1}, flags=(2, 16, 17), clients=3, ports=2,
         batches=(5, 20), waits=(0, 1, 61), changes=(*CHANGES, "vlan", "mtu"), vlans=(0, 0, 300), lines=(16, 1024)),
    Kind("networks on VLANs", vlans=(0, 200, 4094), mix={build.plain: 6, build.vlan: 2, build.options: 1, build.error: 1}, changes=("vlan", "address gone"), late=True),
    Kind("everything", limits=(0, 0, 0, 3), ways_out=WAYS_OUT, vlans=(0, 0, 0, 300), late=True,
         changes=(*CHANGES, "target gone", "address gone", "mtu", "nobody", "vlan"),
         own=(OWN, OWN_TOO)),
    Kind("everything, many clients", changes=(*CHANGES, "target gone", "mtu"), lines=(64,), clients=80),
]  # fmt: skip
"""Kinds of scenario, by name."""
