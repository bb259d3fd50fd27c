"""A file is written whole or not at all."""

import errno
import fcntl
import os
import resource
import stat
import subprocess
import sys

import pytest

from engine.config.atomic import sweep, write_atomic


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_a_new_file_and_then_another_content(tmp_path):
    path = tmp_path / "bng.conf"
    write_atomic(path, b"one")
    assert (path.read_bytes(), stat.S_IMODE(path.stat().st_mode)) == (b"one", 0o644)
    write_atomic(path, b"")
    assert path.read_bytes() == b""
    write_atomic(path, b"x" * 1_000_000)
    assert path.stat().st_size == 1_000_000
    assert names(tmp_path) == ["bng.conf"]


@pytest.mark.parametrize("mode", [0o600, 0o640, 0o4755, 0o444])
def test_the_mode_stays(tmp_path, mode):
    path = tmp_path / "bng.conf"
    path.write_bytes(b"old")
    path.chmod(mode)
    write_atomic(path, b"new")
    assert (path.read_bytes(), stat.S_IMODE(path.stat().st_mode)) == (b"new", mode)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")
def test_the_owner_stays(tmp_path):
    path = tmp_path / "bng.conf"
    path.write_bytes(b"old")
    os.chown(path, 12, 34)
    write_atomic(path, b"new")
    found = path.stat()
    assert (found.st_uid, found.st_gid, path.read_bytes()) == (12, 34, b"new")


def test_attributes_stay(tmp_path):
    path = tmp_path / "bng.conf"
    path.write_bytes(b"old")
    try:
        os.setxattr(path, "user.note", b"mine")
    except OSError:
        assert os.listxattr(path) == []  # a file system without: writing still works
    write_atomic(path, b"new")
    assert path.read_bytes() == b"new"
    if os.listxattr(path):
        assert os.getxattr(path, "user.note") == b"mine"


def test_a_link_stays_a_link(tmp_path):
    real, link = tmp_path / "real" / "bng.conf", tmp_path / "bng.conf"
    real.parent.mkdir()
    real.write_bytes(b"old")
    link.symlink_to("real/bng.conf")
    write_atomic(link, b"new")
    assert link.is_symlink()
    assert real.read_bytes() == b"new"
    assert (names(real.parent), names(tmp_path)) == (["bng.conf"], ["bng.conf", "real"])


def test_a_link_to_nothing_makes_the_file_it_names(tmp_path):
    link = tmp_path / "bng.conf"
    link.symlink_to("later.conf")
    write_atomic(link, b"new")
    assert (tmp_path / "later.conf").read_bytes() == b"new"


@pytest.mark.parametrize("what", ["folder", "loop", "fifo", "missing"])
def test_what_is_no_file_is_refused_by_name(tmp_path, what):
    path = tmp_path / "thing"
    if what == "folder":
        path.mkdir()
    elif what == "loop":
        path.symlink_to("thing")
    elif what == "fifo":
        os.mkfifo(path)
    else:
        path = tmp_path / "nowhere" / "thing"
    with pytest.raises(OSError, match="thing") as caught:
        write_atomic(path, b"new")
    assert caught.value.filename == str(path)
    assert [name for name in names(tmp_path) if name.startswith(".bng-")] == []


def test_what_a_killed_writer_left_goes_and_a_living_writers_file_stays(tmp_path):
    left, living, other = tmp_path / ".bng-0011.tmp", tmp_path / ".bng-2233.tmp", tmp_path / ".bng.swp"
    for path in (left, living, other):
        path.write_bytes(b"half")
    with living.open("rb") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        write_atomic(tmp_path / "bng.conf", b"new")
        assert names(tmp_path) == [".bng-2233.tmp", ".bng.swp", "bng.conf"]
    sweep(tmp_path)
    assert names(tmp_path) == [".bng.swp", "bng.conf"]


LIMITED = """
import resource, sys
from pathlib import Path
from engine.config.atomic import write_atomic
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
try:
    write_atomic(Path(sys.argv[1]), b"n" * 200_000)
except OSError as error:
    print(error.errno, error)
write_atomic(Path(sys.argv[1]).with_name("other"), b"fits")
"""


def test_a_write_that_does_not_fit_leaves_the_old_file_and_nothing_else(tmp_path):
    """The kernel refuses the second half of the write, as a disk that fills up does."""
    path = tmp_path / "bng.conf"
    path.write_bytes(b"old")
    assert resource.getrlimit(resource.RLIMIT_FSIZE)[0] == resource.RLIM_INFINITY
    done = subprocess.run(
        [sys.executable, "-c", LIMITED, path], capture_output=True, text=True, check=True, timeout=30
    )
    assert done.stdout.startswith(f"{errno.EFBIG} ")
    assert str(path) in done.stdout
    assert (path.read_bytes(), names(tmp_path)) == (b"old", ["bng.conf", "other"])
