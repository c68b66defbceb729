"""Updates as server-sent events (html.spec.whatwg.org/multipage/server-sent-events.html)."""

from __future__ import annotations

import re
import time

from pytest_flowhealth.domain.text import one_line
from pytest_flowhealth.errors import CheckFailed
from pytest_flowhealth.probes.dashboard.address import SiteAddress
from pytest_flowhealth.probes.dashboard.http_client import HttpError, HttpResponse
from pytest_flowhealth.probes.dashboard.navigation import HOPS, failure, follow
from pytest_flowhealth.probes.dashboard.page import SERVER_LOG, explain_status
from pytest_flowhealth.probes.dashboard.site import Site
from pytest_flowhealth.probes.dashboard.watch import GREETING, Updates, listening_seconds

LARGEST_LINE = 16 * 2**20
"""Bytes of a line; a longer one is no event."""

_LINE_END = re.compile(rb"\r\n|\n|\r(?!\Z)")


class _Stream:
    """The events of a stream as its pieces come in.

    Attributes:
        times: When updates came, in s since the first piece.
        greetings: How many came at once. `received`: bytes of all pieces, decompressed.
        errors: The data of events that are called error.
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
        self._event = ""
        self.errors: list[str] = []

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
        # A carriage return may be the first half of a line's end.
        *lines, self._pending = _LINE_END.split(self._pending + chunk)
        if len(self._pending) > LARGEST_LINE:
            self._pending = b""
        events = []
        for line in lines:
            field, _, value = line.decode("utf-8", "replace").partition(":")
            if field == "data":
                self._data.append(value.removeprefix(" "))
            elif field == "event":
                self._event = value.strip()
            elif not line:
                # An event without data is none, whatever its name is.
                if self._data and self._event.lower() != "error":
                    events.append("\n".join(self._data))
                elif self._data:
                    self.errors.append(one_line(" ".join(self._data), 120))
                self._data, self._event = [], ""
        return events


def watch_events(site: Site) -> Updates:
    """Listen to the configured server-sent events.

    Raises:
        CheckFailed: They can't be requested, are no `text/event-stream`, are errors, or end.
    """
    address = site.events or site.page
    window = listening_seconds(site)
    stream = _Stream(site.settings.update, GREETING * site.interval)
    address, response = _listen(site, address, stream, window)
    if response.status != 200:
        raise explain_status(site, address, response)
    kind = one_line(response.header("content-type") or "none", 60)
    if not kind.startswith("text/event-stream"):
        raise CheckFailed(
            f"{address.shown} responds with the content type {kind}, not text/event-stream",
            remedy="correct dashboard.events in flowhealth.toml",
        )
    if stream.errors and not stream.times:
        raise CheckFailed(f"{address.shown} sends errors: {stream.errors[0]}", diagnosis=SERVER_LOG)
    if response.timing.total < 1_000 * window:
        raise CheckFailed(f"{address.shown} ends its stream of events", diagnosis=SERVER_LOG)
    return Updates(tuple(stream.times), stream.greetings, stream.received, window)


def _listen(
    site: Site, address: SiteAddress, stream: _Stream, window: float
) -> tuple[SiteAddress, HttpResponse]:
    """Return the response to listening, behind redirects, and its address."""
    with site.client() as client:
        for _ in range(HOPS):
            headers = {**site.access.headers(address), "Accept": "text/event-stream"}
            try:
                response = client.listen(address.url, headers, stream.take, window)
            except HttpError as error:
                problem = failure(address, error)
                raise problem from None
            location = response.header("location")
            if not 300 <= response.status < 400 or location is None:
                return address, response
            address = follow(address, location, site.origins)
    raise CheckFailed(f"{address.shown} redirects more than {HOPS} times")
