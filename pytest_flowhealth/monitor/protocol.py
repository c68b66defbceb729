"""The protocol between a round and the monitor: JSON frames over a pipe, each after its length."""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator

import msgspec

from pytest_flowhealth.domain.checks import CheckResult
from pytest_flowhealth.domain.report import Report
from pytest_flowhealth.history.run_record import RunRecord

_LENGTH = struct.Struct("!I")


class CollectionFinished(msgspec.Struct, frozen=True, tag="planned"):
    """The collected checks: the component of each, by check id."""

    checks: dict[str, str]


class ComponentFinished(msgspec.Struct, frozen=True, tag="partly"):
    """All checks of a component have ended, or can't be run any more.

    `blocked` are the checks that a failed one will keep from running, also of other components.
    """

    component: str
    checks: tuple[CheckResult, ...]
    blocked: dict[str, tuple[str, ...]]


class RoundFinished(msgspec.Struct, frozen=True, tag="ended"):
    """The last frame of a round.

    Attributes:
        health: The report.
        document: The report's whole document, as compressed JSON.
        problems: What was wrong with the run itself.
        exit_code: The verdict's.
        entry: What the history keeps, without `document`; None where there was no verdict.
    """

    health: Report
    document: bytes
    problems: tuple[str, ...]
    exit_code: int
    entry: RunRecord | None = None


Frame = CollectionFinished | ComponentFinished | RoundFinished

_decoder = msgspec.json.Decoder(Frame)


def write_frame(pipe: int, frame: Frame) -> None:
    """Write a frame, whole.

    Raises:
        OSError: Nobody reads.
    """
    content = msgspec.json.encode(frame)
    left = memoryview(_LENGTH.pack(len(content)) + content)
    while left:
        left = left[os.write(pipe, left) :]


class FrameDecoder:
    """Decode frames from chunks of bytes."""

    def __init__(self) -> None:
        self._bytes = bytearray()

    def feed(self, chunk: bytes) -> Iterator[Frame]:
        """Yield the frames that this chunk completes.

        Raises:
            ValueError: It is no frame.
        """
        self._bytes += chunk
        while len(self._bytes) >= _LENGTH.size:
            (length,) = _LENGTH.unpack_from(self._bytes)
            if len(self._bytes) < _LENGTH.size + length:
                return
            content = bytes(self._bytes[_LENGTH.size : _LENGTH.size + length])
            del self._bytes[: _LENGTH.size + length]
            try:
                yield _decoder.decode(content)
            except msgspec.DecodeError as error:
                raise ValueError(f"a round said what can't be understood: {error}") from None
