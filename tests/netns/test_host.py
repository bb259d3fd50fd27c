"""What the engine does to its host, and takes back."""

from __future__ import annotations

import asyncio
import uuid

import pytest
from pyroute2 import IPRoute

from engine.config.load import load
from engine.io.host.host import Host, HostError
from engine.lab import namespaces

TEXT = """
interface 1 { name eth0 }
register interface 1
enable interface 1
network 1 { addr 172.16.1.0 mask 255.255.255.0 real 172.16.1.252 interface 1 }
register network 1
enable network 1
"""
VIRTUAL = ["172.16.1.10", "172.16.1.253"]


@pytest.fixture
def inside():
    name = f"host-{uuid.uuid4().hex[:6]}"
    namespaces.create(name)
    try:
        with namespaces.inside(f"/run/netns/{name}"):
            with IPRoute() as ip:
                ip.link("add", ifname="eth0", kind="veth", peer="peer0")
                ip.link("set", index=ip.link_lookup(ifname="peer0")[0], state="up")
            yield
    finally:
        namespaces.remove(name)


def _addresses() -> list[str]:
    with IPRoute() as ip:
        return [a.get("address") for a in ip.get_addr(family=2)]


def _blackholes() -> list[str]:
    with IPRoute() as ip:
        return sorted(r.get("dst") for r in ip.get_routes(family=2, table=254) if r["type"] == 6)


def _give(ifname: str, address: str, prefix: int) -> None:
    with IPRoute() as ip:
        ip.addr("add", index=ip.link_lookup(ifname=ifname)[0], address=address, prefixlen=prefix)


# The library's synchronous calls want a thread without a running loop; it is born into the same namespace.


async def addresses() -> list[str]:
    return await asyncio.to_thread(_addresses)


async def blackholes() -> list[str]:
    return await asyncio.to_thread(_blackholes)


async def give(ifname: str, address: str, prefix: int) -> None:
    await asyncio.to_thread(_give, ifname, address, prefix)


@pytest.fixture
def config():
    loaded = load(TEXT, "test.conf")
    assert loaded.config is not None
    return loaded.config


async def right(host: Host, config, virtual: list[str]) -> None:
    links = await host.links(config)
    host.refuse_owned(virtual)
    righted = await host.put_right(config.networks, links, virtual, 0.0)
    assert (righted.notices, righted.wrong, righted.refusals) == ([], {}, [])


async def take(host: Host, config) -> None:
    await host.open()
    await right(host, config, VIRTUAL)


def test_addresses_and_routes_come_and_go(inside, config, tmp_path):
    async def story() -> None:
        host = Host(tmp_path / "added.json")
        await take(host, config)
        assert await addresses() == ["172.16.1.252"]
        assert await blackholes() == VIRTUAL
        await right(host, config, VIRTUAL[:1])
        assert await blackholes() == VIRTUAL[:1]
        await host.close()
        assert await addresses() == await blackholes() == []

    asyncio.run(story())


def test_what_a_killed_engine_left_is_taken_over(inside, config, tmp_path):
    async def killed() -> None:
        host = Host(tmp_path / "added.json")
        await take(host, config)
        host._close_sockets()

    async def after() -> None:
        host = Host(tmp_path / "added.json")
        await take(host, config)
        assert await blackholes() == VIRTUAL
        await host.close()
        assert await addresses() == await blackholes() == []

    asyncio.run(killed())
    asyncio.run(after())


def test_an_address_that_was_there_before_stays(inside, config, tmp_path):
    async def story() -> None:
        await give("eth0", "172.16.1.252", 24)
        host = Host(tmp_path / "added.json")
        await take(host, config)
        await host.close()
        assert await addresses() == ["172.16.1.252"]

    asyncio.run(story())


def test_a_host_that_owns_a_virtual_address_is_refused(inside, config, tmp_path):
    async def story() -> None:
        await give("lo", "172.16.1.10", 32)
        host = Host(tmp_path / "added.json")
        with pytest.raises(HostError, match=r"owns the virtual address 172\.16\.1\.10 on lo.*ip addr del"):
            await take(host, config)
        await host.close()

    asyncio.run(story())
