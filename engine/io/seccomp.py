"""A process bars itself from system calls it does not need, by libseccomp (seccomp(2), seccomp_rule_add(3)).

The library is Debian's libseccomp2. It knows the numbers of this processor, and is loaded only when it is asked for.
"""

from __future__ import annotations

import ctypes
import errno
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

LIBRARY = "libseccomp.so.2"

_ALLOW = 0x7FFF0000
_REFUSE = 0x00050000 | errno.EPERM
"""A call that is not on the list fails, and ends nothing: what the list forgot is a fault that is told, not an outage."""

_MASKED_EQUAL = 7
_UNKNOWN = -1  # __NR_SCMP_ERROR: a system call that this processor or this library does not have


@dataclass(frozen=True)
class Call:
    """A system call that is allowed, where argument number `argument`, of which only the bits of `mask` count, is `value`."""

    name: str
    argument: int = 0
    value: int = 0
    mask: int = 0


class _Compare(ctypes.Structure):
    _fields_ = (
        ("arg", ctypes.c_uint),
        ("op", ctypes.c_int),
        ("mask", ctypes.c_uint64),
        ("value", ctypes.c_uint64),
    )


@cache
def library() -> ctypes.CDLL | None:
    """Return libseccomp, None where it is not installed."""
    try:
        lib = ctypes.CDLL(LIBRARY)
    except OSError:
        return None
    lib.seccomp_init.restype = ctypes.c_void_p
    lib.seccomp_init.argtypes = (ctypes.c_uint32,)
    lib.seccomp_syscall_resolve_name.argtypes = (ctypes.c_char_p,)
    lib.seccomp_rule_add_array.argtypes = (
        ctypes.c_void_p,
        ctypes.c_uint32,
        ctypes.c_int,
        ctypes.c_uint,
        ctypes.POINTER(_Compare),
    )
    lib.seccomp_load.argtypes = (ctypes.c_void_p,)
    lib.seccomp_release.argtypes = (ctypes.c_void_p,)
    return lib


def allow_only(calls: Iterable[Call]) -> None:
    """Have every other system call of this process fail with EPERM, for good. Raises OSError; it needs no_new_privs."""
    lib = library()
    if lib is None:
        raise OSError(errno.ENOENT, f"{LIBRARY} is not installed")
    filtering = lib.seccomp_init(_REFUSE)
    if not filtering:
        raise OSError(errno.ENOMEM, "no memory for a filter of system calls")
    try:
        for call in calls:
            number = lib.seccomp_syscall_resolve_name(call.name.encode())
            if number == _UNKNOWN:
                continue
            compare = _Compare(call.argument, _MASKED_EQUAL, call.mask, call.value)
            _check(lib.seccomp_rule_add_array(filtering, _ALLOW, number, 1 if call.mask else 0, compare))
        _check(lib.seccomp_load(filtering))
    finally:
        lib.seccomp_release(filtering)


def _check(answer: int) -> None:
    if answer < 0:
        raise OSError(
            -answer, f"the filter of system calls is refused: {errno.errorcode.get(-answer, answer)}"
        )
