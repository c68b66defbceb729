"""Roll-ups: count, minimum, maximum, sum and a quantile sketch of a metric over some time."""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Mapping, Sequence

import msgspec

from pytest_flowhealth.history.sketch import Sketch, compute_upper_quantile

MINUTE = 60
TEN = 600
HOUR = 3_600
"""The stretches that are kept, in seconds."""

FEWEST = 20
"""Values that a p95 needs, as everywhere (domain/statistics.py)."""


class Rollup(msgspec.Struct, array_like=True):
    """The roll-up of at least one value."""

    count: int
    least: float
    greatest: float
    total: float
    sketch: bytes


def make_rollup(values: Iterable[float]) -> Rollup:
    """Return the roll-up of finite values, at least one."""
    values = tuple(values)
    return Rollup(len(values), min(values), max(values), sum(values), Sketch(values).encode())


def merge_rollups(parts: Iterable[Rollup]) -> Rollup:
    """Return the roll-up of all the values of `parts`, at least one."""
    parts = tuple(parts)
    if len(parts) == 1:
        return parts[0]
    sketch = Sketch()
    for part in parts:
        sketch.merge(Sketch.decode(part.sketch))
    return Rollup(
        sum(part.count for part in parts),
        min(part.least for part in parts),
        max(part.greatest for part in parts),
        sum(part.total for part in parts),
        sketch.encode(),
    )


def summarize_rollups(parts: Sequence[Rollup]) -> tuple[int, float, float, float, float | None]:
    """Return count, least, greatest, mean and p95 of all the values of `parts`, at least one.

    The p95 within 2 % of itself; None for too few values.
    """
    counts = [part.count for part in parts]
    count = sum(counts)
    return (
        count,
        min(part.least for part in parts),
        max(part.greatest for part in parts),
        sum(part.total for part in parts) / count,
        compute_upper_quantile([part.sketch for part in parts], counts, 0.95)
        if count >= FEWEST
        else None,
    )


def pack_hour(stretches: Mapping[int, Rollup]) -> bytes:
    """Return the stretches of one hour, by their number, as one small block."""
    return zlib.compress(msgspec.msgpack.encode(dict(sorted(stretches.items()))))


def unpack_hour(data: bytes) -> dict[int, Rollup]:
    """Return the roll-ups of one hour that `pack_hour` encoded.

    Raises:
        ValueError: It is no such block.
    """
    try:
        return _decoder.decode(zlib.decompress(data))
    except (zlib.error, msgspec.DecodeError) as error:
        raise ValueError(f"no block of roll-ups: {error}") from None


_decoder = msgspec.msgpack.Decoder(dict[int, Rollup])
