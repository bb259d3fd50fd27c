"""What is written is read back as the same model, in both languages and across them."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.config.language.balanceng import dump as dump_balanceng
from engine.config.language.toml import dump as dump_toml
from engine.config.load import load
from engine.config.model import (
    DEFAULT_MODULES,
    MAX_MAXSESSIONS,
    MAX_STIMEOUT_S,
    MODULES,
    Config,
    Gateway,
    Interface,
    Network,
    Server,
    Target,
    Vrrp,
)
from engine.domain.checks import CheckSettings
from tests.helpers.paths import SAMPLES

texts = st.text(st.characters(exclude_categories=["C", "Z"], include_characters=' "\\{}/#='), max_size=20)
words = st.text("abcxyz0189.-_", min_size=1, max_size=15).filter(lambda s: s not in {".", ".."})
addresses = st.builds("{}.{}.{}.{}".format, st.integers(1, 126), *[st.integers(0, 255)] * 3)
masks = st.integers(1, 32).map(
    lambda n: ".".join(str(b) for b in (((1 << n) - 1) << (32 - n)).to_bytes(4, "big"))
)
pings = st.builds(CheckSettings, st.none(), st.integers(1, 3600), st.integers(1, 86400))
opens = st.builds(CheckSettings, st.integers(1, 65535), st.integers(1, 3600), st.integers(1, 86400))
ports = st.integers(0, 65535)
protocols = st.sampled_from(["tcp", "udp", "any"])
lists = st.lists(st.integers(1, 1024), max_size=6)


def maybe(strategy):
    return st.none() | strategy


def states():
    return {"registered": st.booleans(), "enabled": st.booleans()}


def numbered(high, build):
    """A list of items with different numbers, in order; `build` makes a strategy of one."""
    numbers = st.lists(st.integers(1, high), max_size=4, unique=True).map(sorted)
    return numbers.flatmap(lambda found: st.tuples(*[build(number) for number in found]).map(list))


configs = st.builds(
    Config,
    modules=st.lists(st.sampled_from(MODULES), unique=True),
    settings=st.dictionaries(
        st.text("abcdefgh-_09", min_size=1).filter(lambda s: s.strip("-_")), texts, max_size=3
    ),
    interfaces=numbered(
        128,
        lambda n: st.builds(
            Interface, number=st.just(n), name=words, threads=maybe(st.integers(1, 64)), **states()
        ),
    ),
    networks=numbered(
        128,
        lambda n: st.builds(
            Network,
            number=st.just(n),
            name=texts,
            addr=maybe(addresses),
            mask=maybe(masks),
            real=maybe(addresses),
            virt=maybe(addresses),
            mask6=maybe(st.integers(0, 128).map(str)),
            real6=maybe(st.ip_addresses(v=6).map(str)),
            virt6=maybe(st.ip_addresses(v=6).map(str)),
            syncpeer=maybe(addresses),
            nat=maybe(st.sampled_from(["inside", "outside"])),
            interface=maybe(st.integers(1, 128)),
            **states(),
        ),
    ),
    gateway=maybe(
        st.builds(
            Gateway, ipaddr=maybe(addresses), checks=st.fixed_dictionaries({}, optional={"ping": pings})
        )
    ),
    vrrp=maybe(
        st.builds(
            Vrrp,
            vrid=maybe(st.integers(1, 255)),
            priority=st.integers(1, 255),
            network=maybe(st.integers(1, 128)),
        )
    ),
    servers=numbered(
        512,
        lambda n: st.builds(
            Server,
            number=st.just(n),
            name=texts,
            ipaddr=maybe(addresses),
            port=ports,
            protocol=protocols,
            method=st.sampled_from(["rr", "random", "hash", "first", "session", "bw", "agent", "rndagent"]),
            sessionid=st.sampled_from(["src", "src+port"]),
            stimeout=st.integers(1, MAX_STIMEOUT_S),
            plugin=maybe(texts),
            targets=lists,
            backup=lists,
            **states(),
        ),
    ),
    targets=numbered(
        1024,
        lambda n: st.builds(
            Target,
            number=st.just(n),
            name=texts,
            ipaddr=maybe(addresses),
            port=ports,
            protocol=protocols,
            dsr=st.booleans(),
            checks=st.fixed_dictionaries({}, optional={"ping": pings, "tcpopen": opens}),
            agent=maybe(texts),
            script=maybe(texts),
            weight=st.integers(1, 255),
            maxsessions=st.integers(0, MAX_MAXSESSIONS),
            alert=maybe(texts),
            upalert=maybe(texts),
            **states(),
        ),
    ),
)


@given(configs)
@settings(max_examples=60, deadline=None)
def test_balanceng_text_and_toml_both_hold_every_model(config):
    text, toml = dump_balanceng(config), dump_toml(config)
    assert load(text, "x.conf").config == config
    assert load(toml, "x.toml").config == config
    assert dump_toml(load(text, "x").config) == toml
    assert dump_balanceng(load(toml, "x").config) == text


@pytest.mark.parametrize("name", ["dsr.conf", "dsr.toml"])
def test_the_example_is_valid_without_a_warning(name):
    loaded = load((SAMPLES / name).read_bytes(), name)
    assert (loaded.ok, loaded.findings) == (True, [])


def test_the_example_is_the_same_in_both_languages():
    one, other = (load((SAMPLES / n).read_bytes(), n) for n in ("dsr.conf", "dsr.toml"))
    assert one.config == other.config
    assert load(dump_toml(one.config), "x.toml").config == one.config


def test_the_example_says_what_the_page_says():
    config = load((SAMPLES / "dsr.conf").read_bytes(), "dsr.conf").config
    assert config.modules == list(DEFAULT_MODULES)
    assert config.interfaces == [Interface(number=1, name="eth0", registered=True, enabled=True)]
    assert config.networks == [
        Network(
            number=1,
            name="local network",
            addr="172.16.1.0",
            mask="255.255.255.0",
            real="172.16.1.252",
            virt="172.16.1.253",
            interface=1,
            registered=True,
            enabled=True,
        )
    ]
    assert config.servers == [
        Server(
            number=1,
            ipaddr="172.16.1.10",
            port=80,
            protocol="tcp",
            targets=[1, 2],
            registered=True,
            enabled=True,
        )
    ]
    assert config.targets == [
        Target(
            number=n,
            ipaddr=f"172.16.1.{99 + n}",
            port=80,
            protocol="tcp",
            dsr=True,
            checks={"tcpopen": CheckSettings(80, 3, 10)},
            registered=True,
            enabled=True,
        )
        for n in (1, 2)
    ]


@pytest.mark.parametrize("dump", [dump_balanceng, dump_toml])
def test_a_text_that_no_file_can_hold_is_refused_and_not_mangled(dump):
    with pytest.raises(ValueError, match="cannot be written"):
        dump(Config(targets=[Target(number=1, name="two\nlines")]))
