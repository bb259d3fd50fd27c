"""What has to be said to msgspec's encoders and decoders, once: text that is not Unicode, and bytes that are no message."""

from __future__ import annotations

from typing import Any

import msgspec

UNREADABLE = (msgspec.MsgspecError, RecursionError, UnicodeDecodeError)
"""What msgspec raises on bytes that are no message: cut short, of another shape, nested too deep, bad UTF-8."""


def to_json(value: Any) -> bytes:
    """Return a value as JSON; what is not Unicode in it as question marks."""
    try:
        return msgspec.json.encode(value)
    except UnicodeEncodeError:
        return msgspec.json.encode(writable(value))


def writable(value: Any) -> Any:
    """Return a value as dicts, lists and texts that can be encoded; what is not Unicode in them as question marks.

    Linux's names (of files, of interfaces) are bytes. Python keeps what is not UTF-8 in them as surrogates (PEP 383),
    which neither JSON nor msgpack has.
    """
    return _unicode(msgspec.to_builtins(value))


def _unicode(value: Any) -> Any:
    match value:
        case str():
            return value.encode("utf-8", "replace").decode()
        case dict():
            return {_unicode(key): _unicode(inner) for key, inner in value.items()}
        case list() | tuple():
            return [_unicode(inner) for inner in value]
    return value
