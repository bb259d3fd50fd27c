"""Edits in place: what is wanted is read back, and everything else is as it was."""

import re

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.config.editing import appended_commands
from engine.config.editing.rewrite import rewrite, write_states
from engine.config.language.balanceng import dump as dump_balanceng
from engine.config.language.toml import dump as dump_toml
from engine.config.model import (
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
from tests.helpers.rewriting import LANGUAGES, PHASES, lines_of, read

DUMP = {"balanceng": dump_balanceng, "toml": dump_toml}
MARK = {"balanceng": "//", "toml": "#"}

names = st.sampled_from(["", "web", "two words", 'a "quoted\\ one', "a//b # c", "port"])
addresses = st.sampled_from([None, "10.0.0.1", "10.0.0.2", "192.168.7.250"])
numbers = st.lists(st.integers(1, 9), max_size=5, unique=True)
pings = st.sampled_from([CheckSettings(None, 3, 8), CheckSettings(None, 5, 12)])
opens = st.sampled_from([CheckSettings(80, 3, 10), CheckSettings(443, 3, 10), CheckSettings(80, 5, 30)])
ports = st.sampled_from([0, 80, 443])
protocols = st.sampled_from(["tcp", "udp", "any"])
commands_run = st.sampled_from([None, "/bin/true now", "x"])


def listed(kind, **words):
    def build(number):
        return st.builds(
            kind, number=st.just(number), registered=st.booleans(), enabled=st.booleans(), **words
        )

    found = st.lists(st.integers(1, 9), max_size=4, unique=True).map(sorted)
    return found.flatmap(lambda ns: st.tuples(*[build(n) for n in ns]).map(list))


models = st.builds(
    Config,
    modules=st.sampled_from([list(MODULES), ["arp", "hc", "slb"], []]),
    settings=st.dictionaries(
        st.sampled_from(["ipforwarding", "x-y", "multithreading"]), st.sampled_from(["0", "1", "", "a b"])
    ),
    interfaces=listed(
        Interface, name=st.sampled_from(["", "eth0", "eth1"]), threads=st.sampled_from([None, 2])
    ),
    networks=listed(
        Network,
        name=names,
        addr=addresses,
        mask=st.sampled_from([None, "255.255.255.0"]),
        real=addresses,
        virt=addresses,
        nat=st.sampled_from([None, "inside"]),
        interface=st.sampled_from([None, 1, 2]),
    ),
    gateway=st.none()
    | st.builds(Gateway, ipaddr=addresses, checks=st.fixed_dictionaries({}, optional={"ping": pings})),
    vrrp=st.none() | st.builds(Vrrp, vrid=st.sampled_from([None, 7]), priority=st.sampled_from([100, 150])),
    servers=listed(
        Server,
        name=names,
        ipaddr=addresses,
        port=ports,
        protocol=protocols,
        method=st.sampled_from(["rr", "hash"]),
        stimeout=st.sampled_from([600, 30]),
        plugin=commands_run,
        targets=numbers,
        backup=numbers,
    ),
    targets=listed(
        Target,
        name=names,
        ipaddr=addresses,
        port=ports,
        protocol=protocols,
        dsr=st.booleans(),
        checks=st.fixed_dictionaries({}, optional={"ping": pings, "tcpopen": opens}),
        weight=st.sampled_from([1, 5]),
        maxsessions=st.sampled_from([0, 1000]),
        script=commands_run,
    ),
)


@st.composite
def decorated(draw, language, model):
    """A model's text as people have it: comments everywhere, blank lines, either line end, with or without the last."""
    mark, lines, comments = MARK[language], [], []
    choices = draw(st.lists(st.integers(0, 5), min_size=1, max_size=40))
    inside = False
    for number, plain in enumerate(DUMP[language](model).rstrip("\n").split("\n")):
        line = plain
        choice = choices[number % len(choices)]
        comment = f"{mark} note {number} about {{ this"
        within, inside = inside, not line.endswith("}") and (inside or line.endswith("{"))
        top = not within if language == "balanceng" else line.startswith(("[", "mod"))
        if choice == 0 and top:
            lines.append(comment)
            comments.append(comment)
        elif choice == 1 and not inside and not line.startswith("[") and language == "balanceng":
            line += "   " + comment
            comments.append(comment)
        elif choice == 2 and top:
            lines.append("")
        elif choice == 3 and line.strip() and language == "toml":
            line += "  " + comment
        lines.append(line)
    end = draw(st.sampled_from(["\n", "\r\n"]))
    return end.join(lines) + draw(st.sampled_from(["", end])), comments


@pytest.mark.parametrize("language", LANGUAGES)
@given(data=st.data(), old=models, new=models)
@settings(max_examples=60, deadline=None, phases=PHASES)
def test_a_text_comes_to_say_any_other_model_and_keeps_its_comments(language, data, old, new):
    keep = data.draw(st.sets(st.sampled_from(["settings", "interfaces", "networks", "servers", "targets"])))
    for part in keep:  # most edits leave most of a text alone
        setattr(new, part, getattr(old, part))
    text, comments = data.draw(decorated(language, old))
    assert read(text, language) == old
    edited = rewrite(text, language, new)
    assert read(edited, language) == new
    for comment in comments:
        assert comment in edited
    assert not re.search(r"(?m)^no ", edited), "edited by commands at the end"
    if old == new:
        assert edited == text


@given(old=models, new=models, end=st.sampled_from(["\n", "", "\r\n"]))
@settings(max_examples=40, deadline=None, phases=PHASES)
def test_commands_at_the_end_say_any_other_model_too(old, new, end):
    new.modules = old.modules
    text = dump_balanceng(old).replace("\n", end or "\n")
    text = text if end else text.removesuffix("\n")
    appended = appended_commands.append(text, old, new)
    assert read(appended, "balanceng") == new
    assert appended.startswith(text)


@pytest.mark.parametrize("language", LANGUAGES)
@given(data=st.data(), model=models)
@settings(max_examples=40, deadline=None, phases=PHASES)
def test_states_are_written_and_nothing_else_changes(language, data, model):
    text, comments = data.draw(decorated(language, model))
    items = [("server", s.number) for s in model.servers] + [("target", t.number) for t in model.targets]
    states = {item: data.draw(st.booleans()) for item in items if data.draw(st.booleans())}
    edited = write_states(text, language, states | {("target", 1000): True})
    wanted = msgspec.structs.replace(
        model,
        servers=[
            msgspec.structs.replace(s, enabled=states.get(("server", s.number), s.enabled))
            for s in model.servers
        ],
        targets=[
            msgspec.structs.replace(t, enabled=states.get(("target", t.number), t.enabled))
            for t in model.targets
        ],
    )
    assert read(edited, language) == wanted
    assert write_states(edited, language, states) == edited
    assert all(comment in edited for comment in comments)
    kept = [line for line in lines_of(text) if "enable" not in line]
    assert [line for line in lines_of(edited) if line in kept and "enable" not in line] == [
        line for line in kept if not line.endswith("enabled = true")
    ]
