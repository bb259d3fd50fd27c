"""Sockets as files, and who is at the other end."""

from __future__ import annotations

import os
import pwd
import socket
import stat

import pytest

from engine.api.listening import SocketUnavailableError, bind, peer
from engine.domain.actor import SIGHUP, TIMER, Actor


def test_a_socket_is_made_with_its_mode_and_the_umask_is_as_before(tmp_path):
    before = os.umask(0o022)
    try:
        with bind(tmp_path / "a.sock") as bound:
            assert stat.S_IMODE((tmp_path / "a.sock").stat().st_mode) == 0o660
            assert not bound.getblocking()
            assert os.umask(0o022) == 0o022
    finally:
        os.umask(before)


def test_a_socket_that_somebody_listens_on_is_not_taken_even_when_its_queue_is_full(tmp_path):
    path = tmp_path / "a.sock"
    with socket.socket(socket.AF_UNIX) as living:
        living.bind(str(path))
        living.listen(0)
        waiting = []
        with pytest.raises(SocketUnavailableError, match="another engine listens here") as refused:
            bind(path)
        assert (refused.value.path, str(refused.value).split(": ")[0]) == (path, str(path))
        for _ in range(5):  # until the kernel lets nobody wait any more
            one = socket.socket(socket.AF_UNIX)
            one.setblocking(False)
            waiting.append(one)
            try:
                one.connect(str(path))
            except BlockingIOError:
                break
        else:
            pytest.fail("the queue never filled")
        with pytest.raises(SocketUnavailableError, match="another engine listens here"):
            bind(path)
        for one in waiting:
            one.close()
    assert path.exists()


def test_a_dead_socket_is_replaced_and_a_plain_file_is_not(tmp_path):
    path = tmp_path / "a.sock"
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(path))
    bind(path).close()
    path.unlink()
    path.write_text("mine")
    with pytest.raises(SocketUnavailableError, match="not a socket is in the way"):
        bind(path)
    assert path.read_text() == "mine"


def test_a_folder_that_is_not_there_is_told_in_the_kernels_words(tmp_path):
    with pytest.raises(SocketUnavailableError, match="no such file or directory"):
        bind(tmp_path / "none" / "a.sock")


def test_the_peer_is_who_connected():
    one, other = socket.socketpair()
    with one, other:
        actor = peer(one)
    me = pwd.getpwuid(os.getuid()).pw_name
    assert actor == Actor(me, os.getuid(), os.getpid())
    assert actor.text == str(actor) == f"{me}({os.getuid()}) pid {os.getpid()}"


def test_a_user_without_a_name_is_a_number():
    assert Actor.of_process(4_000_000_000, 7).text == "uid(4000000000) pid 7"


def test_what_is_not_a_process_has_its_name_alone():
    assert (SIGHUP.text, TIMER.text) == ("SIGHUP", "the engine's timer")
    assert Actor("root", 0, 0).text == "root(0) pid 0"
