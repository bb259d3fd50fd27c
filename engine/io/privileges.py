"""What each process of the engine may do, and how it gives up the rest of what it was started with.

Sources: capabilities(7), prctl(2), setresuid(2), seccomp(2), proc(5) for /proc/PID/status. docs/SECURITY.md lists the same.
"""

from __future__ import annotations

import ctypes
import enum
import errno
import os
import pwd
import socket
import termios
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from engine.io import seccomp
from engine.io.seccomp import Call

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping

WORKER_USER = "bng-worker"
"""Whom workers run as, where there is such a user; else nobody."""

_FALLBACK_USER = "nobody"

_PR_CAPBSET_READ, _PR_CAPBSET_DROP = 23, 24
_PR_SET_NO_NEW_PRIVS = 38
_PR_CAP_AMBIENT, _PR_CAP_AMBIENT_CLEAR_ALL = 47, 4
_PR_SET_NAME = 15
_CAPABILITY_VERSION_3 = 0x20080522

_libc = ctypes.CDLL(None, use_errno=True)


class Capability(enum.IntEnum):
    """The capabilities that a process of the engine may keep; the numbers are linux/capability.h's."""

    KILL = 5
    SETGID = 6
    SETUID = 7
    SETPCAP = 8
    NET_ADMIN = 12
    NET_RAW = 13
    SYS_NICE = 23
    PERFMON = 38
    BPF = 39

    @property
    def label(self) -> str:
        """As capabilities(7) writes it."""
        return f"CAP_{self.name}"


CONTROL: Mapping[Capability, str] = {
    Capability.NET_ADMIN: "addresses, routes, and socket buffers beyond the host's limit",
    Capability.NET_RAW: "packet sockets, its own and those of workers, and echo checks",
    Capability.SYS_NICE: "workers run before other work",
    Capability.SETUID: "workers get a user id of their own",
    Capability.SETGID: "workers get a group id of their own, and no other groups",
    Capability.SETPCAP: "workers empty the set of what they could ever have",
    Capability.KILL: "a worker that hangs is ended, whatever its user id",
}
"""What the control process keeps, and what for."""

FOR_XDP: Mapping[Capability, str] = {
    Capability.BPF: "only with --datapath xdp or xdp-generic: the program and its maps",
    Capability.PERFMON: "only with --datapath xdp or xdp-generic: the kernel checks a program of others more narrowly",
}
"""What it keeps beside that where it forwards by an XDP program."""


_READ_ONLY = os.O_ACCMODE | os.O_CREAT | os.O_TRUNC
_PROT_EXEC = 4
_IOCTLS = (0x8933, 0x8910, termios.FIONBIO, termios.FIOCLEX, termios.TCGETS)  # SIOCGIFINDEX, SIOCGIFNAME, ...
_ANY_VALUE = 0xFFFFFFFF

WORKER_CALLS: tuple[Call, ...] = (
    # Memory. Nothing that is written can be executed afterwards.
    Call("mmap", 2, 0, _PROT_EXEC),
    Call("mmap2", 2, 0, _PROT_EXEC),
    Call("mprotect", 2, 0, _PROT_EXEC),
    *(Call(name) for name in ("munmap", "mremap", "madvise", "brk", "memfd_create", "ftruncate")),
    # Sockets that it has, and such as reach processes of this host.
    Call("socket", 0, socket.AF_UNIX, _ANY_VALUE),
    *(
        Call(name)
        for name in (
            "accept",
            "accept4",
            "bind",
            "getpeername",
            "getsockname",
            "getsockopt",
            "listen",
            "recvfrom",
            "recvmsg",
            "sendmsg",
            "sendto",
            "setsockopt",
            "shutdown",
        )
    ),
    *(Call("ioctl", 1, request, _ANY_VALUE) for request in _IOCTLS),
    # Descriptors. A file is only read.
    Call("open", 1, 0, _READ_ONLY),
    Call("openat", 2, 0, _READ_ONLY),
    *(
        Call(name)
        for name in (
            "close",
            "dup",
            "dup3",
            "fcntl",
            "fcntl64",
            "fstat",
            "fstat64",
            "fstatfs",
            "getcwd",
            "getdents64",
            "lseek",
            "_llseek",
            "lstat",
            "newfstatat",
            "poll",
            "ppoll",
            "pread64",
            "pwrite64",
            "read",
            "readlink",
            "readlinkat",
            "readv",
            "stat",
            "statx",
            "write",
            "writev",
        )
    ),
    # Time, signals, threads' locks, its own end.
    Call("prctl", 0, _PR_SET_NAME, _ANY_VALUE),
    *(
        Call(name)
        for name in (
            "clock_getres",
            "clock_gettime",
            "clock_nanosleep",
            "exit",
            "exit_group",
            "futex",
            "getpid",
            "getppid",
            "getrandom",
            "getrusage",
            "gettid",
            "gettimeofday",
            "getuid",
            "geteuid",
            "getgid",
            "getegid",
            "membarrier",
            "nanosleep",
            "restart_syscall",
            "rseq",
            "rt_sigaction",
            "rt_sigprocmask",
            "rt_sigreturn",
            "sched_getaffinity",
            "sched_yield",
            "set_robust_list",
            "sigaltstack",
            "sysinfo",
            "uname",
        )
    ),
)
"""System calls of a worker, after it has opened its packet sockets."""


def restrict_control(groups: Collection[int] = (), *, by_xdp: bool = False) -> list[str]:
    """Keep what the control process needs and nothing else; return what could not be given up, in words.

    It becomes a member of `groups`, so that it may give its sockets to them without CAP_CHOWN (chown(2)). `by_xdp`: it
    forwards by an XDP program.
    """
    needed = [*CONTROL, *FOR_XDP] if by_xdp else list(CONTROL)
    held = standing()
    kept = [one for one in needed if one.label in held.capabilities] if held is not None else needed
    steps: list[tuple[str, Callable[[], None]]] = []
    if missing := set(groups) - set(os.getgroups()):
        steps.append(
            (
                "the groups of its sockets are not its own",
                lambda: os.setgroups([*os.getgroups(), *missing]),
            )
        )
    steps += [
        ("capabilities that it does not need can come back", lambda: _bound(needed)),
        ("capabilities that it does not need are kept", lambda: _keep(kept)),
        ("programs that it starts may gain privileges", _no_new_privileges),
        ("there are threads that keep everything", _alone),
    ]
    return _do(steps)


def restrict_worker() -> list[str]:
    """Give up everything: capabilities, user id, groups, all system calls but `WORKER_CALLS`; return what was not.

    Call it when every packet socket is open. It is for good: no program that is started gets any of it back.
    """
    return _do(
        [
            ("capabilities can come back", lambda: _bound(())),
            ("it keeps its user id", _become_worker),
            ("capabilities are kept", lambda: _keep(())),
            ("programs that it starts may gain privileges", _no_new_privileges),
            ("every system call is open to it", lambda: seccomp.allow_only(WORKER_CALLS)),
        ]
    )


def worker_user() -> pwd.struct_passwd | None:
    """Return whom workers run as where this process may choose; None where the host has no such user."""
    for name in (WORKER_USER, _FALLBACK_USER):
        with suppress(KeyError):
            return pwd.getpwnam(name)
    return None


def set_name(name: str) -> None:
    """Have ps and top show what this process is: at most 15 bytes (prctl(2), PR_SET_NAME)."""
    _libc.prctl(_PR_SET_NAME, name.encode(), 0, 0, 0)


@dataclass(frozen=True)
class Standing:
    """What a process may do now. `bounding`: what it and its programs could ever get."""

    pid: int
    uid: int
    capabilities: tuple[str, ...]
    bounding: tuple[str, ...]
    no_new_privileges: bool
    seccomp: bool


def standing(pid: int | None = None) -> Standing | None:
    """Return what a process may do, this one where none is named; None where the host does not show it."""
    try:
        # Without pathlib, which a worker would import for nothing else.
        with open(f"/proc/{pid or 'self'}/status", encoding="utf-8", errors="replace") as file:  # noqa: PTH123
            text = file.read()
    except OSError:
        return None
    fields = dict(line.split(":\t", 1) for line in text.splitlines() if ":\t" in line)
    return Standing(
        pid=int(fields["Pid"]),
        uid=int(fields["Uid"].split()[1]),
        capabilities=names(int(fields["CapEff"], 16)),
        bounding=names(int(fields["CapBnd"], 16)),
        no_new_privileges=fields["NoNewPrivs"] == "1",
        seccomp=fields["Seccomp"] == "2",
    )


def names(bits: int) -> tuple[str, ...]:
    """Return the names of a set of capabilities; those that no process of the engine keeps by their number."""
    known = {int(one): one.label for one in Capability}
    return tuple(known.get(bit, f"CAP_{bit}") for bit in range(bits.bit_length()) if bits >> bit & 1)


# -- the steps ----------------------------------------------------------------------------------------------------------


def _do(steps: Iterable[tuple[str, Callable[[], None]]]) -> list[str]:
    """Take each step whatever becomes of the others; return what is the case where one failed."""
    left = []
    for otherwise, step in steps:
        try:
            step()
        except OSError as error:
            left.append(f"{otherwise}: {(error.strerror or str(error)).lower()}")
    return left


def _bound(kept: Collection[Capability]) -> None:
    """Drop everything else from the bounding set. Raises OSError.

    Without CAP_SETPCAP nobody can; where no_new_privs is set, nothing that is started gets more than there is by then.
    """
    held = standing()
    if held is not None and Capability.SETPCAP.label not in held.capabilities:
        return
    wanted = {int(one) for one in kept}
    capability = 0
    while (there := _libc.prctl(_PR_CAPBSET_READ, capability, 0, 0, 0)) >= 0:
        if there and capability not in wanted:
            _call(_libc.prctl(_PR_CAPBSET_DROP, capability, 0, 0, 0))
        capability += 1


class _Header(ctypes.Structure):
    _fields_ = (("version", ctypes.c_uint32), ("pid", ctypes.c_int))


class _Data(ctypes.Structure):
    _fields_ = (
        ("effective", ctypes.c_uint32),
        ("permitted", ctypes.c_uint32),
        ("inheritable", ctypes.c_uint32),
    )


def _keep(kept: Collection[Capability]) -> None:
    """Hold these and no other capabilities (capset(2)); a program that is started gets no more."""
    bits = sum(1 << one for one in kept)
    # Root's programs get what its bounding set has; those of other users what is ambient, which is inheritable, too.
    passed_on = bits if os.geteuid() else 0
    if not passed_on:
        _libc.prctl(_PR_CAP_AMBIENT, _PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0)
    data = (_Data * 2)(
        *(_Data(*((part >> shift) & 0xFFFFFFFF for part in (bits, bits, passed_on))) for shift in (0, 32))
    )
    _call(_libc.capset(ctypes.byref(_Header(_CAPABILITY_VERSION_3, 0)), data))


def _become_worker() -> None:
    if os.geteuid() != 0:
        return  # already somebody else than root
    user = worker_user()
    if user is None:
        raise OSError(errno.ENOENT, f"the host has neither {WORKER_USER} nor {_FALLBACK_USER}")
    os.setgroups([])
    os.setresgid(user.pw_gid, user.pw_gid, user.pw_gid)
    os.setresuid(user.pw_uid, user.pw_uid, user.pw_uid)


def _alone() -> None:
    """Raise OSError where there are other threads: what was given up here is this thread's (capabilities(7))."""
    others = len(os.listdir("/proc/self/task")) - 1  # noqa: PTH208 - see standing()
    if others:
        raise OSError(errno.EBUSY, f"{others} began before")


def _no_new_privileges() -> None:
    _call(_libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))


def _call(answer: int) -> None:
    if answer < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
