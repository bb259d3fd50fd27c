"""Where keys and values stand in TOML text, compared with what tomllib finds there."""

import tomllib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.config.language.toml_places import MAX_DEPTH, Places, TooDeep

TEXT = '''\
# a comment = 1
top = 1
[a.b]
"quoted key" = 'x' # y = 1
dotted . key = [1, [2, 3], "]",
  { in = 4, "line" = { deep = 5 } }, # comment ]
  6]
[[many]]
n = 1
[[many]]
n = """two
lines ] = """
sub.x = -1.5e3
[many.inner]
date = 1979-05-27 07:32:00
'''


def at(*path):
    place = Places(TEXT).get(path)
    line = TEXT.split("\n")[place.value.line - 1]
    return line[place.value.column - 1 : place.value.column - 1 + place.value.length], place.word.line


@pytest.mark.parametrize(
    ("path", "value", "line"),
    [
        (("top",), "1", 2),
        (("a", "b", "quoted key"), "'x'", 4),
        (("a", "b", "dotted", "key", 0), "1", 5),
        (("a", "b", "dotted", "key", 1, 1), "3", 5),
        (("a", "b", "dotted", "key", 2), '"]"', 5),
        (("a", "b", "dotted", "key", 3, "in"), "4", 6),
        (("a", "b", "dotted", "key", 3, "line", "deep"), "5", 6),
        (("a", "b", "dotted", "key", 4), "6", 5),
        (("many", 0, "n"), "1", 9),
        (("many", 1, "n"), '"""two', 11),
        (("many", 1, "sub", "x"), "-1.5e3", 13),
    ],
)
def test_values_and_the_lines_of_their_keys(path, value, line):
    assert at(*path) == (value, line)


def test_tables_stand_where_their_header_names_them():
    places = Places(TEXT)
    assert (places.get(("a", "b")).word.line, places.get(("a", "b")).word.column) == (3, 4)
    assert places.get(("many", 1)).word.line == 10
    assert places.get(("many", 1, "inner", "date")).word.line == 15
    assert places.nearest(("a", "b", "no", "such")).word.line == 3
    assert places.nearest(("nothing",)).word.line == 1


def test_every_path_that_tomllib_finds_has_a_place():
    def paths(value, path):
        if path:
            yield path
        children = (
            value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
        )
        for key, inner in children:
            yield from paths(inner, (*path, key))

    places = Places(TEXT)
    missing = [path for path in paths(tomllib.loads(TEXT), ()) if places.get(path) is None]
    assert missing == []


def test_statements_know_their_lines():
    assert [(e.first, e.last, e.header) for e in Places(TEXT).extents][:5] == [
        (2, 2, False),
        (3, 3, True),
        (4, 4, False),
        (5, 7, False),
        (8, 8, True),
    ]


def test_depth_is_bounded_but_not_in_texts_and_comments():
    Places("a = '" + "[" * 100 + "' # " + "[" * 100)
    Places(".".join("a" * MAX_DEPTH) + " = 1")
    for text in ("a = " + "[" * 100, ".".join("a" * (MAX_DEPTH + 1)) + " = 1"):
        with pytest.raises(TooDeep):
            Places(text)


@given(st.text("ab.=[]{}\"'\\#,\n 1", max_size=60))
@settings(max_examples=300)
def test_no_text_stops_it(text):
    try:
        places = Places(text)
    except TooDeep:
        return
    lines = text.split("\n")
    for extent in places.extents:
        assert 1 <= extent.first <= extent.last <= len(lines)
