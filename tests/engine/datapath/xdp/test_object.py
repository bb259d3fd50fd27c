"""The object file that is committed is what its source makes."""

from __future__ import annotations

import subprocess
from pathlib import Path

from engine.datapath.xdp.program import OBJECT


def test_the_object_is_what_the_source_makes(need, tmp_path):
    need("clang-14", "llvm-strip-14")
    made = tmp_path / "made.o"
    subprocess.run([Path(OBJECT).with_name("build"), made], check=True, timeout=120)
    assert made.read_bytes() == OBJECT.read_bytes(), "build the program anew: engine/datapath/xdp/build"
