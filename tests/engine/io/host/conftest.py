"""A host on a kernel that is pretended."""

from types import SimpleNamespace

import pytest

from engine.io.host import host as host_module
from engine.io.host import removal
from engine.io.host.host import Host
from tests.helpers.pretended_kernel import Kernel


@pytest.fixture
def kernel(monkeypatch, tmp_path):
    made = Kernel()
    monkeypatch.setattr(host_module, "Netlink", made.socket)
    monkeypatch.setattr(removal, "Netlink", made.socket)
    monkeypatch.setattr(removal, "_CONF", tmp_path / "conf")
    made.alone = True
    presence = SimpleNamespace(alone=lambda: made.alone, close=lambda: made.did.append(("gone", None)))
    monkeypatch.setattr(host_module, "Presence", lambda: presence)
    return made


@pytest.fixture
async def host(kernel, tmp_path):
    made = Host(tmp_path / "added.json")
    await made.open()
    yield made
    await made.close()
    assert kernel.sockets == 0
