"""Sends what waits to the server, in a thread, again and again until it has been taken."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Iterable
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

from pytest_flowhealth.history.remote.queue import Queue
from pytest_flowhealth.history.remote.write import HEADERS, requests, require
from pytest_flowhealth.verdict.exposition import Sample

WRITE = "/api/v1/write"
"""Where Prometheus and VictoriaMetrics take remote writes, below their address."""

LONGEST = 30.0
"""Seconds between two attempts at the most."""

_TIMEOUT = 10.0


class Shipper:
    """The way to one server.

    Args:
        url: Its address; with a path that ends with `/write` or `/push`, that one is written to.
        folder: Where requests wait while it can't be reached.
        token: For `Authorization: Bearer`.

    Raises:
        UsageError: What remote write needs is not installed.
    """

    def __init__(self, url: str, folder: Path, token: str | None = None) -> None:
        require()
        self.problem: str | None = None
        self._url = write_address(url)
        self._token = token
        self._queue = Queue(folder)
        self._lock = threading.Lock()
        self._news = threading.Condition(self._lock)
        self._end = False
        self._thread = threading.Thread(target=self._ship, daemon=True, name="remote write")
        self._thread.start()

    def put(self, samples: Iterable[Sample]) -> None:
        """Let samples be sent."""
        bodies = [*requests(samples)]
        with self._news:
            for body in bodies:
                self._queue.put(body)
            if self._queue.dropped:
                self.problem = f"{self._queue.dropped} requests had to be dropped for want of room"
            self._news.notify()

    @property
    def waiting(self) -> int:
        """How many requests wait."""
        with self._lock:
            return len(self._queue)

    def close(self, seconds: float) -> bool:
        """Send what waits, for so many seconds at the most; return whether nothing is left."""
        end = time.monotonic() + seconds
        while self.waiting and time.monotonic() < end:
            time.sleep(0.01)
        with self._news:
            self._end = True
            self._news.notify()
        return not self.waiting

    def _ship(self) -> None:
        failures = 0
        while True:
            with self._news:
                body = self._queue.first()
                while not self._end and body is None:
                    self._news.wait()
                    body = self._queue.first()
                if self._end or body is None:
                    return
            wait = self._sent(body)
            if wait is None:
                failures = 0
                continue
            failures += 1
            pause = max(wait, min(LONGEST, 0.5 * 2.0 ** min(failures, 8)))
            with self._news:
                if not self._end:
                    self._news.wait_for(
                        lambda: self._end,
                        pause * random.uniform(0.7, 1.0),  # noqa: S311
                    )

    def _sent(self, body: bytes) -> float | None:
        """Send a request; return None where it is done with, else seconds that the server asks for."""
        import requests as http

        headers = HEADERS | ({"Authorization": f"Bearer {self._token}"} if self._token else {})
        try:
            with http.post(
                self._url,
                data=body,
                headers=headers,
                timeout=_TIMEOUT,
                allow_redirects=False,
                stream=True,
            ) as answer:
                code, asked = answer.status_code, answer.headers.get("Retry-After", "")
        except http.RequestException as error:
            return self._failed(_why(error), 0.0)
        if code == 429 or code >= 500:
            return self._failed(
                f"it answered with HTTP {code}", float(asked) if asked.isdigit() else 0
            )
        with self._lock:
            self._queue.done()
            # The specification: what is refused must not be tried again.
            refused = f"it refused samples with HTTP {code}: they are lost"
            self.problem = None if 200 <= code < 300 else refused
        return None

    def _failed(self, why: str, asked: float) -> float:
        self.problem = (
            f"the server of the history can't be written to: {why}; {len(self._queue)} wait"
        )
        return min(asked, 300.0)


def write_address(url: str) -> str:
    """Return where remote writes go, of a server's address."""
    parts = urlsplit(url)
    path = parts.path.rstrip("/")
    if not path.endswith(("/write", "/push")):
        path += WRITE
    return urlunsplit((parts.scheme, parts.netloc, path, parts.query, ""))


def _why(error: Exception) -> str:
    """Return why there is no answer, without the address: it may hold a password."""
    text = str(error)
    if "Connection refused" in text:
        return "connection refused"
    return "no answer in time" if "timed out" in text.lower() else "the connection broke"
