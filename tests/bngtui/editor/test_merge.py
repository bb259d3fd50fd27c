"""Two changes of one text, put together."""

from __future__ import annotations

import pytest

from bngtui.editor.merge import Clash, merge
from engine.config.load import load
from tests.helpers.paths import SAMPLES

CONF = """\
// the shop
modules   vrrp,arp,ping,hc,master,slb
set       sessiontimeout 600

server    1 {
          ipaddr 172.16.1.10     // what clients use
          port 80
          targets 1,2
}
register  server 1
enable    server 1

// the first
target    1 {
          ipaddr 172.16.1.100
          weight 1
}
target    2 {
          ipaddr 172.16.1.101
}
register  targets 1,2
enable    targets 1,2
"""
TOML = """\
# the shop
modules = [
  "arp",   # ]
  "slb",
]

[server.1]
ipaddr = "172.16.1.10"
port = 80
targets = [1, 2]

# the first
[target.1]
ipaddr = "172.16.1.100"
weight = 1
tcpopen = { port = 80, interval = 3 }

[target.2]
ipaddr = "172.16.1.101"
"""
TEXTS = {"balanceng": CONF, "toml": TOML}
NEW = {
    "balanceng": "target    {n} {\n          ipaddr 172.16.1.10{n}\n}\nregister  target {n}\nenable    target {n}\n",
    "toml": '\n[target.{n}]\nipaddr = "172.16.1.10{n}"\n',
}


@pytest.fixture(params=list(TEXTS))
def language(request):
    return request.param


@pytest.fixture
def base(language):
    return TEXTS[language]


def with_new(base, language, number):
    return base + NEW[language].replace("{n}", str(number))


def test_what_one_side_has_changed_is_taken(base, language):
    other = base.replace("172.16.1.101", "172.16.1.109")
    assert merge(base, base, other, language) == (other, other, ())
    assert merge(base, other, base, language) == (other, other, ())
    assert merge(base, other, other, language) == (other, other, ())


def test_changes_of_two_objects_stand_both(base, language):
    mine, theirs = (
        base.replace("weight 1", "weight 3").replace("weight = 1", "weight = 3"),
        base.replace("101", "109"),
    )
    merged = merge(base, mine, theirs, language)
    assert not merged.clashes
    assert merged.mine == merged.theirs == mine.replace("101", "109")


def test_changes_of_two_words_of_one_object_stand_both(base, language):
    mine, theirs = (
        base.replace("weight 1", "weight 3").replace("weight = 1", "weight = 3"),
        base.replace("100", "107"),
    )
    merged = merge(base, mine, theirs, language)
    assert not merged.clashes
    assert merged.mine == mine.replace("100", "107")


def test_objects_that_both_have_added_at_one_place_stand_both(base, language):
    merged = merge(base, with_new(base, language, 3), with_new(base, language, 4), language)
    assert not merged.clashes
    for number in (3, 4):
        assert NEW[language].replace("{n}", str(number)).strip() in merged.mine
    both = with_new(base, language, 3)
    assert merge(base, both, both, language).mine == both


def test_the_same_word_changed_twice_is_a_clash_with_both_sides(base, language):
    sign = " " if language == "balanceng" else " = "
    mine, theirs = (base.replace(f"weight{sign}1", f"weight{sign}{n}") for n in (3, 7))
    merged = merge(base, mine, theirs.replace("101", "109"), language)
    assert merged.clashes == (Clash("target 1", f"weight{sign}3", f"weight{sign}7"),)
    assert merged.mine == mine.replace("101", "109")
    assert merged.theirs == theirs.replace("101", "109")


def test_an_object_that_one_removes_and_the_other_changes_is_a_clash(base, language):
    place = base.index("\n// the first") if language == "balanceng" else base.index("\n# the first")
    end = base.index("target    2") if language == "balanceng" else base.index("\n[target.2]")
    gone = base[:place] + base[end:]
    changed = base.replace("172.16.1.100", "172.16.1.107")
    merged = merge(base, gone, changed, language)
    assert merged.clashes == (Clash("target 1", "", "changed"),)
    assert merged.theirs == changed
    assert "172.16.1.107" not in merged.mine
    assert merge(base, gone, base, language).mine == gone


def test_settings_between_the_blocks_clash_by_their_name(base, language):
    mine, theirs = (base.replace("arp", f"arp{more}", 1) for more in ("x", "y"))
    (clash,) = merge(base, mine, theirs, language).clashes
    assert clash.where == "modules"
    assert "arpx" in clash.mine
    assert "arpy" in clash.theirs


def test_a_setting_of_its_own_is_no_clash_with_another():
    mine, theirs = (
        CONF.replace("600", "700"),
        CONF.replace("set       s", "set       ipforwarding 0\nset       s"),
    )
    merged = merge(CONF, mine, theirs, "balanceng")
    assert not merged.clashes
    assert "sessiontimeout 700" in merged.mine
    assert "ipforwarding 0" in merged.mine


def test_lists_that_are_enabled_are_each_its_own_statement():
    mine = CONF.replace("enable    targets 1,2", "enable    targets 1")
    theirs = CONF.replace("enable    targets 1,2", "enable    targets 2")
    merged = merge(CONF, mine, theirs, "balanceng")
    assert "enable    targets 1\n" in merged.mine
    assert "enable    targets 2\n" in merged.mine
    assert "targets 1,2\n}" in merged.mine


def test_comments_go_with_what_follows_them(base, language):
    mine = base.replace("the first", "the very first")
    theirs = base.replace("101", "109")
    assert merge(base, mine, theirs, language).mine == mine.replace("101", "109")


@pytest.mark.parametrize("name", ["every-word.conf", "every-word.toml", "dsr.conf", "dsr.toml"])
def test_a_whole_file_is_cut_and_put_together_as_it_was(name):
    text = (SAMPLES / name).read_text()
    language = load(text, name).language
    other = text + ("// more\n" if language == "balanceng" else "# more\n")
    assert merge(text, text, other, language).mine == other
    assert merge(text, other, text, language).mine == other
    assert merge(other, text, other, language).mine == text


@pytest.mark.parametrize(
    "text", ["", "}", "target 1 {", "target 1 {\n", "{", "[", '["', "a = [\n", "target 1 { weight 3 }\n"]
)
@pytest.mark.parametrize("language", ["balanceng", "toml"])
def test_what_is_no_configuration_comes_out_as_it_went_in(text, language):
    assert merge(text, text, text, language).mine == text
    assert merge(text, text, text + "\n// x\n", language).mine == text + "\n// x\n"


def test_a_block_on_one_line_has_its_name():
    base = "target 1 { weight 3 }\ntarget 2 weight 4\n"
    merged = merge(base, base.replace("3", "5"), base.replace("4", "6"), "balanceng")
    assert merged == ("target 1 { weight 5 }\ntarget 2 weight 6\n",) * 2 + ((),)
    (clash,) = merge(base, base.replace("3", "5"), base.replace("3", "6"), "balanceng").clashes
    assert clash == Clash("target 1", "target 1 { weight 5 }", "target 1 { weight 6 }")
