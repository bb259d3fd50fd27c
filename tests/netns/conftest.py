"""Real packets: a lab per test, and the engine in it."""

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from engine.lab import namespaces
from engine.lab.balancer import Balancer, sample_config
from engine.lab.topology import Lab, command_environment


@pytest.fixture
def lab(run_id):
    """The seed's network, up; everything in it ends with the test."""
    with Lab(f"{run_id}-lab") as lab:
        yield lab


@pytest.fixture
def start_engine(lab, tmp_path):
    """Call it to run an engine: `start_engine(config, *options, node="lb", wait=True)`; config is a path or text.

    Returns a Balancer, stopped after the test; one that a test did not end itself has to stop cleanly. A failed
    test shows the logs.
    """
    started = []

    def start(config=None, *options, node="lb", wait=True):
        path = (
            sample_config("dsr.conf") if config is None else Path(config) if "\n" not in str(config) else None
        )
        if path is None:
            path = tmp_path / f"engine{len(started)}.conf"
            path.write_text(config)
        balancer = Balancer(lab, tmp_path / f"engine{len(started)}", path, node=node, options=options)
        started.append(balancer)
        if wait:
            balancer.wait_ready()
        return balancer

    yield start
    statuses = []
    for balancer in started:
        try:
            statuses.append(balancer.stop() if balancer.process.poll() is None else 0)
        finally:
            print(f"--- {balancer.log} (status {balancer.process.returncode})\n{balancer.log_text()}")
    assert not any(statuses), f"an engine did not stop cleanly: {statuses}"


@pytest.fixture
def engine(start_engine):
    """The engine on the seed's file, in the balancer's node, ready."""
    return start_engine()


@pytest.fixture
def as_nobody():
    """Run bng-lab as the user nobody, from copies of interpreter, libraries and checkout that nobody may read.

    (A virtual environment or an interpreter may lie in a folder closed to others, root's home for one.)
    """
    if os.getuid() or Path("/proc/self/uid_map").read_text().split()[1] != "0":
        pytest.skip("this run is an ordinary user's already: every test of tests/netns shows it")
    base = Path(tempfile.mkdtemp(prefix="bng-test-"))  # not below tmp_path, which is closed to others
    base.chmod(0o755)
    places = {
        base / "python": Path(sys.base_prefix),
        base / "site": Path(sys.prefix, "lib", f"python3.{sys.version_info.minor}", "site-packages"),
        base / "checkout": Path(namespaces.__file__).parents[2],
    }
    for place in places:
        place.mkdir(parents=True)
    home = base / "home"
    home.mkdir()
    os.chown(home, 65534, 65534)

    def become():
        namespaces.unshare(namespaces.CLONE_NEWNS)
        namespaces.mount(None, "/", None, namespaces.MS_REC | namespaces.MS_PRIVATE)
        for place, source in places.items():
            namespaces.mount(str(source), place, None, namespaces.MS_BIND | namespaces.MS_REC)
        os.setgroups([])
        os.setgid(65534)
        os.setuid(65534)

    def run(*args):
        interpreter = base / "python" / "bin" / f"python3.{sys.version_info.minor}"
        return subprocess.run(
            [str(interpreter), "-m", "engine.lab.cli", *args],
            preexec_fn=become,
            cwd=home,
            env={
                **command_environment(),
                "PYTHONPATH": f"{base / 'checkout'}:{base / 'site'}",
                "LD_LIBRARY_PATH": str(base / "python" / "lib"),  # libpython, where the interpreter has one
                "PYTHONDONTWRITEBYTECODE": "1",
                "XDG_RUNTIME_DIR": str(home),
                "HOME": str(home),
            },
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    yield run
    shutil.rmtree(home)
    for place in places:
        place.rmdir()
    base.rmdir()


@pytest.fixture(scope="module")
def module_scene(run_id, tmp_path_factory, request):
    """One lab and one engine for a module, on its CONFIG (text; the seed's file where it has none), ready.

    The module's `prepare(lab)`, if there is one, runs before the engine starts. The engine has to stop cleanly.
    """
    from tests.helpers.scene import Scene

    module = request.module
    name = module.__name__.rpartition(".")[2].removeprefix("test_")
    with Lab(f"{run_id}-{name}") as lab:
        getattr(module, "prepare", lambda _: None)(lab)
        scene = Scene(lab, tmp_path_factory.mktemp(name), getattr(module, "CONFIG", None))
        scene.start()
        try:
            yield scene
        finally:
            status = scene.stop() if scene.running else None
            print(scene.balancer.log_text())
        assert status in {0, None}


@pytest.fixture
def scene(module_scene):
    """The module's lab and engine; whatever a test does to them is undone after it."""
    begin = len(module_scene.balancer.log_text())
    try:
        yield module_scene
    finally:
        print(module_scene.balancer.log_text()[begin:])
        module_scene.repair()


@pytest.fixture
def own_scene(lab, tmp_path):
    """A lab and an engine, started on the seed's file, for a test that ends or breaks them; nothing is undone."""
    from tests.helpers.scene import Scene

    scene = Scene(lab, tmp_path)
    scene.start()
    try:
        yield scene
    finally:
        if scene.running:
            scene.stop()
        print(scene.balancer.log_text())
