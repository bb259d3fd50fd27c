"""What a process may still do after it gave up the rest. Each is tried in a process of its own: it is for good."""

from __future__ import annotations

import json
import os
import pwd
import re
import subprocess
import sys

import pytest

from engine.io import privileges, seccomp
from engine.io.privileges import CONTROL, FOR_XDP, WORKER_CALLS, Capability, names
from tests.helpers.paths import ROOT, SAMPLES

root = pytest.mark.skipif(os.geteuid() != 0, reason="only root has something to give up")
filtering = pytest.mark.skipif(
    seccomp.library() is None, reason="libseccomp.so.2 is not installed (apt install libseccomp2)"
)


def tried(program, *before):
    """Run a program that prints JSON; `before` is what starts it."""
    text = f"import json, os, socket, sys\nfrom engine.io import privileges\n{program}"
    done = subprocess.run(
        [*before, sys.executable, "-c", text],
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
        timeout=30,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


SHOWN = """
s = privileges.standing()
print(json.dumps([left, s.uid, list(s.capabilities), list(s.bounding), s.no_new_privileges, s.seccomp]))
"""


@root
def test_the_control_process_keeps_what_stands_in_its_list_and_can_get_no_more():
    left, uid, capabilities, bounding, nothing_new, _ = tried(
        f"left = privileges.restrict_control()\n{SHOWN}"
    )
    listed = [one.label for one in sorted(CONTROL)]
    assert (left, uid, capabilities, bounding, nothing_new) == ([], 0, listed, listed, True)


@root
def test_a_thread_that_began_before_is_told(tmp_path):
    program = """
import threading
over = threading.Event()
threading.Thread(target=over.wait).start()
print(json.dumps(privileges.restrict_control()))
over.set()
"""
    assert tried(program) == ["there are threads that keep everything: 1 began before"]


@root
def test_a_program_of_the_control_process_has_no_more_than_it():
    program = """
import subprocess
privileges.restrict_control()
sys.stdout.write(subprocess.run(["grep", "-E", "CapEff|CapPrm|NoNewPrivs", "/proc/self/status"],
                                capture_output=True, text=True).stdout.replace("\\t", " ").replace("\\n", ";").join('""'))
"""
    bits = sum(1 << one for one in CONTROL)
    assert tried(program) == f"CapPrm: {bits:016x};CapEff: {bits:016x};NoNewPrivs: 1;"


@root
def test_the_control_process_may_give_its_sockets_to_their_groups(tmp_path):
    program = f"""
left = privileges.restrict_control([4242])
with socket.socket(socket.AF_UNIX) as sock:
    sock.bind({str(tmp_path / "s")!r})
os.chown({str(tmp_path / "s")!r}, -1, 4242)
try:
    os.chown({str(tmp_path / "s")!r}, -1, 4243)
except PermissionError:
    left.append("not to others")
print(json.dumps(left))
"""
    assert tried(program) == ["not to others"]
    assert (tmp_path / "s").stat().st_gid == 4242


@root
@filtering
def test_a_worker_keeps_nothing():
    left, uid, capabilities, bounding, nothing_new, barred = tried(
        f"left = privileges.restrict_worker()\n{SHOWN}"
    )
    assert left == []
    assert uid == privileges.worker_user().pw_uid != 0
    assert (capabilities, bounding, nothing_new, barred) == ([], [], True, True)


ATTEMPTS = {
    "open a file to write": "open('/tmp/bng-never', 'w')",
    "start a program": "os.execv('/bin/true', ['true'])",
    "make a process": "os.fork()",
    "open a socket to the network": "socket.socket()",
    "open a packet socket": "socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)",
    "end a process": "os.kill(1, 0)",
    "become root again": "os.setuid(0)",
    "execute memory": "mmap.mmap(-1, 4096, prot=7)",
    "remove a file": "os.unlink('/tmp/bng-never')",
    "change a mode": "os.chmod('/', 0o755)",
    "mount": "privileges._call(privileges._libc.mount(b'a', b'/', b'tmpfs', 0, None))",
    "trace a process": "privileges._call(privileges._libc.ptrace(16, 1, 0, 0))",
}


@filtering
def test_what_a_worker_is_barred_from():
    program = "import mmap\nleft = privileges.restrict_worker()\nfound = {}\n"
    for name, attempt in ATTEMPTS.items():
        program += f"try:\n    {attempt}\n    found[{name!r}] = 'done'\nexcept OSError as error:\n    found[{name!r}] = error.errno\n"
    assert tried(program + "print(json.dumps(found))") == dict.fromkeys(ATTEMPTS, 1)


@filtering
def test_what_a_worker_needs_is_on_the_list(tmp_path):
    """Beside forwarding, which the tests on real packets show."""
    program = """
ahead = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
privileges.restrict_worker()
from engine.datapath.shared_memory import SharedMemory
memory = SharedMemory.create("x", 8192)
memory.map[:3] = b"abc"
socket.send_fds(ahead[0], [b"x"], [memory.fd])
data, fds, _, _ = socket.recv_fds(ahead[1], 10, 3)
again = bytes(SharedMemory.attach(fds[0]).map[:3]).decode()
door = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
door.bind(f"\\0bng-test-{os.getpid()}")
privileges.set_name("bng-test")
names = [socket.if_indextoname(1), open("/proc/self/comm").read().strip()]
try:
    1 / 0
except ZeroDivisionError:
    import traceback
    traceback.format_exc()
print(json.dumps([again, names, len(os.urandom(4))]))
"""
    assert tried(
        f"import traceback, linecache\nfrom engine.datapath.shared_memory import SharedMemory\n{program}"
    ) == [
        "abc",
        ["lo", "bng-test"],
        4,
    ]


def in_a_user_namespace():
    words = ["unshare", "--user", "--map-root-user"]
    done = subprocess.run([*words, "true"], capture_output=True, check=False)
    return words if done.returncode == 0 else None


@filtering
def test_in_a_user_namespace_it_is_said_that_the_user_id_stays():
    words = in_a_user_namespace()
    if words is None:
        pytest.skip("user namespaces are not permitted here")
    left, uid, capabilities, bounding, nothing_new, barred = tried(
        f"left = privileges.restrict_worker()\n{SHOWN}", *words
    )
    assert left == ["it keeps its user id: operation not permitted"]
    assert (uid, capabilities, bounding, nothing_new, barred) == (0, [], [], True, True)


def test_without_the_library_the_rest_is_given_up_all_the_same():
    left, _, capabilities, _, nothing_new, barred = tried(
        f"from engine.io import seccomp\nseccomp.LIBRARY = 'libnone.so.9'\nleft = privileges.restrict_worker()\n{SHOWN}"
    )
    assert left[-1] == "every system call is open to it: libnone.so.9 is not installed"
    assert (capabilities, nothing_new, barred) == ([], True, False)


def test_the_list_of_system_calls_names_each_rule_once_and_none_that_starts_or_rules_others():
    assert len(set(WORKER_CALLS)) == len(WORKER_CALLS)
    forbidden = {
        *(
            "execve",
            "execveat",
            "fork",
            "vfork",
            "clone",
            "clone3",
            "kill",
            "tkill",
            "tgkill",
            "ptrace",
            "bpf",
        ),
        *(
            "connect",
            "unlink",
            "unlinkat",
            "rename",
            "chmod",
            "fchmod",
            "chown",
            "fchown",
            "setuid",
            "setresuid",
        ),
        *("mount", "umount2", "unshare", "setns", "capset", "seccomp", "process_vm_writev", "io_uring_setup"),
        *("perf_event_open", "userfaultfd", "keyctl", "init_module", "pidfd_getfd", "open_by_handle_at"),
    }
    assert not forbidden & {call.name for call in WORKER_CALLS}
    narrow = {"socket", "ioctl", "prctl", "open", "openat", "mmap", "mmap2", "mprotect"}
    assert {call.name for call in WORKER_CALLS if call.mask} == narrow
    assert not {call.name for call in WORKER_CALLS if not call.mask} & narrow


def test_every_system_call_of_the_list_is_one(tmp_path):
    lib = seccomp.library()
    if lib is None:
        pytest.skip("libseccomp.so.2 is not installed (apt install libseccomp2)")
    # A number below -1 is one that other processors have.
    assert [
        call.name for call in WORKER_CALLS if lib.seccomp_syscall_resolve_name(call.name.encode()) == -1
    ] == []


def test_the_document_lists_what_is_kept_and_what_for():
    text = (ROOT / "docs" / "SECURITY.md").read_text()
    listed = dict(re.findall(r"^\| (CAP_\w+) \| (.*) \|$", text, re.MULTILINE))
    assert listed == {one.label: reason for one, reason in (CONTROL | FOR_XDP).items()}


def test_the_unit_bounds_the_engine_to_what_it_keeps():
    unit = (SAMPLES / "bng-engine.service").read_text()
    (bounding,) = re.findall(r"^CapabilityBoundingSet=(.*)$", unit, re.MULTILINE)
    assert set(bounding.split()) == {one.label for one in CONTROL}


def test_capabilities_have_the_names_that_people_know():
    assert names(0) == ()
    assert names(1 << 13 | 1 << 21) == ("CAP_NET_RAW", "CAP_21")
    assert {one.label for one in Capability} >= {"CAP_NET_ADMIN", "CAP_SYS_NICE"}


def test_what_a_process_may_do_is_read_from_the_host():
    mine = privileges.standing()
    assert mine == privileges.standing(os.getpid())
    assert mine.uid == os.geteuid()
    assert privileges.standing(1 << 22) is None


def test_workers_run_as_nobody_where_there_is_no_user_for_them(monkeypatch):
    def only(*known):
        def find(name):
            if name not in known:
                raise KeyError(name)
            return name

        monkeypatch.setattr(pwd, "getpwnam", find)
        return privileges.worker_user()

    assert only("bng-worker", "nobody") == "bng-worker"
    assert only("nobody") == "nobody"
    assert only() is None
