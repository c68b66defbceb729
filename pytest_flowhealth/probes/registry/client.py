"""Asks a registry: patient where it asks for patience, and never with old words.

Every answer is asked for anew. One that is kept on disk is used only where the server says now,
by its ETag, that it still holds (RFC 9110, 304 Not Modified).
"""

from __future__ import annotations

import email.utils
import hashlib
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import NamedTuple, TypeVar

import msgspec

from pytest_flowhealth.domain.text import format_number, one_line
from pytest_flowhealth.errors import MeasurementUnavailable
from pytest_flowhealth.probes.registry.store import Kept, Store
from pytest_flowhealth.probes.registry.transport import Again, Answer, Request, Server, exchange

Decoded = TypeVar("Decoded")

SECONDS = 20.0
"""What one answer may take, all attempts and pauses together."""

MOST_BYTES = 64 * 2**20
"""What one answer may have, unpacked: the largest packages' documents have some 30 MB."""

ATTEMPTS = 4
"""How often is asked at the most."""

_FIRST_PAUSE = 0.5
_AGAIN = (429, 500, 502, 503, 504)


class NotThere(MeasurementUnavailable):
    """The server says that it does not know what was asked for (404)."""


class Reply(msgspec.Struct, frozen=True):
    """How an answer came: what a check tells of it.

    Attributes:
        source: Who gave it, without credentials.
        fetched: When its content came from there, RFC 3339, UTC.
        age: How long ago that was, in seconds; more than 0 only where `confirmed`.
        confirmed: Whether the server said just now that the kept content still holds.
        attempts: How often it was asked for.
    """

    source: str
    fetched: str
    age: int = 0
    confirmed: bool = False
    attempts: int = 1


class Time(NamedTuple):
    """The clocks, for tests: a running one, the date in seconds since 1970, and waiting."""

    running: Callable[[], float] = time.monotonic
    date: Callable[[], float] = time.time
    sleep: Callable[[float], object] = time.sleep


Exchange = Callable[[Server, Request, float, int], Answer]
"""Sends one request, within some seconds, for at most so many bytes; `transport.exchange`."""


class Client:
    """Asks one server.

    Args:
        server: Who.
        store: Where answers are kept.
        seconds: What one answer may take, all attempts and pauses together.
        most: What one answer may have, in bytes.
        at: The clocks.
        exchange: Sends one request and returns its answer.
    """

    def __init__(
        self,
        server: Server,
        store: Store,
        *,
        seconds: float = SECONDS,
        most: int = MOST_BYTES,
        at: Time | None = None,
        exchange: Exchange = exchange,
    ) -> None:
        self.server = server
        self._store = store
        self._seconds = seconds
        self._most = most
        self._at = at or Time()
        self._exchange = exchange

    def get(self, path: str, kind: type[Decoded]) -> tuple[Decoded, Reply]:
        """Return the JSON at `path`, below the server's address, and how it came.

        Raises:
            NotThere: The server does not know it.
            MeasurementUnavailable: Anything else kept it from being known; the cause is in the message.
        """
        name = self._name(path)
        kept = self._store.load(name)
        answer, attempts = self._persist(Request(path, etag=kept.etag if kept else None), kept)
        if answer.status == 304 and kept is not None:
            age = max(0, round(self._at.date() - kept.fetched))
            reply = Reply(self.server.named, _date(kept.fetched), age, True, attempts)
            return self._decoded(kept.body, kind, answer), reply
        decoded = self._decoded(answer.body, kind, answer)
        now = self._at.date()
        etag = answer.headers.get("etag")
        if etag:
            self._store.save(name, Kept(self.server.address, etag, now, answer.body))
        return decoded, Reply(self.server.named, _date(now), attempts=attempts)

    def post(self, path: str, body: object, kind: type[Decoded]) -> tuple[Decoded, Reply]:
        """Return what is answered to the JSON `body`; as `get`, and nothing is kept."""
        answer, attempts = self._persist(Request(path, msgspec.json.encode(body)), None)
        decoded = self._decoded(answer.body, kind, answer)
        return decoded, Reply(self.server.named, _date(self._at.date()), attempts=attempts)

    def _persist(self, request: Request, kept: Kept | None) -> tuple[Answer, int]:
        """Ask, again where that may help, and return the answer and the number of attempts."""
        until = self._at.running() + self._seconds
        attempt = 1
        while True:
            try:
                return self._ask(request, until, kept), attempt
            except Again as again:
                pause = again.pause
                if pause is None:
                    pause = _FIRST_PAUSE * 2 ** (attempt - 1)
                if attempt == ATTEMPTS or self._at.running() + pause >= until:
                    raise self._given_up(again, attempt, kept) from None
            self._at.sleep(pause)
            attempt += 1

    def _ask(self, request: Request, until: float, kept: Kept | None) -> Answer:
        """Ask once, and return an answer that is one."""
        rest = max(0.1, until - self._at.running())
        answer = self._exchange(self.server, request, rest, self._most)
        status = answer.status
        if status == 200 or (status == 304 and kept is not None):
            return answer
        said = f"answered with status {status}"
        if status in _AGAIN:
            raise Again(said, _retry_after(answer.headers.get("retry-after"), self._at.date()))
        if status == 404:
            raise NotThere(f"{self.server.named} {said}")
        if status in (401, 403):
            raise MeasurementUnavailable(
                f"{self.server.named} {said}: it does not let us in",
                remedy=f"npm login --registry={self.server.address}",
            )
        raise MeasurementUnavailable(f"{self.server.named} {said}{self._aged(kept)}")

    def _given_up(self, again: Again, attempts: int, kept: Kept | None) -> MeasurementUnavailable:
        said = f"{self.server.named} {again.said}"
        if again.pause is not None:
            said += f", and asks to wait {format_number(again.pause)} s"
        if attempts > 1:
            said += f" ({attempts} attempts)"
        return MeasurementUnavailable(said + self._aged(kept))

    def _aged(self, kept: Kept | None) -> str:
        """Tell that there is an older answer, which is not used."""
        if kept is None:
            return ""
        hours = round((self._at.date() - kept.fetched) / 3_600, 1)
        return f"; its last answer, {format_number(hours)} h old, is not passed off as new"

    def _decoded(self, body: bytes, kind: type[Decoded], answer: Answer) -> Decoded:
        try:
            return msgspec.json.decode(body, type=kind)
        except msgspec.ValidationError as error:
            problem = f"not as documented: {str(error).replace('`', chr(39))}"
        except (msgspec.DecodeError, ValueError, RecursionError):
            told = one_line(str(answer.headers.get("content-type") or "no type"), 60)
            problem = f"with no JSON that can be read ({len(body):,} bytes of {told})"
        raise MeasurementUnavailable(f"{self.server.named} answers {one_line(problem, 300)}")

    def _name(self, path: str) -> str:
        """Return the name under which the answer is kept; another credential, another answer."""
        who = hashlib.sha256(self.server.credential.header.encode()).hexdigest()
        return f"{self.server.address} {path} {who}"


def _retry_after(value: str | None, now: float) -> float | None:
    """Return the seconds that `Retry-After` names, as a number or a date (RFC 9110, 10.2.3)."""
    text = (value or "").strip()
    if text.isascii() and text.isdecimal():
        return float(text)
    try:
        return max(0.0, email.utils.parsedate_to_datetime(text).timestamp() - now)
    except (ValueError, OverflowError):
        return None


def _date(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds")
