"""Send queued remote write requests to a server in a thread, with retries."""

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
from pytest_flowhealth.history.remote.request_queue import PendingRequest, QueueLimits, RequestQueue
from pytest_flowhealth.history.remote.write_request import (
    HEADERS,
    encode_requests,
    require_remote_write,
)

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
_SHOWN_FOR = 3_600.0


class RemoteWriteClient:
    """A remote write client of one server.

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
        limits: QueueLimits = QueueLimits(),  # noqa: B008  # frozen
    ) -> None:
        require_remote_write()
        self._url = make_write_url(url)
        self._token = token
        self._queue = RequestQueue(folder, limits)
        self._failure: str | None = None
        self._refused: tuple[float, str] | None = None
        self._lost = (float("-inf"), 0)
        self._lock = threading.Lock()
        self._changed = threading.Condition(self._lock)
        self._end = False
        self._session: Session | None = None
        self._thread = threading.Thread(target=self._send_all, daemon=True, name="remote write")
        self._thread.start()

    def put(self, samples: Iterable[Sample]) -> None:
        """Queue samples to be sent."""
        bodies = [*encode_requests(samples)]
        with self._changed:
            for body in bodies:
                self._queue.put(body)
            self._changed.notify_all()

    @property
    def waiting(self) -> int:
        """How many requests wait."""
        with self._lock:
            return len(self._queue)

    @property
    def problem(self) -> str | None:
        """What is wrong now; lost requests are reported for an hour."""
        with self._lock:
            now, lost = time.monotonic(), self._queue.lost
            if lost.count != self._lost[1]:
                self._lost = (now, lost.count)
            problems = [self._failure and f"{self._failure}; {len(self._queue)} requests wait"]
            if self._refused is not None and now - self._refused[0] < _SHOWN_FOR:
                problems.append(self._refused[1])
            if now - self._lost[0] < _SHOWN_FOR:
                problems.append(str(lost))
        return "; ".join(problem for problem in problems if problem) or None

    def close(self, seconds: float) -> bool:
        """Send what waits, for so many seconds at the most; return whether nothing is left."""
        end = time.monotonic() + seconds
        while self.waiting and time.monotonic() < end:
            time.sleep(0.01)
        with self._changed:
            self._end = True
            self._changed.notify_all()
            left = len(self._queue)
        self._thread.join(min(1.0, max(0.2, end - time.monotonic())))
        return not left

    def _send_all(self) -> None:
        failures = 0
        while True:
            request = self._next()
            if request is None:
                break
            try:
                asked = self._send(request)
            except Exception as error:  # noqa: BLE001  # this thread must not end before its time
                asked = self._record_failure(f"it can't be sent ({type(error).__name__})", 0.0)
            failures = 0 if asked is None else failures + 1
            if asked is not None:
                pause = max(asked, min(LONGEST, 0.5 * 2.0 ** min(failures, 8)))
                with self._changed:
                    self._changed.wait_for(
                        lambda: self._end,
                        max(asked, pause * random.uniform(0.7, 1.0)),  # noqa: S311
                    )
        if self._session is not None:
            self._session.close()
        with self._lock:
            self._queue.release()

    def _next(self) -> PendingRequest | None:
        """Return what is to be sent next, once there is something; None at the end."""
        with self._changed:
            while not self._end:
                ours = self._queue.claim()
                request = self._queue.first() if ours else None
                if request is not None:
                    return request
                if not ours:
                    self._queue.refresh()  # what another process has sent is gone
                # Another process may leave something behind, or the right to send.
                self._changed.wait(LONGEST if ours else _TURN)
        return None

    def _send(self, request: PendingRequest) -> float | None:
        """Send a request; return None where it is done with, else seconds that the server asks for."""
        import requests as http

        try:
            if self._session is None:
                self._session = http.Session()
            with self._session.post(
                self._url,
                data=request.body,
                headers=HEADERS,
                auth=self._authorize if self._token else None,
                timeout=TIMEOUT,
                allow_redirects=False,
                stream=True,
            ) as answer:  # its body is not read: it can't hold us
                code, asked = answer.status_code, answer.headers.get("Retry-After")
                if code == http.codes.no_content:
                    _ = answer.content  # nothing is there, and the connection is kept
        except http.RequestException as error:
            return self._record_failure(_explain_failure(error), 0.0)
        if code == 429 or code >= 500:
            return self._record_failure(f"it answered with HTTP {code}", parse_retry_after(asked))
        with self._lock:
            self._queue.done(request.at)
            self._failure = None
            # The specification: what is refused must not be tried again.
            if not 200 <= code < 300:
                reason = (
                    f"the server of the history refused samples with HTTP {code}: they are lost"
                )
                self._refused = (time.monotonic(), reason + _explain_status(code))
        return None

    def _authorize(self, request: PreparedRequest) -> PreparedRequest:
        """Add the token; as an `auth` of its own, or a .netrc would take its place."""
        request.headers["Authorization"] = f"Bearer {self._token}"
        return request

    def _record_failure(self, why: str, asked: float) -> float:
        with self._lock:
            self._failure = f"the server of the history can't be written to: {why}"
        return min(asked, LONGEST_ASKED)


def make_write_url(url: str) -> str:
    """Return where remote writes go, of a server's address."""
    parts = urlsplit(url)
    path = parts.path.rstrip("/")
    if not path.endswith(("/write", "/push")):
        path += WRITE
    return urlunsplit((parts.scheme, parts.netloc, path, parts.query, ""))


def parse_retry_after(text: str | None, now: datetime.datetime | None = None) -> float:
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


def _explain_status(code: int) -> str:
    if code in (401, 403):
        return "; see history.token_env"
    if 300 <= code < 400 or code in (404, 405):
        return "; see history.url: remote write is not taken there"
    return ""


def _explain_failure(error: Exception) -> str:
    """Return why there is no answer, without the address: it may hold a password."""
    text = str(error)
    if "Connection refused" in text:
        return "connection refused"
    return "no answer in time" if "timed out" in text.lower() else "the connection broke"
