"""Whether another engine is there. No test may run beside an engine of this network namespace."""

import pytest

from engine.io.host import presence
from engine.io.host.presence import Presence

HEAD = "Num       RefCount Protocol Flags    Type St Inode Path\n"
ROW = "0000000000000000: 00000002 00000000 00000000 0002 01 {inode} {path}\n"


@pytest.fixture
def listed(tmp_path, monkeypatch):
    """Call it with the paths that the kernel lists."""
    listing = tmp_path / "unix"
    monkeypatch.setattr(presence, "_LISTING", listing)

    def list_(*paths):
        rows = [ROW.format(inode=n, path=path) for n, path in enumerate(paths)]
        listing.write_text(HEAD + "".join(rows))

    return list_


@pytest.fixture
def one():
    made = Presence()
    yield made
    made.close()


def test_the_kernel_lists_us_and_no_longer_when_we_are_gone():
    one, other = Presence(), Presence()
    assert not one.alone()
    other.close()
    third = Presence()
    assert not third.alone()
    one.close()
    third.close()


def test_only_names_like_ours_count(listed, one):
    listed()
    assert one.alone()
    listed(f"@{one._name}", "@bng-enginex", "/run/@bng-engine/x", "@/tmp/x", "")
    assert one.alone()
    listed("@bng-engine/0123456789abcdef", f"@{one._name}")
    assert not one.alone()


def test_where_nothing_can_be_found_out_it_is_not_alone(listed, one):
    assert not one.alone()
