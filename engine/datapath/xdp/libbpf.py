"""The kernel's BPF by libbpf.so.1: open and load an object, attach it, run it on a frame, make and fill maps.

Every call that fails raises BpfError with the kernel's reason in words; what libbpf and the verifier say beside it is in
`BpfError.log`.
"""

from __future__ import annotations

import ctypes
import errno
import os
from ctypes import POINTER, byref, c_char_p, c_int, c_size_t, c_uint32, c_uint64, c_void_p
from functools import cache
from typing import Any

NAME = "libbpf.so.1"

_MAP_TYPE_ARRAY = 2
_MMAPABLE, _INNER_MAP = 1 << 10, 1 << 12
_LOG_BYTES = 1 << 16
_ATTACH_XDP = 37  # enum bpf_attach_type
_IF_NONE_IS, _GENERIC, _NATIVE = 1, 2, 4  # XDP_FLAGS_ of linux/if_link.h
_KERNEL_SAYS = "Kernel error message: "
_WARNING = 0  # enum libbpf_print_level


class BpfError(Exception):
    """A refusal: `number` is the errno, `log` what was said about it."""

    def __init__(self, doing: str, number: int, log: str = "") -> None:
        super().__init__(f"{doing}: {os.strerror(number)}")
        self.number = number
        self.log = log


class _TestRun(ctypes.Structure):
    """struct bpf_test_run_opts."""

    _fields_ = (
        ("sz", c_size_t),
        ("data_in", c_void_p),
        ("data_out", c_void_p),
        ("data_size_in", c_uint32),
        ("data_size_out", c_uint32),
        ("ctx_in", c_void_p),
        ("ctx_out", c_void_p),
        ("ctx_size_in", c_uint32),
        ("ctx_size_out", c_uint32),
        ("retval", c_uint32),
        ("repeat", c_int),
        ("duration", c_uint32),
        ("flags", c_uint32),
        ("cpu", c_uint32),
        ("batch_size", c_uint32),
    )


class _MapCreate(ctypes.Structure):
    """struct bpf_map_create_opts, as far as libbpf 1.0 has it."""

    _fields_ = (
        ("sz", c_size_t),
        ("btf_fd", c_uint32),
        ("btf_key_type_id", c_uint32),
        ("btf_value_type_id", c_uint32),
        ("btf_vmlinux_value_type_id", c_uint32),
        ("inner_map_fd", c_uint32),
        ("map_flags", c_uint32),
        ("map_extra", c_uint64),
        ("numa_node", c_uint32),
        ("map_ifindex", c_uint32),
    )


class _LinkCreate(ctypes.Structure):
    """struct bpf_link_create_opts, as far as it is used."""

    _fields_ = (("sz", c_size_t), ("flags", c_uint32))


_Print = ctypes.CFUNCTYPE(c_int, c_int, c_char_p, c_void_p)

_SIGNATURES: dict[str, tuple[Any, ...]] = {
    # name: result, arguments
    "bpf_object__open_mem": (c_void_p, c_char_p, c_size_t, c_void_p),
    "bpf_object__load": (c_int, c_void_p),
    "bpf_object__close": (None, c_void_p),
    "bpf_object__find_map_by_name": (c_void_p, c_void_p, c_char_p),
    "bpf_object__find_program_by_name": (c_void_p, c_void_p, c_char_p),
    "bpf_program__fd": (c_int, c_void_p),
    "bpf_map__fd": (c_int, c_void_p),
    "bpf_map__set_max_entries": (c_int, c_void_p, c_uint32),
    "bpf_map__set_value_size": (c_int, c_void_p, c_uint32),
    "bpf_map__set_initial_value": (c_int, c_void_p, c_char_p, c_size_t),
    "bpf_map_create": (c_int, c_int, c_char_p, c_uint32, c_uint32, c_uint32, POINTER(_MapCreate)),
    "bpf_map_update_elem": (c_int, c_int, c_void_p, c_void_p, c_uint64),
    "bpf_link_create": (c_int, c_int, c_int, c_int, POINTER(_LinkCreate)),
    "bpf_xdp_attach": (c_int, c_int, c_int, c_uint32, c_void_p),
    "bpf_xdp_detach": (c_int, c_int, c_uint32, c_void_p),
    "bpf_xdp_query_id": (c_int, c_int, c_int, POINTER(c_uint32)),
    "bpf_prog_get_fd_by_id": (c_int, c_uint32),
    "bpf_obj_get_info_by_fd": (c_int, c_int, c_void_p, POINTER(c_uint32)),
    "bpf_prog_test_run_opts": (c_int, c_int, POINTER(_TestRun)),
    "libbpf_set_print": (c_void_p, _Print),
}


class _Library:
    """The functions that are used, with their types, and what libbpf has said lately."""

    def __init__(self) -> None:
        self._said: list[str] = []
        found = ctypes.CDLL(NAME, use_errno=True)
        for name, (result, *arguments) in _SIGNATURES.items():
            function = getattr(found, name)
            function.restype, function.argtypes = result, arguments
            setattr(self, name, function)
        self._format = ctypes.CDLL(None).vsnprintf
        self._format.argtypes = [c_char_p, c_size_t, c_char_p, c_void_p]
        self._print = _Print(self._hear)  # libbpf keeps the pointer, so it has to live
        self.libbpf_set_print(self._print)

    def __getattr__(self, name: str) -> Any:
        raise AttributeError(name)  # the functions are in the instance

    def _hear(self, level: int, form: bytes, values: int) -> int:
        if level == _WARNING:
            text = ctypes.create_string_buffer(_LOG_BYTES)
            self._format(text, _LOG_BYTES, form, values)
            self._said.append(text.value.decode(errors="replace"))
        return 0

    def log(self) -> str:
        """Return what was said since the last time."""
        said, self._said = "".join(self._said), []
        return said


@cache
def _library() -> _Library:
    """Load libbpf; raises OSError where it is not installed."""
    return _Library()


def _checked(doing: str, result: int) -> int:
    """Return what is not an error: libbpf gives -errno, and sets errno, too."""
    if result < 0:
        raise BpfError(doing, -result if result < -1 else ctypes.get_errno() or errno.EPERM, _library().log())
    return result


class Object:
    """An object file, opened; `load` brings its programs and maps into the kernel."""

    def __init__(self, data: bytes) -> None:
        lib = _library()
        self._data = data
        self._handle = lib.bpf_object__open_mem(data, len(data), None)
        if not self._handle:
            raise BpfError("opening the program", ctypes.get_errno(), lib.log())

    def _map(self, name: str) -> Any:
        found = _library().bpf_object__find_map_by_name(self._handle, name.encode())
        if not found:
            raise BpfError(f"finding map {name}", errno.ENOENT)
        return found

    def size(self, name: str, entries: int, value_bytes: int | None = None) -> None:
        """Say how large a map is to be, before it is loaded."""
        lib, one = _library(), self._map(name)
        _checked(f"sizing map {name}", lib.bpf_map__set_max_entries(one, entries))
        if value_bytes is not None:
            _checked(f"sizing map {name}", lib.bpf_map__set_value_size(one, value_bytes))

    def constants(self, data: bytes) -> None:
        """Give the read-only data its values."""
        given = _library().bpf_map__set_initial_value(self._map(".rodata"), data, len(data))
        _checked("setting constants", given)

    def load(self) -> None:
        """Load it all; what the verifier objects to is in the error's log."""
        lib = _library()
        lib.log()
        _checked("loading the program", lib.bpf_object__load(self._handle))

    def map_fd(self, name: str) -> int:
        """Return a descriptor of a map, the caller's to close."""
        return os.dup(_checked(f"map {name}", _library().bpf_map__fd(self._map(name))))

    def program_fd(self, name: str) -> int:
        """Return a descriptor of a program, the caller's to close."""
        lib = _library()
        found = lib.bpf_object__find_program_by_name(self._handle, name.encode())
        if not found:
            raise BpfError(f"finding program {name}", errno.ENOENT)
        return os.dup(_checked(f"program {name}", lib.bpf_program__fd(found)))

    def close(self) -> None:
        """Forget the object; what was loaded lives as long as somebody holds it."""
        _library().bpf_object__close(self._handle)


def create_array(name: str, value_bytes: int, entries: int) -> int:
    """Make an array that can be mapped and be a map's value; returns its descriptor."""
    options = _MapCreate(sz=ctypes.sizeof(_MapCreate), map_flags=_MMAPABLE | _INNER_MAP)
    lib = _library()
    made = lib.bpf_map_create(_MAP_TYPE_ARRAY, name.encode(), 4, value_bytes, entries, byref(options))
    return _checked(f"making map {name}", made)


def put_map(outer: int, at: int, inner: int) -> None:
    """Make a map the value of another; returns when no program looks at the former value any more."""
    key, value = c_uint32(at), c_uint32(inner)
    done = _library().bpf_map_update_elem(outer, byref(key), byref(value), 0)
    _checked("exchanging a table", done)


def attach(program: int, ifindex: int, *, generic: bool) -> int:
    """Attach a program to an interface; returns the link, which holds it for as long as somebody has it open.

    In BpfError.log is what the kernel said beside its refusal. It says that over netlink alone (its extended
    acknowledgement), so a second attempt, which fails like the first, asks there.
    """
    lib = _library()
    mode = _GENERIC if generic else _NATIVE
    options = _LinkCreate(sz=ctypes.sizeof(_LinkCreate), flags=mode)
    lib.log()
    made = lib.bpf_link_create(program, ifindex, _ATTACH_XDP, byref(options))
    if made >= 0:
        return int(made)
    number = -made if made < -1 else ctypes.get_errno()
    if lib.bpf_xdp_attach(ifindex, program, mode | _IF_NONE_IS, None) == 0:
        lib.bpf_xdp_detach(ifindex, mode, None)
    said = lib.log()
    raise BpfError(
        "attaching the program",
        number,
        said.rpartition(_KERNEL_SAYS)[2].strip() if _KERNEL_SAYS in said else "",
    )


def attached(ifindex: int) -> int:
    """Return the number of the program that is on an interface; 0 where there is none."""
    found = c_uint32(0)
    _checked("looking for a program", _library().bpf_xdp_query_id(ifindex, 0, byref(found)))
    return found.value


def number_of(program: int) -> int:
    """Return the number that the kernel gave a program."""
    return int.from_bytes(_info(program)[_INFO_ID], "little")


def name_of(number: int) -> str:
    """Return the name of a program by its number; empty where it is gone."""
    fd = _library().bpf_prog_get_fd_by_id(number)
    if fd < 0:
        return ""
    try:
        return _info(fd)[_INFO_NAME].split(b"\0")[0].decode(errors="replace")
    finally:
        os.close(fd)


_INFO_BYTES, _INFO_ID, _INFO_NAME = 232, slice(4, 8), slice(64, 80)  # struct bpf_prog_info


def _info(program: int) -> bytes:
    info, size = ctypes.create_string_buffer(_INFO_BYTES), c_uint32(_INFO_BYTES)
    _checked("asking about a program", _library().bpf_obj_get_info_by_fd(program, info, byref(size)))
    return info.raw


class Runner:
    """Runs a program on frames that only memory holds (BPF_PROG_TEST_RUN)."""

    def __init__(self, program: int, most_bytes: int = 4096) -> None:
        self._program = program
        self._out = ctypes.create_string_buffer(most_bytes)
        self._options = _TestRun(sz=ctypes.sizeof(_TestRun), data_out=ctypes.addressof(self._out))
        self._call = _library().bpf_prog_test_run_opts

    def run(self, frame: bytes, repeat: int = 1) -> tuple[int, bytes]:
        """Return the program's action and the frame as it leaves it. Raises BpfError."""
        options = self._options
        data = ctypes.c_char_p(frame)
        options.data_in = ctypes.cast(data, c_void_p)
        options.data_size_in = len(frame)
        options.data_size_out = len(self._out)
        options.repeat = repeat
        _checked("running the program", self._call(self._program, byref(options)))
        return int(options.retval), self._out.raw[: options.data_size_out]

    def nanoseconds(self, frame: bytes, repeat: int) -> int:
        """Return how long a run takes on average."""
        self.run(frame, repeat)
        return int(self._options.duration)
