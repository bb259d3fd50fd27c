"""The lines of a table that bngctl prints, at the cell where a text is cut or goes on below itself."""

from __future__ import annotations

from bngtui.render.printed.table import Col, Style, table

NOTE = (Col("#", lambda row: row[0], right=True), Col("NOTE", lambda row: row[1], wrap=20))


def test_a_note_that_fits_is_printed_as_it_is():
    assert table(NOTE, [("1", "two  blanks in 20 ce")], Style(width=23)) == [
        "#  NOTE",
        "1  two  blanks in 20 ce",
    ]


def test_a_longer_note_goes_on_below_itself():
    assert table(NOTE, [("1", "two  blanks in 21 cel")], Style(width=23)) == [
        "#  NOTE",
        "1  two blanks in 21 cel",
    ]
    assert table(NOTE, [("1", "a note of more cells than that")], Style(width=23)) == [
        "#  NOTE",
        "1  a note of more cells",
        "   than that",
    ]
