"""`make mutants`: draw changes of the code by a seed, and count how many the fast tests of the same part notice.

Exits with 0 if at least 95 of 100 are noticed, with 1 if fewer, with 2 if it cannot tell.
"""

from __future__ import annotations

import argparse
import os
import secrets
import signal
import sys
import time

from tests.mutants import explained, operators
from tests.mutants.draw import Draw, InTree
from tests.mutants.errors import CannotTellError
from tests.mutants.leftovers import folder_of_run
from tests.mutants.parts import PARTS, ROOT, Part
from tests.mutants.pool import Pool
from tests.mutants.trial import Outcome, copy_working_tree

WANTED = 0.95


def main() -> int:
    options = _options()
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda number, _: sys.exit(128 + number))
    try:
        return _run(options)
    except (CannotTellError, ValueError) as error:
        print(f"make mutants: {error}", file=sys.stderr)
        return 2


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make mutants", description=__doc__)
    parser.add_argument(
        "--seed", default=secrets.token_hex(3), help="the same seed and tree: the same mutants"
    )
    parser.add_argument("--count", type=int, default=100, help="how many, divided among the parts by size")
    parser.add_argument(
        "--part",
        action="append",
        choices=[part.name for part in PARTS],
        help="only this one; may be repeated",
    )
    parser.add_argument("--at", metavar="FILE[:LINE]", help="no draw: every mutant of a file, or of a line")
    parser.add_argument(
        "--kinds",
        default=",".join(operators.USUAL),
        help=f"some of {','.join(operators.KINDS)} (%(default)s)",
    )
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="trials at a time")
    parser.add_argument("--list", action="store_true", help="print what would be tried, and stop")
    return parser.parse_args()


def _run(options: argparse.Namespace) -> int:
    kinds = tuple(options.kinds.split(","))
    if unknown := set(kinds) - set(operators.KINDS):
        message = f"no such kind: {', '.join(sorted(unknown))}"
        raise CannotTellError(message)
    parts = [part for part in PARTS if not options.part or part.name in options.part]
    with folder_of_run() as folder:
        # The working tree may be edited while this runs: from here on only copies are read.
        original = folder / "original"
        copy_working_tree(ROOT, original)
        tree = InTree(original, parts, kinds, explained.read())
        draws = tree.at(options.at) if options.at else tree.draw(options.seed, options.count)
        sizes = ", ".join(f"{name} {size}" for name, size in tree.sizes().items())
        print(f"Places to change: {sizes}.\nSeed {options.seed}: {len(draws)} mutants drawn.", flush=True)
        if options.list:
            print("\n".join(tree.named(one) for one in draws))
            return 0
        with Pool(original, folder, options.jobs) as pool:
            return _report(tree, _tried(tree, pool, draws), options.seed)


def _tried(tree: InTree, pool: Pool, draws: list[Draw]) -> list[tuple[Draw, Outcome]]:
    """Try the mutants, telling of each as it ends, and return them in the order drawn."""
    drawn = {one.part.name: one.part for one in draws}
    usual = pool.usual_times(list(drawn.values()))
    print(
        "Unchanged: " + ", ".join(f"{name} {took:.1f} s" for name, took in usual.items()) + ".\n", flush=True
    )
    started = time.monotonic()
    outcomes: dict[Draw, Outcome] = {}
    for one, outcome in pool.try_all(draws, tree.mutated, usual):
        outcomes[one] = outcome
        verdict = "SURVIVED" if outcome.passed else "noticed "
        by = f" by {outcome.noticed_by}" if outcome.noticed_by else ""
        print(
            f"[{len(outcomes):3}/{len(draws)} {time.monotonic() - started:5.0f} s] {verdict} {tree.named(one)}"
            f" ({outcome.seconds:.1f} s{by})",
            flush=True,
        )
    return [(one, outcomes[one]) for one in draws]


# -- the report -----------------------------------------------------------------------------------------------------


def _report(tree: InTree, tried: list[tuple[Draw, Outcome]], seed: str) -> int:
    for one, outcome in tried:
        if one.explanation:
            wrong = "" if outcome.passed else f"  BUT NOTICED by {outcome.noticed_by}: take it off the list"
            print(f"\nexplained: {tree.named(one)}\n  {one.explanation.reason}{wrong}")
    counted = [(one, outcome) for one, outcome in tried if not one.explanation]
    survivors = [one for one, outcome in counted if outcome.passed]
    for one in sorted(survivors, key=lambda one: one.mutant):
        mutant = one.mutant
        print(f"\nsurvived: {mutant.file}:{mutant.line} in {mutant.function or 'the module'} ({mutant.kind})")
        print(tree.diff(one))
    print()
    for part in PARTS:
        of_part = [outcome for one, outcome in counted if one.part.name == part.name]
        if of_part:
            print(_score(part, of_part))
    print(_score(None, [outcome for _, outcome in counted]) + f"   seed {seed}")
    return 0 if len(survivors) <= (1 - WANTED) * len(counted) + 1e-9 else 1


def _score(part: Part | None, outcomes: list[Outcome]) -> str:
    noticed = [outcome for outcome in outcomes if not outcome.passed]
    late = sum(outcome.timed_out for outcome in noticed)
    share = 100 * len(noticed) / len(outcomes) if outcomes else 100.0
    name = part.name if part else "all"
    return f"{name:18} {len(noticed):3} of {len(outcomes):3} noticed ({share:.0f} %)" + (
        f", {late} of them by taking too long" if late else ""
    )


if __name__ == "__main__":
    sys.exit(main())
