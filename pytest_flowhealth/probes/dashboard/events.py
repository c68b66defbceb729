"""Updates as server-sent events (html.spec.whatwg.org/multipage/server-sent-events.html)."""

from __future__ import annotations

import time

from pytest_flowhealth.domain.text import one_line
from pytest_flowhealth.errors import CheckFailed
from pytest_flowhealth.probes.dashboard.http_client import HttpError
from pytest_flowhealth.probes.dashboard.navigation import failure
from pytest_flowhealth.probes.dashboard.site import Site
from pytest_flowhealth.probes.dashboard.watch import GREETING, Updates, listening_seconds


class _Stream:
    """The events of a stream as its pieces come in.

    Attributes:
        times: When updates came, in s since the first piece.
        greetings: How many came at once. `received`: bytes of all pieces.
    """

    def __init__(self, wanted: str | None, greeting: float) -> None:
        self.times: list[float] = []
        self.greetings = 0
        self.received = 0
        self._wanted = wanted
        self._greeting = greeting
        self._began = 0.0
        self._pending = b""
        self._data: list[str] = []

    def take(self, chunk: bytes) -> None:
        """Note the events that end in a piece of the body."""
        now = time.monotonic()
        self._began = self._began or now
        self.received += len(chunk)
        for data in self._read(chunk):
            if self._wanted is not None and self._wanted not in data:
                continue
            if now - self._began < self._greeting:
                self.greetings += 1
            else:
                self.times.append(now - self._began)

    def _read(self, chunk: bytes) -> list[str]:
        *lines, self._pending = (self._pending + chunk).replace(b"\r\n", b"\n").split(b"\n")
        events = []
        for line in lines:
            field, _, value = line.decode("utf-8", "replace").partition(":")
            if field in ("data", "event"):
                self._data.append(value.removeprefix(" "))
            elif not line and self._data:
                events.append("\n".join(self._data))
                self._data = []
        return events


def watch_events(site: Site) -> Updates:
    """Listen to the configured server-sent events.

    Raises:
        CheckFailed: They can't be requested, are no `text/event-stream`, or end.
    """
    address = site.events or site.page
    window = listening_seconds(site)
    stream = _Stream(site.settings.update, GREETING * site.interval)
    headers = {**site.access.headers(address), "Accept": "text/event-stream"}
    with site.client() as client:
        try:
            response = client.listen(address.url, headers, stream.take, window)
        except HttpError as error:
            problem = failure(address, error)
            raise problem from None
    kind = one_line(response.header("content-type") or "none", 60)
    if response.status >= 300:
        raise CheckFailed(f"{address.shown} responds with status {response.status}")
    if not kind.startswith("text/event-stream"):
        raise CheckFailed(
            f"{address.shown} responds with the content type {kind}, not text/event-stream",
            remedy="correct dashboard.events in flowhealth.toml",
        )
    if response.timing.total < 1_000 * window:
        raise CheckFailed(f"{address.shown} ends its stream of events")
    return Updates(tuple(stream.times), stream.greetings, stream.received, window)
