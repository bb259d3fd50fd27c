"""A disk that is really full: a small file system of its own, in a mount namespace of its own."""

import subprocess
import sys

SCRIPT = """
import errno, sys
from pathlib import Path
from engine.config.atomic import write_atomic
from engine.changes.revisions import RevisionStore
from engine.domain.actor import Actor

disk = Path(sys.argv[1])
config, store = disk / "bng.conf", RevisionStore(disk / "revisions")
write_atomic(config, b"old" * 1000)
kept = store.add(b"old" * 1000, time="t", actor=Actor("u", 0), note="", language="toml")
(disk / "filler").write_bytes(b"f" * (disk_free := 150_000))
refused = 0
for size in (10_000, 50_000, 120_000, 500_000):
    for write in (
        lambda: write_atomic(config, b"n" * size),
        lambda: store.add(b"n" * size, time="t", actor=Actor("u", 0), note="", language="toml"),
    ):
        before = config.read_bytes(), store.list()
        try:
            write()
        except OSError as error:
            assert error.errno == errno.ENOSPC, error
            assert "No space left" in str(error), error
            assert error.filename, error
            refused += 1
            assert (config.read_bytes(), store.list()) == before
        assert not list(disk.rglob(".bng-*")), "a temporary file was left"
assert refused >= 4, refused
assert store.get(kept.number).text == b"old" * 1000
(disk / "filler").unlink()
write_atomic(config, b"new")
assert config.read_bytes() == b"new"
print("survived", refused)
"""


def test_a_full_disk_leaves_the_file_and_the_history_as_they_were(tmp_path, need):
    need("unshare", "mount")
    done = subprocess.run(
        [
            "unshare",
            "--mount",
            "--propagation",
            "private",
            "sh",
            "-ec",
            'mount -t tmpfs -o size=256k tmpfs "$1"; exec "$2" -c "$3" "$1"',
            "sh",
            tmp_path,
            sys.executable,
            SCRIPT,
        ],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert done.stdout.startswith("survived"), done.stderr
