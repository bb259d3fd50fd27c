"""Namespaces with the standard library alone: make, name, enter and remove them.

`os.unshare` and `os.setns` came with Python 3.12, so libc is called through ctypes. The file is also a small command,
run by its path (`python -I -S namespaces.py ...`) so that it starts in some 20 ms and passes its environment on:

    enter NETNS PARENT CMD...   become CMD inside the network namespace; PARENT is a pid to die with, or 0
    hold                        own a user namespace until ended, as `bng-lab up` needs for an ordinary user
    try                         enter one and end: whether, and why not

Sources: namespaces(7), user_namespaces(7), ip-netns(8) (the names under /run/netns and the fresh /sys are its habits).
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import fcntl
import os
import signal
import socket
import struct
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import NoReturn

NETNS_DIR = Path("/run/netns")
"""Where `ip netns` looks, so that `ip netns exec bng-lb ...` works too."""

CLONE_NEWNS = 0x0002_0000
CLONE_NEWUSER = 0x1000_0000
CLONE_NEWNET = 0x4000_0000
MS_BIND = 0x1000
MS_REC = 0x4000
MS_PRIVATE = 1 << 18
MS_SLAVE = 1 << 19
MS_SHARED = 1 << 20
MNT_DETACH = 2
PR_SET_PDEATHSIG = 1

NEEDED_CAPABILITIES = {12: "CAP_NET_ADMIN", 13: "CAP_NET_RAW", 21: "CAP_SYS_ADMIN"}
"""Bits of CapEff (linux/capability.h): links and addresses, packet sockets, mounts and namespaces."""

_libc = ctypes.CDLL(None, use_errno=True)


class LabError(Exception):
    """What went wrong, where, and what to do, as one text for the operator."""


def _call(function: str, *args: Any) -> None:
    """Call a libc function that answers -1 on failure; raises OSError with its errno."""
    if getattr(_libc, function)(*args) == -1:
        number = ctypes.get_errno()
        raise OSError(number, f"{function}: {os.strerror(number)}")


def unshare(flags: int) -> None:
    """Leave the namespaces of those kinds for new ones; CLONE_NEWUSER and CLONE_NEWNS want a single thread (unshare(2))."""
    _call("unshare", flags)


def mount(
    source: str | None, target: str | Path, kind: str | None, flags: int, data: str | None = None
) -> None:
    """Mount or bind a file system; raises OSError."""

    def raw(text: str | None) -> bytes | None:
        return None if text is None else os.fsencode(text)

    _call("mount", raw(source), os.fsencode(target), raw(kind), ctypes.c_ulong(flags), raw(data))


def enter(path: str | Path, kind: int) -> None:
    """setns(2) into the namespace of `kind` (CLONE_NEW...) that `path` stands for."""
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        _call("setns", fd, kind)
    finally:
        os.close(fd)


@contextlib.contextmanager
def inside(netns: str | Path) -> Iterator[None]:
    """Put the calling thread, and no other, into a network namespace for the length of a block.

    Sockets made inside stay there; /proc/sys/net is that namespace's, and so is a process started inside.
    """
    before = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
    try:
        enter(netns, CLONE_NEWNET)
        try:
            yield
        finally:
            _call("setns", before, CLONE_NEWNET)
    finally:
        os.close(before)


# -- named network namespaces ---------------------------------------------------------------------------------------


@contextlib.contextmanager
def _shared_directory() -> Iterator[None]:
    """Hold NETNS_DIR under its lock, made a shared mount first, as ip-netns does.

    Shared, so that removing a name also removes it from mount namespaces that were copied meanwhile; otherwise
    a service with a private /tmp would keep the whole network alive.
    """
    NETNS_DIR.mkdir(mode=0o755, parents=True, exist_ok=True)
    lock = os.open(NETNS_DIR, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        try:
            mount(None, NETNS_DIR, None, MS_SHARED | MS_REC)
        except OSError as error:
            if error.errno != errno.EINVAL:
                raise
            mount(str(NETNS_DIR), NETNS_DIR, None, MS_BIND | MS_REC)
            mount(None, NETNS_DIR, None, MS_SHARED | MS_REC)
        yield
    finally:
        os.close(lock)


def create(name: str) -> Path:
    """Make a network namespace and give it a name; FileExistsError where the name is taken, OSError otherwise."""
    path = NETNS_DIR / name
    with _shared_directory():
        os.close(os.open(path, os.O_RDONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0))
        before = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
        try:
            unshare(CLONE_NEWNET)
            try:
                mount("/proc/thread-self/ns/net", path, None, MS_BIND)
            finally:
                _call("setns", before, CLONE_NEWNET)
        except OSError:
            path.unlink()
            raise
        finally:
            os.close(before)
    return path


def remove(name: str) -> None:
    """Take a name away; the namespace goes with its last process. No error where there is none."""
    path = NETNS_DIR / name
    with contextlib.suppress(OSError):  # not mounted: a name left over from a half-built network
        _call("umount2", os.fsencode(path), MNT_DETACH)
    path.unlink(missing_ok=True)


# -- privileges -----------------------------------------------------------------------------------------------------


def missing_capabilities() -> list[str]:
    """Name the capabilities the lab needs and this process lacks in its user namespace."""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    effective = int(next(line.split()[1] for line in status.splitlines() if line.startswith("CapEff:")), 16)
    return [name for bit, name in NEEDED_CAPABILITIES.items() if not effective >> bit & 1]


def become_namespace_root() -> None:
    """Move this process into a user namespace where it is root, with a network and a /run of its own.

    LabError where the kernel forbids it. The process must have one thread. Nothing of the host changes: its files
    keep their owners, and the names under /run/netns are seen by this process and its children only (and end with
    them). The network is a new one because a thread may only return to a namespace that its root owns (setns(2)).
    """
    uid, gid = os.geteuid(), os.getegid()
    lacking = missing_capabilities()
    try:
        unshare(CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWNET)
        Path("/proc/self/setgroups").write_text(
            "deny", encoding="ascii"
        )  # user_namespaces(7): before gid_map
        Path("/proc/self/uid_map").write_text(f"0 {uid} 1", encoding="ascii")
        Path("/proc/self/gid_map").write_text(f"0 {gid} 1", encoding="ascii")
        mount(None, "/", None, MS_REC | MS_PRIVATE)
        mount("tmpfs", "/run", "tmpfs", 0, "mode=755")
        _loopback_up()
    except OSError as error:
        raise LabError(explain_refusal(error, uid, lacking)) from error


def _loopback_up() -> None:
    """Turn lo on in this network namespace (netdevice(7): SIOCSIFFLAGS with IFF_UP), without netlink's library."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        fcntl.ioctl(any_socket, 0x8914, struct.pack("16sh14x", b"lo", 1))


def obtain_privileges() -> None:
    """Return at once with root's capabilities, enter a user namespace without them; LabError where neither goes."""
    if missing_capabilities():
        become_namespace_root()


def join(holder: int) -> None:
    """Enter the user, network and mount namespace of the process that `hold`s them; OSError where it is gone."""
    here = Path.cwd()
    enter(f"/proc/{holder}/ns/user", CLONE_NEWUSER)
    enter(f"/proc/{holder}/ns/net", CLONE_NEWNET)
    enter(f"/proc/{holder}/ns/mnt", CLONE_NEWNS)  # last: the paths above are this namespace's
    with contextlib.suppress(FileNotFoundError):  # under /run, and so hidden
        os.chdir(here)  # setns(2) moved it to the root


def _knob(path: str) -> int | None:
    """Read a number of the kernel's; None where it has no such knob."""
    try:
        return int(Path("/proc/sys", path).read_text(encoding="ascii"))
    except (OSError, ValueError):
        return None


def refusal() -> str:
    """Return why `become_namespace_root` would fail, or an empty text; tried by a child, so nothing changes here."""
    command = [sys.executable, "-I", "-S", __file__, "try"]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)  # noqa: S603 - this file
    return done.stderr.strip() if done.returncode else ""


def explain_refusal(error: OSError, uid: int, lacking: list[str]) -> str:
    """Say what forbids the namespaces and what to do about it, from the knobs known to forbid them.

    `uid` and `lacking` (capabilities) are those from before the attempt, which may have succeeded by half.
    """
    reasons = [
        f"user.max_{kind}_namespaces is 0: sysctl -w user.max_{kind}_namespaces=10000"
        for kind in ("user", "mnt", "net")
        if _knob(f"user/max_{kind}_namespaces") == 0
    ]
    if uid and _knob("kernel/unprivileged_userns_clone") == 0:
        reasons.append("kernel.unprivileged_userns_clone is 0: sysctl -w kernel.unprivileged_userns_clone=1")
    if uid and _knob("kernel/apparmor_restrict_unprivileged_userns") == 1:
        reasons.append(
            "AppArmor keeps user namespaces from programs without a profile: "
            "sysctl -w kernel.apparmor_restrict_unprivileged_userns=0"
        )
    status = Path("/proc/self/status").read_text(encoding="ascii")
    if "Seccomp:\t2" in status:
        reasons.append(
            "a seccomp filter is on this process, as container runtimes set one: start the container with "
            "--cap-add SYS_ADMIN --cap-add NET_ADMIN --cap-add NET_RAW, or with --privileged"
        )
    elif not uid and lacking:
        reasons.append(
            "this root is a container's, without the capabilities that make it root: start it with them"
        )
    if error.errno == errno.EINVAL and "Threads:\t1\n" not in status:
        reasons.append("this process has several threads, and user_namespaces(7) wants one: start it anew")
    if not reasons:
        reasons.append("no setting known here says why: run it as root")
    return (
        f"the kernel refuses the namespaces ({error.strerror}; missing here: {', '.join(lacking) or 'no capability'}): "
        + "; or ".join(reasons)
    )


# -- the command ----------------------------------------------------------------------------------------------------


def show_own_sysfs() -> None:
    """Give this process a /sys that shows its network namespace, keeping /sys/fs/bpf and /sys/fs/cgroup.

    A user namespace may be refused it (a container's masked /sys): then the old one stays, and only
    /sys/class/net tells of another namespace.
    """
    unshare(CLONE_NEWNS)
    mount(None, "/", None, MS_REC | MS_SLAVE)
    kept = {
        path: os.open(path, os.O_PATH) for path in ("/sys/fs/bpf", "/sys/fs/cgroup") if Path(path).is_mount()
    }
    with contextlib.suppress(OSError):
        mount("sysfs", "/sys", "sysfs", 0)
        for path, fd in kept.items():
            mount(f"/proc/self/fd/{fd}", path, None, MS_BIND | MS_REC)
    for fd in kept.values():
        os.close(fd)


def die_with(parent: int) -> None:
    """Have this process terminated when its parent, of that pid, ends (PR_SET_PDEATHSIG)."""
    _call("prctl", PR_SET_PDEATHSIG, ctypes.c_ulong(signal.SIGTERM), 0, 0, 0)
    if os.getppid() != parent:
        raise SystemExit(0)


def become(netns: str | Path, argv: list[str]) -> NoReturn:
    """Become the program `argv` inside a network namespace; SystemExit 127 where it cannot be started."""
    enter(netns, CLONE_NEWNET)
    with contextlib.suppress(OSError):
        show_own_sysfs()
    try:
        os.execvp(argv[0], argv)  # noqa: S606 - to start a program is what it is for
    except OSError as error:
        raise SystemExit(f"bng-lab: {argv[0]}: {error.strerror}") from error


def hold() -> None:
    """Own a user namespace until a signal ends this process; says `ready` on standard output when it stands."""
    become_namespace_root()
    os.chdir("/")
    os.write(1, b"ready\n")
    os.close(1)
    while True:
        signal.pause()


def main(argv: list[str]) -> None:
    """Run one of the small commands of this file's head.

    What `enter` cannot do is said to the operator; `hold` and `try` leave the bare reason to the program that runs them.
    """
    prefix = "bng-lab: " if argv[:1] == ["enter"] else ""
    try:
        if argv[:1] == ["enter"]:
            netns, parent, *command = argv[1:]
            if int(parent):
                die_with(int(parent))
            become(netns, command)
        elif argv == ["hold"]:
            hold()
        elif argv == ["try"]:
            become_namespace_root()
        else:
            raise SystemExit(2)
    except (LabError, OSError) as error:
        raise SystemExit(f"{prefix}{error}") from error


if __name__ == "__main__":
    main(sys.argv[1:])
