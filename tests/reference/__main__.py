"""Compare the model with the datapaths over random scenarios, and show the shortest history of each difference.

python -m tests.reference --scenarios 1000 --seed 1
"""

from __future__ import annotations

import argparse
import random
import sys
import time

from tests.reference.agreement import compare, shortest
from tests.reference.paths import PATHS
from tests.reference.rules import Rules
from tests.reference.scenario import KINDS, Batch, scenario


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.reference", description=__doc__.split("\n")[0])
    parser.add_argument("--scenarios", type=int, default=1000, help="how many, all kinds together")
    parser.add_argument("--seed", type=int, default=None)
    parser.add_argument("--kind", action="append", choices=[k.name for k in KINDS], help="only these")
    parser.add_argument("--path", action="append", choices=list(PATHS), help="only these")
    parser.add_argument("--show", type=int, default=1, help="differences to show of each kind and path")
    parser.add_argument(
        "--rule", action="append", default=[], help="switch of rules.py to turn on, NAME or NAME=NUMBER"
    )
    args = parser.parse_args(argv)
    rules = Rules(
        **{name: int(value) if value else True for name, _, value in (r.partition("=") for r in args.rule)}
    )
    seed = args.seed if args.seed is not None else random.SystemRandom().randrange(1 << 31)
    print(f"seed {seed}", flush=True)
    kinds = [k for k in KINDS if not args.kind or k.name in args.kind]
    paths = args.path or list(PATHS)
    begin, frames, differ = time.monotonic(), 0, {}
    rounds = max(1, -(-args.scenarios // len(kinds)))
    for kind in kinds:
        for number in range(seed, seed + rounds):
            one = scenario(kind, number)
            frames += len(paths) * sum(len(step.frames) for step in one.steps if isinstance(step, Batch))
            for path in compare(one, {path: PATHS[path] for path in paths}, rules):
                shown = differ.setdefault((kind.name, path), [])
                if len(shown) < args.show:
                    short = shortest(one, PATHS[path], rules)
                    found = compare(short, {path: PATHS[path]}, rules)[path]
                    print(f"\n== {kind.name}, {path}, seed {number}\n{short}\n{found}", flush=True)
                shown.append(number)
    took = time.monotonic() - begin
    done = rounds * len(kinds)
    print(
        f"\n{done} scenarios, {frames} frames in {took:.1f} s: {done / took:.0f} scenarios and {frames / took:.0f} frames a second"
    )
    for (kind, path), seeds in differ.items():
        print(f"{kind}, {path}: {len(seeds)} of {rounds} differ, seeds {seeds[:8]}")
    return 1 if differ else 0


if __name__ == "__main__":
    sys.exit(main())
