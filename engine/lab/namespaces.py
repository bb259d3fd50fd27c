"""Namespaces with the standard library alone: make, name, enter and remove them.

`os.unshare` and `os.setns` came with Python 3.12, so libc is called through ctypes. The file is also a small command,
run by its path (`python -I -S namespaces.py ...`) so that it starts in some 20 ms and passes its environment on:

    enter NETNS PARENT CMD...   become CMD inside the network namespace; PARENT is a pid to die with, or 0
    hold                        own a user namespace until ended, as `bng-lab up` needs for an ordinary user
    try                         enter one and end; the exit status says whether it can be, stderr why not

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
from dataclasses import dataclass
from enum import Enum
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
SIOCSIFFLAGS = 0x8914
IFF_UP = 1

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
    """Return the capabilities that the lab needs and this process does not have in its user namespace."""
    effective = int(_status("CapEff"), 16)
    return [name for bit, name in NEEDED_CAPABILITIES.items() if not effective >> bit & 1]


def become_namespace_root() -> None:
    """Move this process into a user namespace where it is root, with a network and a /run of its own.

    LabError where the kernel forbids it. The process must have one thread. Nothing of the host changes: its files
    keep their owners, and the names under /run/netns are seen by this process and its children only (and end with
    them). The network is a new one because a thread may only return to a namespace that its root owns (setns(2)).
    """
    uid, gid = os.geteuid(), os.getegid()
    missing = missing_capabilities()
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
        raise LabError(str(explain_refusal(error, uid, missing))) from error


def _loopback_up() -> None:
    """Turn lo on in this network namespace (netdevice(7)), without netlink's library."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        fcntl.ioctl(any_socket, SIOCSIFFLAGS, struct.pack("16sh14x", b"lo", IFF_UP))


def obtain_privileges() -> None:
    """Enter a user namespace unless this process has root's capabilities already; LabError where the kernel forbids it."""
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


def _status(field: str) -> str:
    """Return a field of this process's status (proc(5)), empty where this kernel does not have it."""
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith(f"{field}:")), "")


def _setting(path: str) -> int | None:
    """Return a number under /proc/sys; None where this kernel does not have the setting."""
    try:
        return int(Path("/proc/sys", path).read_text(encoding="ascii"))
    except (OSError, ValueError):
        return None


def refusal() -> str:
    """Return why `become_namespace_root` would fail, or an empty text; a child tries it, so nothing changes here."""
    command = [sys.executable, "-I", "-S", __file__, "try"]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)  # noqa: S603 - this file
    return done.stderr.strip() if done.returncode else ""


class Obstacle(Enum):
    """A known reason for the kernel to refuse namespaces; the value says what it is and what to do about it."""

    NO_USER_NAMESPACES = "user.max_user_namespaces is 0: sysctl -w user.max_user_namespaces=10000"
    NO_MOUNT_NAMESPACES = "user.max_mnt_namespaces is 0: sysctl -w user.max_mnt_namespaces=10000"
    NO_NETWORK_NAMESPACES = "user.max_net_namespaces is 0: sysctl -w user.max_net_namespaces=10000"
    PRIVILEGED_ONLY = "kernel.unprivileged_userns_clone is 0: sysctl -w kernel.unprivileged_userns_clone=1"  # Debian's setting
    APPARMOR = (
        "AppArmor keeps user namespaces from programs without a profile: "
        "sysctl -w kernel.apparmor_restrict_unprivileged_userns=0"
    )
    SECCOMP = (
        "a seccomp filter is on this process, as container runtimes set one: start the container with "
        "--cap-add SYS_ADMIN --cap-add NET_ADMIN --cap-add NET_RAW, or with --privileged"
    )
    CONTAINER_ROOT = (
        "this root is a container's, without the capabilities that make it root: start it with them"
    )
    THREADS = "this process has several threads, and user_namespaces(7) wants one: start it again"
    UNKNOWN = "no setting known here says why: run it as root"


@dataclass(frozen=True)
class Refusal:
    """Why the kernel refused namespaces: its own error, the capabilities that were missing, what is known to forbid them."""

    error: OSError
    missing: tuple[str, ...]
    obstacles: tuple[Obstacle, ...]

    def __str__(self) -> str:
        """Render as one line with every remedy."""
        return (
            f"the kernel refuses the namespaces ({self.error.strerror}; "
            f"missing here: {', '.join(self.missing) or 'no capability'}): "
            + "; or ".join(obstacle.value for obstacle in self.obstacles)
        )


def explain_refusal(error: OSError, uid: int, missing: list[str]) -> Refusal:
    """Return what forbids the namespaces, from the settings known to forbid them.

    `uid` and `missing` (capabilities) are those from before the attempt, which may have succeeded by half.
    """
    settings = {
        Obstacle.NO_USER_NAMESPACES: _setting("user/max_user_namespaces") == 0,
        Obstacle.NO_MOUNT_NAMESPACES: _setting("user/max_mnt_namespaces") == 0,
        Obstacle.NO_NETWORK_NAMESPACES: _setting("user/max_net_namespaces") == 0,
        Obstacle.PRIVILEGED_ONLY: uid != 0 and _setting("kernel/unprivileged_userns_clone") == 0,
        Obstacle.APPARMOR: uid != 0 and _setting("kernel/apparmor_restrict_unprivileged_userns") == 1,
    }
    found = [obstacle for obstacle, forbids in settings.items() if forbids]
    if _status("Seccomp") == "2":  # SECCOMP_MODE_FILTER, proc(5)
        found.append(Obstacle.SECCOMP)
    elif uid == 0 and missing:
        found.append(Obstacle.CONTAINER_ROOT)
    if error.errno == errno.EINVAL and _status("Threads") != "1":
        found.append(Obstacle.THREADS)
    return Refusal(error, tuple(missing), tuple(found) or (Obstacle.UNKNOWN,))


# -- the command ----------------------------------------------------------------------------------------------------


def show_own_sysfs() -> None:
    """Give this process a /sys that shows its network namespace, keeping /sys/fs/bpf and /sys/fs/cgroup.

    In a user namespace the kernel may refuse it (a container's masked /sys): then the old one stays, and only
    /sys/class/net shows another namespace.
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
    """Become the program `argv` inside a network namespace; SystemExit 127 where it cannot be started, as in a shell."""
    enter(netns, CLONE_NEWNET)
    with contextlib.suppress(OSError):
        show_own_sysfs()
    try:
        os.execvp(argv[0], argv)  # noqa: S606 - to start a program is what it is for
    except OSError as error:
        sys.stderr.write(f"bng-lab: {argv[0]}: {error.strerror}\n")
        raise SystemExit(127) from error


def hold() -> None:
    """Own a user namespace until a signal ends this process; says `ready` on standard output when it stands."""
    become_namespace_root()
    os.chdir("/")
    os.write(1, b"ready\n")
    os.close(1)
    while True:
        signal.pause()


def main(argv: list[str]) -> None:
    """Run one of the three commands of this file's head. `enter` speaks to operators, so its errors say whose they are."""
    named = "bng-lab: " if argv[:1] == ["enter"] else ""
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
        raise SystemExit(f"{named}{error}") from error


if __name__ == "__main__":
    main(sys.argv[1:])
