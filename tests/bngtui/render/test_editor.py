"""What the editor, the review and the history are drawn from: text in, runs, offers and lines out."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from bngtui.render import diff as differ
from bngtui.render.complete import explained, offers, paint_popup
from bngtui.render.dialog import Answer, Question, paint_prompt, paint_question
from bngtui.render.findings import paint_findings, verdict, window
from bngtui.render.highlight import highlight
from bngtui.render.revision_list import revision_mark
from bngtui.render.source_text import block_at, place
from bngtui.render.trial import Trial, differs_span, trial_spans
from engine.api.messages import Pending, Revision
from engine.config.difference.change import Change
from engine.config.difference.compare import unified
from engine.config.finding import Finding

TEXT = """\
server 1 {
  targets 1,2
} // { not this one
target 1
{
  weight 1
}
register targets 1,2
"""
LINES = TEXT.split("\n")


def text_of(lines):
    return "\n".join(row.text.rstrip() for row in lines)


def inks(line, block=""):
    return [(line[run.start : run.end], run.ink) for run in highlight(line, block)]


# -- colours --------------------------------------------------------------------------------------------------------


def test_a_line_at_the_top():
    assert inks('register targets 1,2 // both "of" them') == [
        ("register", "keyword"),
        ("targets", "keyword"),
        ("1,2", "number"),
        ('// both "of" them', "comment"),
    ]


def test_words_belong_to_their_block():
    assert inks("weight 3", "target") == [("weight", "word"), ("3", "number")]
    assert inks("weight 3", "server") == [("3", "number")]
    assert inks('name "a // b"', "network") == [("name", "word"), ('"a // b"', "string")]
    assert inks("weight 3", None)[0] == ("weight", "word")  # in a block that nobody knows nothing is wrong


def test_a_block_on_one_line():
    assert inks("vrrp { priority 5 }") == [
        ("vrrp", "keyword"),
        ("{", "brace"),
        ("priority", "word"),
        ("5", "number"),
        ("}", "brace"),
    ]


@given(st.text(max_size=80), st.sampled_from(["", "target", "set", None]))
def test_runs_are_in_order_and_within_the_line(line, block):
    line = line.replace("\n", " ")
    end = 0
    for run in highlight(line, block):
        assert end <= run.start < run.end <= len(line)
        end = run.end


# -- places ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("row", "block"),
    [(0, ("", None)), (1, ("server", 1)), (3, ("", None)), (5, ("target", 1)), (7, ("", None))],
)
def test_the_block_of_a_line(row, block):
    assert block_at(LINES, row, "balanceng") == block


def test_a_brace_on_a_line_of_its_own_opens_the_block_named_above_it():
    assert block_at(["target 7", "{", "  "], 2, "balanceng") == ("target", 7)
    assert block_at(["", "target 7", "", "{", "  "], 4, "balanceng") == ("target", 7)
    assert block_at(["{", "  "], 1, "balanceng") == (None, None)


def test_the_block_of_a_toml_line():
    lines = ["modules = []", "[server.1]", "port = 80", "[target.2]  # two", "", "[nonsense]", "x = 1"]
    assert [block_at(lines, row, "toml") for row in (0, 2, 4, 6)] == [
        ("", None),
        ("server", 1),
        ("target", 2),
        (None, None),
    ]


def test_a_place_within_a_line():
    assert place(["server 3 { method "], 0, 18, "balanceng") == ("server", 3, ("method",))


# -- completion -----------------------------------------------------------------------------------------------------


def words(text, language="balanceng"):
    """Offers at the sign | in the text."""
    before = text.split("|")[0]
    lines = text.replace("|", "").split("\n")
    row = before.count("\n")
    return [offer.word for offer in offers(lines, row, len(before.split("\n")[-1]), language).items]


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("reg|", ["register"]),
        ("register |", ["interface", "network", "server", "target"]),
        ("target 1 {\n}\ntarget 4 {\n}\nenable targets |", ["1", "4"]),
        ("target 1 {\n}\ntarget 4 {\n}\nserver 1 {\n targets 1,|", ["1", "4"]),
        ("server 1 {\n method r|", ["rr", "random", "rndagent"]),
        ("server 1 {\n prot|", ["protocol"]),
        ("set |", ["ipforwarding", "multithreading", "sessionautoresync", "sessionsyncack"]),
        ("modules vrrp,a|", ["arp"]),
        ("no register s|", ["server"]),
        ("nonsense {\n w|", []),
    ],
)
def test_what_fits(text, wanted):
    assert words(text) == wanted


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("[ser|", ["server."]),
        ("[target.1]\nwei|", ["weight"]),
        ("[target.1]\ndsr = |", ["true", "false"]),
        ("[server.1]\nmethod = |", ['"rr"', '"random"']),
        ('[server.1]\nmethod = "r|', ["rr", "random"]),
        ("[target.1]\n[target.7]\n[server.1]\ntargets = [|", ["1", "7"]),
        ("[target.1]\nenab|", ["enabled"]),
    ],
)
def test_what_fits_in_toml(text, wanted):
    assert words(text, "toml")[: len(wanted)] == wanted


def test_every_offer_says_what_it_does():
    found = offers(["target 1 {", "  "], 1, 2, "balanceng").items
    assert all(offer.help for offer in found)
    assert [offer.word for offer in found][-1] == "}"


def test_the_word_of_a_line_is_explained_wherever_the_cursor_is():
    lines = ["target 1 {", "   weight 3", "}"]
    for column in (0, 3, 5, 9, 11):
        assert explained(lines, 1, column, "balanceng")[0] == "weight"
    assert explained(lines, 9, 0, "balanceng") is None
    assert explained(["[target.1]", "weight = 3"], 1, 8, "toml")[0] == "weight"


@pytest.mark.parametrize(("line", "word"), [("   weight", "weight"), ("   weight{", "weight"), ("   ", None)])
def test_in_the_blanks_before_a_word_that_ends_the_line_it_is_explained(line, word):
    found = explained(["target 1 {", line, "}"], 1, 1, "balanceng")
    assert (found and found[0]) == word


def test_a_popup_scrolls_to_the_chosen_one():
    items = offers(["target 1 {", "  "], 1, 2, "balanceng").items
    last = len(items) - 1
    lines = paint_popup(items, last, 40, 6)
    assert len(lines) == 6
    assert any(row.text.startswith(f"▸ {items[last].word}") for row in lines)
    assert all(cell_len(row.text) == 40 for row in lines)


# -- findings -------------------------------------------------------------------------------------------------------


def finding(line, severity="error", message="wrong", hint=""):
    return Finding(
        file="x", line=line, column=3, severity=severity, code="c", message=message, hint=hint, length=2
    )


def test_the_verdict_counts():
    assert [span.text for span in verdict([])] == ["● valid"]
    said = "".join(s.text for s in verdict([finding(1), finding(2), finding(3, "warning")]))
    assert said == "✖ 2 errors, ▲ 1 warning"


def test_a_list_that_is_longer_than_its_room_shows_the_chosen_one():
    found = [finding(n) for n in range(1, 10)]
    top = window(7, 0, 3)
    text = text_of(paint_findings(found, 80, 4, checked="engine", chosen=7, top=top))
    assert "▸ ✖ 8:3" in text
    assert "6-8/9" in text


# -- the difference -------------------------------------------------------------------------------------------------

OLD = "a\nb\nc\nd\ne\nf\ng\nh\ni\nj\nk\nl\n"
NEW = "a\nB\nc\nd\ne\nf\ng\nh\ni\nj\nk2\nk3\nl\n"


def test_rows_have_the_numbers_of_both_texts():
    rows = differ.rows(unified(OLD, NEW, "old", "new"))
    changed = [row for row in rows if not row.same and (row.old or row.new)]
    assert changed == [
        differ.Row((2, "b"), (2, "B")),
        differ.Row((11, "k"), (11, "k2")),
        differ.Row(None, (12, "k3")),
    ]
    assert differ.counts(rows) == "3 lines added, 2 removed"


def test_below_one_another_the_old_lines_stand_before_the_new_ones():
    text = text_of(differ.below(differ.rows(unified("x\ny\n", "p\nq\n", "o", "n")), 30))
    assert text.split("\n") == ["  1 - x", "  2 - y", "  1 + p", "  2 + q"]


def test_side_by_side_every_line_has_the_full_width():
    lines = differ.beside(differ.rows(unified(OLD, NEW, "o", "n")), 121)
    assert {cell_len(row.text) for row in lines} == {121}
    assert "  2 - b" in lines[1].text
    assert "│   2 + B" in lines[1].text


@given(st.lists(st.sampled_from("abc"), max_size=12), st.lists(st.sampled_from("abc"), max_size=12))
def test_a_diff_has_every_line_that_differs(old, new):
    texts = ["".join(f"{char}\n" for char in side) for side in (old, new)]
    rows = differ.rows(unified(*texts, "o", "n"))
    removed = [row.old[1] for row in rows if row.old and not row.same]
    added = [row.new[1] for row in rows if row.new and not row.same]
    assert sorted([*old, *added]) == sorted([*new, *removed])


def test_hostile_lines_are_made_harmless():
    text = text_of(differ.below(differ.rows(unified("", "\x1b[2Jx\n", "o", "n")), 40))
    assert "\x1b" not in text


def test_what_cuts_somebody_off_is_said_in_sign_and_word():
    changes = [
        Change(
            kind="removed",
            subject="server 1",
            message="removed",
            effect="1,204 flows end",
            flows=1204,
            cuts=True,
        ),
        Change(kind="changed", subject="target 2", message="weight 1 → 3", effect="new flows only"),
    ]
    text = text_of(differ.summary(changes, 80))
    assert "▲ - server 1" in text
    assert "CUTS OFF: 1,204 flows end" in text
    assert "~ target 2  weight 1 → 3" in text
    said = "".join(span.text for span in differ.headline(changes))
    assert said == "2 changes  1,204 flows affected  ▲ may cut somebody off"


# -- dialogs, the trial, the history --------------------------------------------------------------------------------


def test_a_question_fits_its_room_and_keeps_its_answers():
    question = Question("Why?", tuple(f"reason {n}" for n in range(40)), (Answer("n", "No", ""),))
    lines = paint_question(question, 0, room=18)
    assert len(lines) <= 18
    assert "more lines" in text_of(lines)
    assert "▸ No  n, Enter" in text_of(lines)


def test_a_long_line_shows_its_end():
    text = text_of(paint_prompt("Path", "/very" * 40 + "/end", ""))
    assert "/end█" in text
    assert "…" in text


def test_the_countdown_goes_on_between_readings():
    pending = Pending(revision=7, reverts_to=6, seconds_left=41.2, actor="root(0)")
    trial = Trial.of(pending, 1.0, may_answer=True)
    text = "".join(span.text for span in trial_spans(trial))
    assert text == " ▲ revision 7 on trial: back to 6 in 41 s   F8 keep  F9 take back"
    assert Trial.of(pending, 99.0, may_answer=True).seconds_left == 0
    assert "F8" not in "".join(s.text for s in trial_spans(Trial.of(pending, 0, may_answer=False)))


def test_what_differs():
    assert differs_span(["target 2 disabled (file: enabled)"], may_save=True).text == (
        "▲ target 2 disabled (file: enabled); W saves"
    )
    assert differs_span(["a", "b"], may_save=False).text == "▲ 2 states differ from the file"


@pytest.mark.parametrize(
    ("running", "confirmed", "reverted", "word"),
    [
        (True, True, False, "running"),
        (True, False, False, "on trial"),
        (False, False, True, "reverted"),
        (False, True, False, ""),
    ],
)
def test_the_state_of_a_revision(running, confirmed, reverted, word):
    revision = Revision(
        number=1,
        time="",
        uid=0,
        user="root",
        note="",
        language="toml",
        running=running,
        confirmed=confirmed,
        reverted=reverted,
    )
    assert revision_mark(revision).word == word
