"""The parts whose code is changed, and which tests have to notice: the one table of both."""

from __future__ import annotations

import dataclasses
from pathlib import Path

ROOT = Path(__file__).parents[2]

MARKS = "not netns and not terminal and not slow"
"""The fast tests: the same expression as `make check`."""


@dataclasses.dataclass(frozen=True)
class Part:
    """Files of the product and the tests that answer for them, as globs from the top of the tree."""

    name: str
    sources: tuple[str, ...]
    tests: tuple[str, ...]

    def source_files(self, root: Path) -> list[str]:
        return _found(root, self.sources)

    def test_files(self, root: Path) -> list[str]:
        return _found(root, self.tests)


def _folder(name: str) -> Part:
    return Part(name, (f"{name}/**/*.py",), (f"tests/{name}/**/test_*.py",))


PARTS = (
    _folder("engine/datapath"),
    _folder("engine/forwarding"),
    _folder("engine/modules"),
    _folder("engine/changes"),
    _folder("engine/api"),
    _folder("engine/report"),
    _folder("engine/trends"),
    # What only the kernel can answer (netlink.py, presence.py) is tested in tests/netns.
    Part(
        "engine/io/host",
        ("engine/io/host/[hrs]*.py", "engine/io/host/netlink_notices.py", "engine/follow_host.py"),
        ("tests/engine/io/host/test_*.py", "tests/engine/test_follow_host.py"),
    ),
    # The tables of bngctl are drawn by this part, and compared as a whole where the command's golden texts stand.
    Part(
        "bngtui/render",
        ("bngtui/render/**/*.py",),
        ("tests/bngtui/render/**/test_*.py", "tests/bngtui/command/test_ctl_tables.py"),
    ),
)


def _found(root: Path, globs: tuple[str, ...]) -> list[str]:
    return sorted({path.relative_to(root).as_posix() for glob in globs for path in root.glob(glob)})


def nearest_first(source: str, tests: list[str]) -> list[str]:
    """Return the tests in the order in which they probably notice a change of `source`.

    First the file that mirrors it (test_NAME.py, test_NAME_*.py), then its folder, then the others: the first failure
    ends a run.
    """
    path = Path(source)
    folder = f"tests/{path.parent.as_posix()}/"

    def distance(test: str) -> tuple[int, str]:
        stem = Path(test).stem
        mirrors = stem == f"test_{path.stem}" or stem.startswith(f"test_{path.stem}_")
        here = test.startswith(folder)
        return (0 if mirrors and here else 1 if mirrors else 2 if here else 3, test)

    return sorted(tests, key=distance)
