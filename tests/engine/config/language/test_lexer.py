"""Tokens, their places, and texts that survive being written and read."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.config.language.lexer import lines, quote


def tokens(text):
    return [(t.kind, t.value, t.line, t.column, t.length) for line in lines(text) for t in line]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", []),
        (" // only a comment", []),
        ("a b", [("word", "a", 1, 1, 1), ("word", "b", 1, 3, 1)]),
        ("a{b}", [("word", "a", 1, 1, 1), ("{", "{", 1, 2, 1), ("word", "b", 1, 3, 1), ("}", "}", 1, 4, 1)]),
        ("a//b", [("word", "a", 1, 1, 1)]),
        ("a/b/c //d", [("word", "a/b/c", 1, 1, 5)]),
        ("http://x", [("word", "http://x", 1, 1, 8)]),
        ("\r\n\t80\r\n", [("word", "80", 2, 2, 2)]),
        ('"a // {b} \\" c" d', [("text", 'a // {b} " c', 1, 1, 15), ("word", "d", 1, 17, 1)]),
        ('""', [("text", "", 1, 1, 2)]),
        ('"a\nb', [("text", "a", 1, 1, 2), ("word", "b", 2, 1, 1)]),
        ('"a\\', [("text", "a\\", 1, 1, 3)]),
        ("\\", [("word", "\\", 1, 1, 1)]),
        ("/", [("word", "/", 1, 1, 1)]),
    ],
)
def test_tokens_and_where_they_stand(text, expected):
    assert tokens(text) == expected


def test_only_a_text_without_its_quote_is_not_closed():
    closed = [[t.closed for t in line] for line in lines('a "b"\n"c')]
    assert closed == [[True, True], [False]]


@given(st.text(st.characters(exclude_characters="\n")))
def test_what_is_quoted_is_one_token_of_that_value(text):
    (line,) = lines(quote(text))
    assert [t.value for t in line] == [text]


@given(st.text())
def test_tokens_never_overlap_and_never_leave_their_line(text):
    source = text.split("\n")
    for line in lines(text):
        end = 1
        for token in line:
            assert token.column >= end
            end = token.end
        assert end <= len(source[line[0].line - 1]) + 1
