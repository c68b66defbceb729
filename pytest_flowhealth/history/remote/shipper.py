"""Sends what waits to the server, in a thread, again and again until it has been taken."""

from __future__ import annotations

import datetime
import email.utils
import random
import threading
import time
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit, urlunsplit

from pytest_flowhealth.domain.metric_names import Sample
from pytest_flowhealth.history.remote.queue import Limits, Queue, Waiting
from pytest_flowhealth.history.remote.write import HEADERS, requests, require

if TYPE_CHECKING:
    from requests import PreparedRequest, Session

WRITE = "/api/v1/write"
"""Where Prometheus and VictoriaMetrics take remote writes, below their address."""

LONGEST = 30.0
"""Seconds between two attempts at the most, unless the server asks for more."""

LONGEST_ASKED = 300.0
"""Seconds that a server may ask for at the most."""

TIMEOUT = 10.0
"""Seconds for the connection, and for each part of an answer."""

_TURN = 0.5
_TOLD = 3_600.0


class Shipper:
    """The way to one server.

    Args:
        url: Its address; with a path that ends with `/write` or `/push`, that one is written to.
        folder: Where requests wait while it can't be reached.
        token: For `Authorization: Bearer`.
        limits: How much may wait.

    Raises:
        UsageError: What remote write needs is not installed.
    """

    def __init__(
        self,
        url: str,
        folder: Path,
        token: str | None = None,
        limits: Limits = Limits(),  # noqa: B008  # frozen
    ) -> None:
        require()
        self._url = write_address(url)
        self._token = token
        self._queue = Queue(folder, limits)
        self._trouble: str | None = None
        self._refused: tuple[float, str] | None = None
        self._lost = (float("-inf"), 0)
        self._lock = threading.Lock()
        self._news = threading.Condition(self._lock)
        self._end = False
        self._session: Session | None = None
        self._thread = threading.Thread(target=self._ship, daemon=True, name="remote write")
        self._thread.start()

    def put(self, samples: Iterable[Sample]) -> None:
        """Let samples be sent."""
        bodies = [*requests(samples)]
        with self._news:
            for body in bodies:
                self._queue.put(body)
            self._news.notify_all()

    @property
    def waiting(self) -> int:
        """How many requests wait."""
        with self._lock:
            return len(self._queue)

    @property
    def problem(self) -> str | None:
        """What is wrong now; what is lost is told for an hour."""
        with self._lock:
            now, lost = time.monotonic(), self._queue.lost
            if lost.count != self._lost[1]:
                self._lost = (now, lost.count)
            problems = [self._trouble and f"{self._trouble}; {len(self._queue)} requests wait"]
            if self._refused is not None and now - self._refused[0] < _TOLD:
                problems.append(self._refused[1])
            if now - self._lost[0] < _TOLD:
                problems.append(str(lost))
        return "; ".join(problem for problem in problems if problem) or None

    def close(self, seconds: float) -> bool:
        """Send what waits, for so many seconds at the most; return whether nothing is left."""
        end = time.monotonic() + seconds
        while self.waiting and time.monotonic() < end:
            time.sleep(0.01)
        with self._news:
            self._end = True
            self._news.notify_all()
            left = len(self._queue)
        self._thread.join(min(1.0, max(0.2, end - time.monotonic())))
        return not left

    def _ship(self) -> None:
        failures = 0
        while True:
            request = self._next()
            if request is None:
                break
            try:
                asked = self._sent(request)
            except Exception as error:  # noqa: BLE001  # this thread must not end before its time
                asked = self._failed(f"it can't be sent ({type(error).__name__})", 0.0)
            failures = 0 if asked is None else failures + 1
            if asked is not None:
                pause = max(asked, min(LONGEST, 0.5 * 2.0 ** min(failures, 8)))
                with self._news:
                    self._news.wait_for(
                        lambda: self._end,
                        max(asked, pause * random.uniform(0.7, 1.0)),  # noqa: S311
                    )
        if self._session is not None:
            self._session.close()
        with self._lock:
            self._queue.release()

    def _next(self) -> Waiting | None:
        """Return what is to be sent next, once there is something; None at the end."""
        with self._news:
            while not self._end:
                ours = self._queue.claim()
                request = self._queue.first() if ours else None
                if request is not None:
                    return request
                if not ours:
                    self._queue.refresh()  # what another process has sent is gone
                # Another process may leave something behind, or the right to send.
                self._news.wait(LONGEST if ours else _TURN)
        return None

    def _sent(self, request: Waiting) -> float | None:
        """Send a request; return None where it is done with, else seconds that the server asks for."""
        import requests as http

        try:
            if self._session is None:
                self._session = http.Session()
            with self._session.post(
                self._url,
                data=request.body,
                headers=HEADERS,
                auth=self._authorized if self._token else None,
                timeout=TIMEOUT,
                allow_redirects=False,
                stream=True,
            ) as answer:  # its body is not read: it can't hold us
                code, asked = answer.status_code, answer.headers.get("Retry-After")
                if code == http.codes.no_content:
                    _ = answer.content  # nothing is there, and the connection is kept
        except http.RequestException as error:
            return self._failed(_why(error), 0.0)
        if code == 429 or code >= 500:
            return self._failed(f"it answered with HTTP {code}", retry_after(asked))
        with self._lock:
            self._queue.done(request.at)
            self._trouble = None
            # The specification: what is refused must not be tried again.
            if not 200 <= code < 300:
                reason = (
                    f"the server of the history refused samples with HTTP {code}: they are lost"
                )
                self._refused = (time.monotonic(), reason + _meaning(code))
        return None

    def _authorized(self, request: PreparedRequest) -> PreparedRequest:
        """Add the token; as an `auth` of its own, or a .netrc would take its place."""
        request.headers["Authorization"] = f"Bearer {self._token}"
        return request

    def _failed(self, why: str, asked: float) -> float:
        with self._lock:
            self._trouble = f"the server of the history can't be written to: {why}"
        return min(asked, LONGEST_ASKED)


def write_address(url: str) -> str:
    """Return where remote writes go, of a server's address."""
    parts = urlsplit(url)
    path = parts.path.rstrip("/")
    if not path.endswith(("/write", "/push")):
        path += WRITE
    return urlunsplit((parts.scheme, parts.netloc, path, parts.query, ""))


def retry_after(text: str | None, now: datetime.datetime | None = None) -> float:
    """Return the seconds that a Retry-After header asks for (RFC 9110, 10.2.3); 0 for none."""
    if text is None:
        return 0.0
    if text.isascii() and text.strip().isdigit():
        return float(text[:12])
    try:
        at = email.utils.parsedate_to_datetime(text)
        since = at - (now or datetime.datetime.now(datetime.UTC))
    except (TypeError, ValueError):
        return 0.0
    return max(0.0, since.total_seconds())


def _meaning(code: int) -> str:
    if code in (401, 403):
        return "; see history.token_env"
    if 300 <= code < 400 or code in (404, 405):
        return "; see history.url: remote write is not taken there"
    return ""


def _why(error: Exception) -> str:
    """Return why there is no answer, without the address: it may hold a password."""
    text = str(error)
    if "Connection refused" in text:
        return "connection refused"
    return "no answer in time" if "timed out" in text.lower() else "the connection broke"
