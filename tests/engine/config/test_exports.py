"""The package's names come when they are used, and only then."""

import subprocess
import sys

import engine.config


def test_every_name_is_there():
    assert set(engine.config._HOMES) == set(engine.config.__all__)
    for name in engine.config.__all__:
        assert getattr(engine.config, name) is not None
        assert name in dir(engine.config)


def test_a_name_that_is_not_there_is_an_attribute_error():
    assert not hasattr(engine.config, "lod")


def test_the_wire_loads_no_parser():
    code = "import sys, engine.api.client; print(sorted(m for m in sys.modules if m.startswith('engine.config')))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "['engine.config', 'engine.config.change', 'engine.config.finding']\n"
