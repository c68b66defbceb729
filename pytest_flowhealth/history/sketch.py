"""Mergeable quantiles: DDSketch.

Ch. Masson, J. E. Rim, H. K. Lee: DDSketch, a fast and fully-mergeable quantile sketch with
relative-error guarantees, VLDB 2019. Values fall into buckets whose bounds grow by a constant
factor, so that a quantile is known to within `ACCURACY` of itself, and two sketches are merged by
adding their counts.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Sequence

import msgspec

ACCURACY = 0.02
"""The greatest relative error of a quantile."""

_GAMMA = (1 + ACCURACY) / (1 - ACCURACY)
_LOG = math.log(_GAMMA)
_SMALLEST = 1e-12


class Sketch:
    """Counts of values by bucket; zeros and values near zero are counted separately."""

    def __init__(self, values: Iterable[float] = ()) -> None:
        self.positive: Counter[int] = Counter()
        self.negative: Counter[int] = Counter()
        self.zeros = 0
        for value in values:
            self.add(value)

    @property
    def count(self) -> int:
        """The number of values."""
        return self.zeros + self.positive.total() + self.negative.total()

    def add(self, value: float) -> None:
        """Add a finite value."""
        if abs(value) < _SMALLEST:
            self.zeros += 1
        else:
            side = self.positive if value > 0 else self.negative
            side[math.ceil(math.log(abs(value)) / _LOG)] += 1

    def merge(self, other: Sketch) -> None:
        """Add all values of another sketch."""
        self.zeros += other.zeros
        self.positive.update(other.positive)
        self.negative.update(other.negative)

    def quantile(self, share: float) -> float:
        """Return the value that a share (0 to 1) of the values does not exceed; by the nearest rank.

        Raises:
            ValueError: There are no values.
        """
        if self.count == 0:
            raise ValueError("a sketch without values has no quantile")
        rank = share * (self.count - 1)
        seen = 0
        for value, count in self._ascending():
            seen += count
            if seen > rank:
                return value
        raise AssertionError  # the counts add up to more than any rank

    def _ascending(self) -> Iterable[tuple[float, int]]:
        for index in sorted(self.negative, reverse=True):
            yield -_middle(index), self.negative[index]
        if self.zeros:
            yield 0.0, self.zeros
        for index in sorted(self.positive):
            yield _middle(index), self.positive[index]

    def encode(self) -> bytes:
        """Return it as MessagePack: zeros, and each side's indices and counts in turn.

        The greatest index comes first, the others as differences: the upper quantiles, which are queried
        most, then need only the first few.
        """
        return msgspec.msgpack.encode([self.zeros, *map(_deltas, (self.positive, self.negative))])

    @classmethod
    def decode(cls, data: bytes) -> Sketch:
        """Return the sketch that `encode` returned.

        Raises:
            msgspec.DecodeError: The data is invalid.
        """
        zeros, positive, negative = _decoder.decode(data)
        sketch = cls()
        sketch.zeros = zeros
        sketch.positive, sketch.negative = _counts(positive), _counts(negative)
        return sketch


def compute_upper_quantile(parts: Sequence[bytes], counts: Sequence[int], share: float) -> float:
    """Return a quantile of all the values of packed sketches together, as merging them would.

    `counts` says how many values each has.

    Raises:
        ValueError: There are no values.
        msgspec.DecodeError: A sketch is invalid.
    """
    decoded = [_decoder.decode(part) for part in parts]
    # What all have together is not below the least of what each has alone: no more is looked at.
    own = [
        _bucket(up, _above(count, share)) for (_, up, _), count in zip(decoded, counts, strict=True)
    ]
    if None in own:
        return _merge_sketches(parts).quantile(share)
    least = min(index for index in own if index is not None)
    tail: dict[int, int] = {}
    for _, up, _ in decoded:
        _take(up, least, tail)
    above, seen = _above(sum(counts), share), 0
    for index in sorted(tail, reverse=True):
        seen += tail[index]
        if seen > above:
            return _middle(index)
    return _merge_sketches(parts).quantile(share)


def _above(count: int, share: float) -> int:
    """Return how many of so many values lie above the quantile, by the nearest rank."""
    return count - 1 - math.floor(share * (count - 1))


def _merge_sketches(parts: Sequence[bytes]) -> Sketch:
    whole = Sketch()
    for part in parts:
        whole.merge(Sketch.decode(part))
    return whole


_decoder = msgspec.msgpack.Decoder(tuple[int, list[int], list[int]])


def _bucket(flat: list[int], above: int) -> int | None:
    """Return the index of the bucket below so many values of a packed side; None where it has fewer."""
    index = seen = 0
    for position in range(0, len(flat), 2):
        index = flat[position] if position == 0 else index - flat[position]
        seen += flat[position + 1]
        if seen > above:
            return index
    return None


def _take(flat: list[int], least: float, into: dict[int, int]) -> None:
    """Add the buckets of a packed side, down to the index `least`."""
    index = 0
    for position in range(0, len(flat), 2):
        index = flat[position] if position == 0 else index - flat[position]
        if index < least:
            return
        into[index] = into.get(index, 0) + flat[position + 1]


def _middle(index: int) -> float:
    """Return the value that is nearest to all of a bucket, by its relative error."""
    return 2 * _GAMMA**index / (1 + _GAMMA)


def _deltas(counts: Counter[int]) -> list[int]:
    flat: list[int] = []
    before = None
    for index in sorted(counts, reverse=True):
        flat += (index if before is None else before - index, counts[index])
        before = index
    return flat


def _counts(flat: list[int]) -> Counter[int]:
    counts: Counter[int] = Counter()
    _take(flat, -math.inf, counts)
    return counts
