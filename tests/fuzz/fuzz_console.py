"""Walk at random through the console: python -m tests.fuzz.fuzz_console --seconds 600 --seed 7.

Each walk has a seed of its own, counted up from `--seed`, and ends with the way home and out. What went wrong is printed
with the steps before it.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import random
import shutil
import sys
import tempfile
import time
import traceback
from pathlib import Path

STEPS = 400


def main() -> int:
    """Walk until the time is over; 1 where something was found."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=600)
    parser.add_argument(
        "--seed", type=int, default=None, help="of the first walk; default: another each time"
    )
    given = parser.parse_args()
    seed = given.seed if given.seed is not None else random.randrange(1_000_000)
    os.environ |= {"TEXTUAL_ANIMATIONS": "none", "TEXTUAL_SMOOTH_SCROLL": "0"}
    from tests.fuzz.console_walk import walk

    deadline = time.monotonic() + given.seconds
    walks = found = 0
    while time.monotonic() < deadline:
        folder = Path(tempfile.mkdtemp(prefix="bngtui-"))
        os.environ["XDG_STATE_HOME"] = str(folder)
        try:
            asyncio.run(walk(folder, seed + walks, STEPS))
        except Exception as error:  # noqa: BLE001 - any is a finding
            found += 1
            traceback.print_exception(error, limit=-6, file=sys.stdout)
        finally:
            shutil.rmtree(folder)
        walks += 1
        print(f"walk {seed + walks - 1} is over, {found} findings", flush=True)
    print(f"console: {walks} walks of {STEPS} steps from seed {seed} on, {found} findings", flush=True)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
