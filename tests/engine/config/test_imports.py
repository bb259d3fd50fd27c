"""What the wire's messages need of the configuration loads no parser: a console that only looks starts fast."""

import subprocess
import sys


def test_the_wire_loads_no_parser():
    code = "import sys, engine.api.client; print(sorted(m for m in sys.modules if m.startswith('engine.config')))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = ["", ".difference", ".difference.change", ".finding"]
    assert done.stdout == f"{[f'engine.config{name}' for name in loaded]}\n"
