"""bng-lab's command line, where it needs no network."""

import os
import sys

import pytest

from engine.lab import addressing, balancer, cli, holder, topology
from engine.lab.namespaces import LabError
from engine.lab.processes import Identity, identify


@pytest.fixture
def run(monkeypatch, capsys):
    def call(*argv):
        monkeypatch.setattr(sys, "argv", ["bng-lab", *argv])
        try:
            status = cli.main()
        except SystemExit as exit_:
            status = exit_.code
        return status, capsys.readouterr()

    return call


@pytest.mark.parametrize(
    "argv",
    [
        (),
        ("dance",),
        ("exec",),
        ("exec", "client"),
        ("exec", "client", "--"),
        ("exec", "nobody", "--", "true"),
        ("up", "--", "true"),
        ("traffic", "--requests", "many"),
    ],
)
def test_wrong_command_lines_are_usage_errors(run, argv):
    status, output = run(*argv)
    assert status == 2
    assert "usage: bng-lab" in output.err
    assert "Traceback" not in output.err


def test_names_that_are_no_names_are_refused(run):
    status, output = run("up", "--prefix", "../etc")
    assert status == 1
    assert (
        output.err
        == "bng-lab: '../etc' is not a prefix for names: use letters, digits, - and _ for --prefix\n"
    )


@pytest.mark.parametrize("argv", [("exec", "client", "--", "true"), ("traffic",)])
def test_what_is_not_up_is_named_with_the_remedy(run, argv, run_id):
    status, output = run(argv[0], "--prefix", f"{run_id}-none", *argv[1:])
    assert (status, output.err) == (
        1,
        f"bng-lab: no lab '{run_id}-none' is up: bng-lab up --prefix {run_id}-none\n",
    )


def test_macs_are_unique_local_and_readable():
    addresses = [*addressing.LAN_PORTS.values(), addressing.CLIENT_GATEWAY, *addressing.CLIENT_SOURCES]
    macs = {addressing.mac_of(address) for address in addresses}
    assert len(macs) == len(addresses)
    assert all(int(mac[:2], 16) & 3 == 2 for mac in macs)
    assert addressing.mac_of("172.16.1.100") == "02:00:ac:10:01:64"


def test_unknown_node_is_named():
    with pytest.raises(LabError, match="no node 'web': the nodes are client, router"):
        topology.Lab("x").netns_path("web")


def test_sample_configuration_is_found_and_a_missing_one_named():
    assert "server    1 {" in balancer.sample_config("dsr.conf").read_text()
    with pytest.raises(LabError, match=r"sample_configs/none\.conf is missing"):
        balancer.sample_config("none.conf")


def test_note_of_a_holder_comes_and_goes(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    me = identify(os.getpid())
    note = holder.Note("a")
    assert (note.read(), note.holder()) == ([], None)
    assert not (tmp_path / "bng-lab").exists()  # looking leaves nothing
    note.write([me, Identity(1, 2)])
    other = holder.Note("b")
    other.write([Identity(me.pid, me.started - 1)])
    assert holder.Note("a").read() == [me, Identity(1, 2)]
    assert holder.Note("a").holder() == me
    assert holder.Note("b").holder() is None  # the pid passed to somebody else
    other.remove()
    assert (tmp_path / "bng-lab" / "a.json").exists()
    note.remove()
    assert not (tmp_path / "bng-lab").exists()
