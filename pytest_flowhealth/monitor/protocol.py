"""The protocol between a round and the monitor: JSON frames over a pipe, each after its length."""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator
from functools import cache

import msgspec

from pytest_flowhealth.config.model import Configuration, Limits
from pytest_flowhealth.domain.checks import CheckResult
from pytest_flowhealth.domain.report import Report
from pytest_flowhealth.history.run_record import RunRecord

VARIABLE = "FLOWHEALTH_ROUND"
"""The environment variable with a `RoundRequest`, as JSON."""

MARK = "FLOWHEALTH_MONITORED"
"""The environment variable by which a round's programs are known."""

_LENGTH = struct.Struct("!I")


class ConfigSnapshot(msgspec.Struct, frozen=True):
    """A configuration that was read; the fields are those of `config.target.Target`."""

    config: Configuration
    sources: dict[str, str]
    environment_thresholds: dict[str, Limits]


class RoundRequest(msgspec.Struct, frozen=True):
    """What the monitor asks a round for.

    Attributes:
        pipe: The number of the file that frames are written to.
        also: Components besides those that a run without names looks at.
        settled: The configuration that the monitor goes by; its file may have been changed since.
        history: The monitor's own file.
    """

    pipe: int
    also: tuple[str, ...] = ()
    settled: ConfigSnapshot | None = None
    history: str | None = None


@cache
def read_round_request() -> RoundRequest | None:
    """Return the request of this round; None if this process is not a round. It is removed from the environment."""
    text = os.environ.pop(VARIABLE, None)
    return msgspec.json.decode(text, type=RoundRequest) if text else None


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
