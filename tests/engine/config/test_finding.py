"""One finding as a line, and many of them within bounds."""

from __future__ import annotations

import pytest

from engine.config.finding import MAX_FINDINGS, Finding, Findings, Span, shown


def test_a_finding_is_one_line_and_its_hint_may_be_missing():
    fields = {
        "file": "a.conf",
        "line": 3,
        "column": 9,
        "severity": "error",
        "code": "x",
        "message": "it is wrong",
    }
    assert str(Finding(**fields)) == "a.conf:3:9: error: it is wrong"
    assert str(Finding(**fields, hint="fix it")) == "a.conf:3:9: error: it is wrong; fix it"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("plain", "plain"),
        ("x" * 40, "x" * 40),
        ("x" * 41, "x" * 40 + "..."),
        ("a\x1b[31mb", "a\\x1b[31mb"),
        ("a\nb", "a\\x0ab"),
    ],
)
def test_what_a_file_holds_is_shown_short_and_without_control_characters(text, expected):
    assert shown(text) == expected


def test_findings_come_in_the_order_of_the_file():
    findings = Findings("a.conf")
    findings.warning("w", Span(1, 2), "late in the line")
    findings.error("e", Span(2, 1), "on the next line")
    findings.error("e", Span(1, 1), "first")
    found = findings.sorted()
    assert [(f.line, f.column, f.severity) for f in found] == [
        (1, 1, "error"),
        (1, 2, "warning"),
        (2, 1, "error"),
    ]
    assert findings.errors == 2
    assert not findings.full
    assert not findings.terse


@pytest.mark.parametrize("severity", ["error", "warning"])
def test_more_findings_than_anybody_reads_are_counted(severity):
    findings = Findings("a.conf")
    report = findings.error if severity == "error" else findings.warning
    for line in range(1, MAX_FINDINGS):
        report("x", Span(line, 1), "wrong")
    assert (findings.full, findings.terse) == (False, False)
    assert len(findings.sorted()) == MAX_FINDINGS - 1
    report("x", Span(MAX_FINDINGS, 1), "wrong")
    assert (findings.full, findings.terse) == (severity == "error", True)
    report("x", Span(MAX_FINDINGS + 1, 1), "wrong")
    found = findings.sorted()
    assert len(found) == MAX_FINDINGS + 1
    assert (found[-1].code, found[-1].severity, found[-1].line) == (
        "too-many-findings",
        severity,
        MAX_FINDINGS,
    )


def test_errors_push_warnings_out():
    findings = Findings("a.conf")
    for line in range(1, MAX_FINDINGS + 1):
        findings.warning("w", Span(line, 1), "likely a slip")
    for line in range(1, 4):
        findings.error("e", Span(line, 1), "wrong")
    found = findings.sorted()
    assert [f.severity for f in found[:-1]].count("error") == 3
    assert len(found) == MAX_FINDINGS + 1
    assert (found[-1].code, found[-1].severity) == ("too-many-findings", "error")
