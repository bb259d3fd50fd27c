"""A unified diff of two texts, in bounded time for any texts.

difflib's time grows with the square of the lines, or their cube. So lines that occur once in both texts are matched
first (Bram Cohen's patience diff), and difflib sees only what lies between two of them, where that is short.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from difflib import SequenceMatcher
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

CONTEXT = 3
"""Lines around a difference, as every diff has them."""

MAX_STRETCH = 20_000
"""Lines times lines that difflib is given at once: 140 by 140 take it about 10 ms at the worst."""

MAX_BUDGET = 600_000
"""The same, over one diff: what is left then is shown as removed and added."""

MAX_PASSES = 40
"""How often, on average, a line is looked at for being the only one of its kind; ordinary texts take three."""

MAX_CHARS = 1_000_000
"""Of a diff: more than anybody reads, and well under the largest frame of the wire."""


class _Same(NamedTuple):
    """`size` lines that are the same in both."""

    old: int
    new: int
    size: int


def unified(old_text: str, new_text: str, old_name: str, new_name: str) -> str:
    """Return the difference as `diff -u` writes it, lines ending as the texts' do; empty where they are equal.

    It ends, with a line that says so, at `MAX_CHARS`.
    """
    if old_text == new_text:
        return ""
    old, new = _lines(old_text), _lines(new_text)
    out = [f"--- {old_name}\n", f"+++ {new_name}\n"]
    room = MAX_CHARS
    for hunk in _hunks(_matches(old, new), len(old), len(new)):
        for line in _written(hunk, old, new):
            room -= len(line)
            if room < 0:
                out.append("\\ The rest is not shown: it is too long\n")
                return "".join(out)
            out.append(line)
    return "".join(out)


def _lines(text: str) -> list[str]:
    lines = text.split("\n")
    last = lines.pop()
    return [line + "\n" for line in lines] + ([last] if last else [])


def _matches(old: list[str], new: list[str]) -> list[_Same]:
    """Return what is the same, in order, ending with an empty match at the end of both."""
    budget, passes = MAX_BUDGET, MAX_PASSES * (len(old) + len(new))
    found: list[_Same] = []
    # Each entry is a stretch of both texts that is still to be compared, the first one last.
    todo = [(0, len(old), 0, len(new))]
    while todo:
        a, a_end, b, b_end = todo.pop()
        start = a
        while a < a_end and b < b_end and old[a] == new[b]:
            a, b = a + 1, b + 1
        if a > start:
            found.append(_Same(start, b - (a - start), a - start))
        tail = 0
        while a < a_end - tail and b < b_end - tail and old[a_end - tail - 1] == new[b_end - tail - 1]:
            tail += 1
        if tail:
            todo.append((a_end - tail, a_end, b_end - tail, b_end))
            a_end, b_end = a_end - tail, b_end - tail
        if a == a_end or b == b_end:
            continue
        passes -= a_end - a + b_end - b
        anchors = _anchors(old, new, a, a_end, b, b_end) if passes > 0 else []
        if anchors:
            ends = [*anchors[1:], (a_end, b_end)]
            todo += [(i, i_end, j, j_end) for (i, j), (i_end, j_end) in zip(anchors, ends, strict=True)][::-1]
            todo.append((a, anchors[0][0], b, anchors[0][1]))
            continue
        cost = (a_end - a) * (b_end - b)
        if cost > min(MAX_STRETCH, budget):
            continue
        budget -= cost
        blocks = SequenceMatcher(None, old[a:a_end], new[b:b_end], autojunk=False).get_matching_blocks()
        found += [_Same(a + block.a, b + block.b, block.size) for block in blocks if block.size]
    return [*_joined(found), _Same(len(old), len(new), 0)]


def _joined(found: list[_Same]) -> list[_Same]:
    joined: list[_Same] = []
    for same in found:
        last = joined[-1] if joined else None
        if last and (last.old + last.size, last.new + last.size) == (same.old, same.new):
            joined[-1] = _Same(last.old, last.new, last.size + same.size)
        else:
            joined.append(same)
    return joined


def _anchors(old: list[str], new: list[str], a: int, a_end: int, b: int, b_end: int) -> list[tuple[int, int]]:
    """Return the longest run, in both orders, of lines that occur once in each stretch."""
    in_old, in_new = Counter(old[a:a_end]), Counter(new[b:b_end])
    where = {new[j]: j for j in range(b, b_end) if in_new[new[j]] == 1}
    pairs = [(i, where[old[i]]) for i in range(a, a_end) if in_old[old[i]] == 1 and old[i] in where]
    # Longest increasing subsequence: `tops[n]` ends the best one of length n + 1.
    tops: list[int] = []
    ends: list[int] = []
    before: list[int] = []
    for index, (_, j) in enumerate(pairs):
        at = bisect_left(tops, j)
        before.append(ends[at - 1] if at else -1)
        if at == len(tops):
            tops.append(j)
            ends.append(index)
        else:
            tops[at], ends[at] = j, index
    chain: list[tuple[int, int]] = []
    index = ends[-1] if ends else -1
    while index >= 0:
        chain.append(pairs[index])
        index = before[index]
    return chain[::-1]


class _Step(NamedTuple):
    """Lines of the old text and the lines of the new one that stand for them."""

    same: bool
    old: int
    old_end: int
    new: int
    new_end: int


def _hunks(matches: list[_Same], old_size: int, new_size: int) -> Iterator[list[_Step]]:
    """Group differences with their context."""
    hunk: list[_Step] = []
    a = b = 0
    for match in matches:
        if (a, b) != (match.old, match.new):
            if not hunk and a:
                lead = min(CONTEXT, a)
                hunk.append(_Step(True, a - lead, a, b - lead, b))
            hunk.append(_Step(False, a, match.old, b, match.new))
        a, b = match.old, match.new
        size = match.size
        if hunk and size:
            last = a + size == old_size and b + size == new_size
            if size > 2 * CONTEXT or last:
                lead = min(CONTEXT, size)
                yield [*hunk, _Step(True, a, a + lead, b, b + lead)]
                hunk = []
            else:
                hunk.append(_Step(True, a, a + size, b, b + size))
        a, b = a + size, b + size
    if hunk:
        yield hunk


def _written(hunk: list[_Step], old: Sequence[str], new: Sequence[str]) -> Iterator[str]:
    first, last = hunk[0], hunk[-1]
    yield f"@@ -{_range(first.old, last.old_end)} +{_range(first.new, last.new_end)} @@\n"
    for step in hunk:
        yield from _marked(" " if step.same else "-", old[step.old : step.old_end])
        if not step.same:
            yield from _marked("+", new[step.new : step.new_end])


def _range(start: int, end: int) -> str:
    size = end - start
    if size == 1:
        return str(start + 1)
    return f"{start + 1 if size else start},{size}"


def _marked(mark: str, lines: Sequence[str]) -> Iterator[str]:
    for line in lines:
        yield mark + line
        if not line.endswith("\n"):
            yield "\n\\ No newline at end of file\n"
