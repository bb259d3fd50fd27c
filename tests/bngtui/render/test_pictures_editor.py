"""What the editor, the review and their lists draw (tests/bngtui/render/test_pictures.py has the rest of the screen)."""

from __future__ import annotations

from pathlib import Path

import pytest

from bngtui.actions import Action
from bngtui.candidate import Candidate
from bngtui.render import diff, review
from bngtui.render.complete import best_width, explained, explained_spans, offers, paint_popup, popup_height
from bngtui.render.editor import paint_title
from bngtui.render.findings import paint_findings
from bngtui.render.highlight import highlight
from bngtui.render.source_text import block_at, place, statement_word
from bngtui.render.text import Line, Span
from engine.api.messages import ConfigDiff
from engine.config.difference.change import Change
from engine.config.difference.compare import unified
from engine.config.finding import Finding
from tests.helpers.golden import agree
from tests.helpers.pictures import picture, several

GOLDEN = Path(__file__).with_name("golden")


def finding(line, severity="error", hint="", column=3):
    return Finding(
        file="x", line=line, column=column, severity=severity, code="c", message=f"wrong {line}", hint=hint
    )


CHANGES = [
    Change(kind="added", subject="server 2", message="added " + "far " * 20),
    Change(kind="removed", subject="server 1", message="removed", effect="2 flows end", flows=2, cuts=True),
    Change(kind="changed", subject="target 1", message="weight 1 → 3", effect="1 flow moves", flows=1),
    Change(kind="changed", subject="t" * 30, message="a name", effect="new flows only"),
    Change(kind="changed", subject="network 1", message="moves", cuts=True),
]
OLD, NEW = "a\nb\nc\nd\ne\nf\ng\nh\ni\nj\nk\nl", "a\nB\tx\nc\nd\ne\nf\ng\nh\ni\nj\nk2\nk3\nl\n"


def differences():
    rows = diff.rows(unified(OLD, NEW, "old", "new"))
    far = diff.rows("@@ -998,2 +9998,3 @@\n same\n+new\n-old\n+newer\n\\ No newline at end of file\n")
    return several(
        *(diff.below(found, width) for found in (rows, far) for width in (20, 40)),
        *(diff.beside(found, width) for found in (rows, far) for width in (40, 41, 120)),
        diff.below(diff.rows(unified("x\ny\nz\n", "p\nq\n", "o", "n")), 30),
        diff.below(diff.rows(unified("x\n", "p\nq\n", "o", "n")), 30),
        *(diff.summary(changes, width) for changes in (CHANGES, CHANGES[:1], []) for width in (60, 20)),
        [Line(tuple(diff.headline(changes))) for changes in (CHANGES, CHANGES[:1], CHANGES[2:3], CHANGES[4:], [])],
        [Line((Span(diff.counts(diff.rows(text))),)) for text in (
            "", "@@ -1 +1 @@\n-a\n+b\n", "@@ -1,2 +1 @@\n-a\n-b\n", "@@ -1 +1,2 @@\n same\n+b\n+c\n", "@@ -1 +1 @@\n a\n",
        )],
    )  # fmt: skip


CANDIDATE = Candidate("/etc/bng/bng.conf", "balanceng", 4, OLD, NEW, "a\x1bnote")


def reviews():
    text = unified(OLD, NEW, "old", "new")
    rows = diff.rows(text)
    bare = Candidate("/x.toml", "toml", 4, OLD, NEW)
    answers = [
        (
            CANDIDATE,
            ConfigDiff(base=4, changes=CHANGES, unified=text, findings=[finding(2, "warning", "mend it")]),
        ),
        (bare, ConfigDiff(base=5, changes=[], unified=text)),
        (bare, ConfigDiff(base=4, changes=[], unified="")),
        (
            bare,
            ConfigDiff(base=4, changes=[], unified=text, findings=[finding(2), finding(3, hint="so " * 30)]),
        ),
    ]
    actions = [
        Action("clear", ("a",), "x", "Look", "old", 5),
        Action("quit", ("b",), "x", "Look", "old", 5),
        Action("rebase", ("c",), "x", "Look", "old", 5),
        Action("other", ("d",), "x", "Look", "old", 5),
    ]
    return several(
        *(
            review.paint_review(candidate, found, rows if found.unified else [], 70, beside=beside, within_s=120, trouble="")
            for candidate, found in answers
            for beside in (False, True)
        ),
        review.paint_review(bare, None, [], 70, beside=False, within_s=60, trouble=""),
        review.paint_review(bare, answers[0][1], rows, 30, beside=False, within_s=60, trouble="the engine is away"),
        [Line((Span(text),)) for text in review.change_words(CHANGES)],
        *(
            [Line(tuple(Span(f"{one.name} {one.hint} {one.worth};") for one in review.hinted(actions, outdated=outdated)))]
            for outdated in (False, True)
        ),
    )  # fmt: skip


def editor_titles():
    more = {"changed": False, "running": 4, "read_only": False}
    return [
        paint_title(None, (1, 1), 0, 40, **more),
        *(paint_title(CANDIDATE, (12, 3), 40, 90, **{**more, **one}) for one in (
            {}, {"changed": True}, {"running": None}, {"running": 5}, {"read_only": True, "changed": True},
        )),
        *(paint_title(CANDIDATE, (12, 3), 40, width, **{**more, "running": 5}) for width in range(20, 85)),
    ]  # fmt: skip


def finding_lists():
    found = [finding(1), finding(22, "warning", "mend it"), finding(3, "info", column=30), finding(4)]
    return several(
        paint_findings(found, 60, 5, checked="engine", chosen=None),
        paint_findings(found, 60, 5, checked="here", chosen=0),
        paint_findings(found, 60, 4, checked="waiting", chosen=2, top=1),
        paint_findings(found, 60, 4, checked="engine", chosen=3, top=9),
        paint_findings(found[1:2], 60, 4, checked="engine", chosen=0),
        paint_findings([], 60, 4, checked="engine", chosen=None, help_=[Span("weight", "accent")]),
        paint_findings(found, 60, 1, checked="engine", chosen=None),
        paint_findings(found, 60, 0, checked="engine", chosen=None),
    )


def popups():
    lines = ["target 7 {", "name x", "}", "target 8 {", "}", "server 1 {", " targets ", " me", "}"]
    found = offers(lines, 6, 9, "balanceng").items, offers(lines, 7, 3, "balanceng").items
    every = offers(["server 1 {", ""], 1, 0, "balanceng").items
    sizes = [f"{popup_height(count, room)}" for count in (0, 1, 7, 8, 9, 20) for room in (0, 2, 3, 8, 9, 10)]
    widths = [f"{best_width(items, room)}" for items in (*found, every, ()) for room in (10, 30, 60, 500)]
    return several(
        *(paint_popup(items, 0, 50, 6) for items in (*found, every, ())),
        *(paint_popup(every, chosen, 30, 5) for chosen in (3, 4, 5, len(every) - 1)),
        *(paint_popup(every[:4], 3, 30, 5) for _ in range(1)),
        [Line((Span(" ".join(sizes)),)), Line((Span(" ".join(widths)),))],
        [Line(tuple(explained_spans(None)))],
    )


BALANCENG = """\
modules arp,ping
set { ipforwarding 1 }
set sessionsyncack "x // y" // a comment
server 1 { targets 1,2 } // { not this one
target 2
{
  weight 3 nonsense 4
  name "two { words"
}
target 3 {
}
no target 1 weight
no register targets 1,2
enable server web1
nonsense 7 {
  weight 1
}
//
vrrp {"""

TOML = """\
modules = ["arp"]
[server.1]
method = "rr"
targets = [1]
[target.2]  # two
dsr = true
[target.x]
port = "any"
[nonsense]
x = 1
[vrrp]
enabled = true"""


def inked():
    found = []
    for block in ("", "set", "target", None):
        for text in BALANCENG.split("\n"):
            runs = " ".join(f"{text[run.start : run.end]}={run.ink}" for run in highlight(text, block))
            found.append(Line((Span(f"{block}: {runs}"),)))
    return found


def places():
    """Where every column is, and what is offered there; one line for all columns with the same answer."""
    found = []
    for language, whole in (("balanceng", BALANCENG), ("toml", TOML)):
        lines = whole.split("\n")
        found += [Line((Span(f"{language} {explained(lines, len(lines), 0, language)}"),))]
        for row, text in enumerate(lines):
            said = ""
            for column in range(len(text) + 1):
                offered = offers(lines, row, column, language)
                words = ",".join(
                    f"{one.word}<{one.form}>{'.' if one.help else ''}" for one in offered.items[:4]
                )
                about = explained(lines, row, column, language)
                now = (
                    f"{place(lines, row, column, language)} {statement_word(lines, row, column, language)} "
                    f"{offered.start} {len(offered.items)} {words} {about and about[0]} {block_at(lines, row, language)}"
                )
                if now != said:
                    found.append(Line((Span(f"{language} {row}:{column} {now}"),)))
                said = now
    typed = [
        "ser", "s", "er", "set ip", "set ip x", "no re", "no register ", "no register x ", "enable ", "modules a", "TARGET 1 w",
        "target 1 { method ", "server 1 { method ", "server 1 { targets 2", "server 1 { } no", "gateway ", "interface 1 { x",
    ]  # fmt: skip
    typed_toml = [
        "[", "[t", "[target.", "mod", 'modules = ["', "[target.1]\nport = ", "[target.1]\ndsr = t", "[server.1]\nbackup = [",
        "[gateway]\n", '[server.1]\nmethod = "', "[server.1]\nen", "x = [",
    ]  # fmt: skip
    for language, texts in (("balanceng", typed), ("toml", typed_toml)):
        for text in texts:
            lines = [*text.split("\n"), "target 2 {", " name a", "}", "[target.5]", "x = 1"]
            row = text.count("\n")
            offered = offers(lines, row, len(lines[row]), language)
            words = ",".join(f"{one.word}<{one.form}>{'.' if one.help else ''}" for one in offered.items)
            found.append(Line((Span(f"{text!r} {offered.start} {words}"),)))
    return found


PICTURES = {
    function.__name__: function
    for function in (
        differences,
        reviews,
        editor_titles,
        finding_lists,
        popups,
        inked,
        places,
    )
}


@pytest.mark.parametrize("name", PICTURES)
def test_a_picture_is_as_in_golden(name):
    agree(GOLDEN / f"{name.replace('_', '-')}.txt", picture(PICTURES[name]()))
