"""What was recorded, as consoles get it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from engine.api.messages import Trend, Trends
from engine.datapath.contract import DropReason
from engine.domain.errors import OpError
from engine.trends.measures import COLUMNS, Phase, identity
from engine.trends.scale import decode

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from engine.api.ops import TrendArgs, TrendsArgs
    from engine.config.model import Config, Server, Target
    from engine.trends.recorder import Recorder

STEPS_MOST = 240
"""Steps of an answer about all targets: a quarter of a million numbers are as much as a frame takes."""

_WORDS = {bits: Phase(bits).labels for bits in range(1 << len(Phase))}


def trend(recorder: Recorder, config: Config, args: TrendArgs, now_s: int) -> Trend:
    """Return how one went until `now_s`, Unix time. Waits for the disk. Raises OpError and OSError.

    What was measured under its number while that had another address is left out.
    """
    number, mask = 0, None
    if args.what != "datapath":
        known: list[Server] | list[Target] = config.servers if args.what == "server" else config.targets
        one = next((one for one in known if one.number == args.number), None)
        if one is None:
            raise OpError("bad-args", f"there is no {args.what} {args.number}")
        number, mask = one.number, identity(one.ipaddr or "", one.port)
    if args.seconds < 1 or args.step_s < 0:
        raise OpError("bad-args", "seconds are counted from 1 on, and a step is not below 0")
    step_s, times, records = recorder.read(args.what, number, now_s, args.seconds, args.step_s)
    if mask is not None:
        same = records["identity"] == mask
        times, records = times[same], records[same]
    values = {name: _plain(records[name]) for name in COLUMNS[args.what] if not name.startswith("drop_")}
    if args.what == "datapath":
        values |= _drops(records)
    return Trend(
        step_s=step_s,
        times=times.tolist(),
        values=values,
        states=[_WORDS[bits & len(_WORDS) - 1] for bits in records["state"].tolist()],
    )


def trends(recorder: Recorder, config: Config, args: TrendsArgs, now_s: int) -> Trends:
    """Return one measure of all until `now_s`, Unix time. Waits for the disk. Raises OpError and OSError."""
    measures = COLUMNS[args.what]
    if args.measure not in measures:
        raise OpError("bad-args", f"{args.what}s have no {args.measure}; there are {', '.join(measures)}")
    if args.seconds < 1 or args.step_s < 0:
        raise OpError("bad-args", "seconds are counted from 1 on, and a step is not below 0")
    known: list[Server] | list[Target] = config.servers if args.what == "server" else config.targets
    names = {one.number: identity(one.ipaddr or "", one.port) for one in known if one.registered}
    step_s = max(args.step_s, -(-args.seconds // STEPS_MOST))
    step_s, times, slots = recorder.read_all(args.what, now_s, args.seconds, step_s)
    times, slots = times[-STEPS_MOST:], slots[-STEPS_MOST:]
    table = np.full((len(slots), max(names, default=0) + 1), np.nan)
    for row, records in zip(table, slots, strict=True):
        wanted = [n for n, name in names.items() if n < len(records) and records["identity"][n] == name]
        row[wanted] = decode(records[args.measure][wanted])
    return Trends(step_s=step_s, times=times.tolist(), values={n: _numbers(table[:, n]) for n in names})


def _drops(records: NDArray[Any]) -> dict[str, list[float | None]]:
    """Return drops by reason, frames a second, of the reasons that there were."""
    found = {reason.label: records[f"drop_{reason.value}"] for reason in DropReason}
    return {f"dropped {label}": _plain(codes) for label, codes in found.items() if codes.any()}


def _plain(codes: NDArray[Any]) -> list[float | None]:
    return _numbers(decode(codes))


def _numbers(values: NDArray[np.float64]) -> list[float | None]:
    return [None if value != value else value for value in np.round(values, 2).tolist()]  # noqa: PLR0124 - NaN
