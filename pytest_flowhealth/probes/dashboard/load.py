"""Response times of the page on a schedule, over fresh and kept connections, within rate limits."""

from __future__ import annotations

import hashlib
import threading
import time
from collections import Counter
from collections.abc import Sequence
from statistics import median

import msgspec

from pytest_flowhealth.errors import MeasurementUnavailable
from pytest_flowhealth.probes.dashboard.address import SiteAddress
from pytest_flowhealth.probes.dashboard.content import read_content
from pytest_flowhealth.probes.dashboard.error_pages import find_problem
from pytest_flowhealth.probes.dashboard.http_client import HttpClient, HttpError, HttpResponse
from pytest_flowhealth.probes.dashboard.navigation import failure
from pytest_flowhealth.probes.dashboard.open_loop import Job, OpenLoop
from pytest_flowhealth.probes.dashboard.page import open_page
from pytest_flowhealth.probes.dashboard.rate_limit import explain_rate_limit, read_rate_limit
from pytest_flowhealth.probes.dashboard.site import Site

QUICKEST = 0.04
"""Seconds between two requests, where the server is quick."""

SLOWEST = 0.5
"""Seconds between two requests at the most: 20 of each kind are 20 s."""

BUDGET = 8.0
"""Seconds that the schedule may take, unless `LEAST` requests of each kind need longer."""

LEAST = 20
"""Requests of each kind that a p95 needs."""

SHARE = 0.5
"""The share of the requests left by a rate limit that is used: the rest is the users'."""

PATIENCE = 10.0
"""Seconds that are waited for a rate limit to accept requests again."""

_UNKNOWN_PAUSE = 2.0
_REFUSING = (429, 503)
_BODIES = 16
_TRIES = 3
_SPARE = 2
_EXEMPT = "exempt this machine from the server's rate limit, or raise it"


class RequestSample(msgspec.Struct, frozen=True):
    """One request: times in ms, `due` in s of the monotonic clock.

    `whole` counts from when it was due to its last byte, `first_byte` from when it was sent. The
    steps of opening the connection are None on a kept one.
    """

    due: float
    whole: float
    first_byte: float
    received: int
    dns: float | None = None
    connect: float | None = None
    tls: float | None = None


class ResponseTimes(msgspec.Struct, frozen=True):
    """What was measured.

    Attributes:
        interval: Seconds between two requests.
        fresh, kept: The requests over fresh and over kept connections; `kept` is empty where the
            server keeps none.
        failures: What went wrong and how often.
        limited: Why a rate limit left fewer or slower requests than planned, None if it did not.
        refused: Whether the server refused this measurement's own requests (status 429, or 503 to
            quick ones) so that a part of them is missing.
        version: ``HTTP/1.1`` or ``HTTP/2``.
    """

    interval: float
    fresh: tuple[RequestSample, ...]
    kept: tuple[RequestSample, ...]
    failures: dict[str, int]
    limited: str | None
    refused: bool
    version: str


def measure_responses(site: Site) -> ResponseTimes:
    """Open the page, then request it on a schedule, in turn over fresh and kept connections.

    Raises:
        CheckFailed: There is no page.
        MeasurementUnavailable: The server's rate limit leaves too few requests for a p95.
    """
    with site.client() as client:
        page = open_page(site, client)
        try:
            typical, last, keeps = _try(site, client, page.address)
        except HttpError as error:
            problem = failure(page.address, error)
            raise problem from None
    kinds = 2 if keeps else 1
    count, interval = plan_requests(site.settings.requests, typical)
    count, interval, limited = _fit_limit(count, interval, kinds, last)
    load = _Load(site, page.address)
    try:
        load.open_spare(_SPARE if keeps else 1)
        load.run(count, interval if keeps else 2 * interval, keep=keeps)
        if load.refused is not None and load.lacks_samples(kinds) and _is_brief(load.refused):
            limited = load.slow_down()
            interval = SLOWEST
            load.run(LEAST, interval if keeps else 2 * interval, keep=keeps)
    finally:
        load.close()
    load.count_other_pages()
    if load.refused is not None:
        limited = load.explain_refusal()
        if load.lacks_samples(kinds):
            raise MeasurementUnavailable(limited, remedy=_EXEMPT)
    return ResponseTimes(
        interval=interval,
        fresh=tuple(load.fresh),
        kept=tuple(load.kept),
        failures=dict(load.failures),
        limited=limited,
        refused=load.refused is not None or load.was_unavailable,
        version=last.version,
    )


def _is_brief(refused: HttpResponse) -> bool:
    """Tell whether a server that refused a request accepts others soon, as far as it says."""
    return (read_rate_limit(refused).reset or 0.0) <= PATIENCE


def plan_requests(requests: int, typical: float) -> tuple[int, float]:
    """Return how many requests of each kind are sent, and the seconds between two of any kind.

    A server gets the next one when a quarter more than its typical time has passed, so that a queue
    is its own and not one that the schedule makes.

    Args:
        requests: How many of each kind are wanted.
        typical: The seconds that a response takes.
    """
    interval = min(SLOWEST, max(QUICKEST, 1.25 * typical))
    # More than 100 were configured on purpose: they are sent, however long it takes.
    fitting = int(BUDGET / (2 * interval)) if requests <= 100 else requests
    return max(LEAST, min(requests, fitting)), interval


def fit_requests(count: int, kinds: int, remaining: int | None) -> int:
    """Return how many requests of each kind a rate limit has room for, 0 if for fewer than `LEAST`.

    Args:
        count: How many of each kind are planned.
        kinds: How many kinds there are.
        remaining: How many requests the limit leaves, None without a limit.
    """
    if remaining is None:
        return count
    room = int(SHARE * remaining) // kinds
    if room < LEAST <= (remaining - kinds) // kinds:
        room = LEAST
    return min(count, room) if room >= LEAST else 0


def _fit_limit(
    count: int, interval: float, kinds: int, last: HttpResponse
) -> tuple[int, float, str | None]:
    """Return how many requests of each kind a rate limit has room for, their interval, and why."""
    limit = read_rate_limit(last)
    fitting = fit_requests(count, kinds, limit.remaining)
    if fitting == count:
        return count, interval, None
    limited = f"the server's rate limit leaves {limit.remaining} requests{explain_rate_limit(last)}"
    # A limit for a short time is one of the pace, which is the same in the next period.
    pace = limit.reset / (SHARE * limit.remaining) if limit.remaining and limit.reset else SLOWEST
    if pace < SLOWEST:
        return count if pace <= interval else LEAST, max(interval, pace), limited
    if fitting == 0:
        raise MeasurementUnavailable(
            f"{limited}; {kinds * LEAST} are needed to measure its response times", remedy=_EXEMPT
        )
    return fitting, interval, limited


def _try(site: Site, client: HttpClient, address: SiteAddress) -> tuple[float, HttpResponse, bool]:
    """Request the page a few times over one connection.

    Returns:
        The longest time in s, the last response, and whether the server kept the connection.
    """
    times: list[float] = []
    keeps = False
    response = _send(site, client, address)
    times.append(response.timing.total)
    for _ in range(_TRIES - 1):
        response = _send(site, client, address)
        times.append(response.timing.total)
        keeps = response.timing.connect is None
        if not keeps or response.status >= 300:
            break
    # The first response may wait for what the server makes ready once.
    return max(times[1:]) / 1_000, response, keeps


def _send(
    site: Site, client: HttpClient, address: SiteAddress, *, fresh: bool = False
) -> HttpResponse:
    return client.request(address.url, headers=site.access.headers(address), fresh=fresh)


class _Load:
    """Requests for one page; each in flight has a client of its own, which keeps one connection."""

    def __init__(self, site: Site, address: SiteAddress) -> None:
        self.fresh: list[RequestSample] = []
        self.kept: list[RequestSample] = []
        self.failures: Counter[str] = Counter()
        self.refused: HttpResponse | None = None
        self.was_unavailable = False
        self._refusing: tuple[int, ...] = _REFUSING
        self._bodies: dict[bytes, tuple[HttpResponse, int]] = {}
        self._address = address
        self._site = site
        self._idle: list[HttpClient] = []
        self._lock = threading.Lock()
        self._sent = 0

    def open_spare(self, count: int) -> None:
        """Open connections before anything is measured: a new client first reads the authorities."""
        clients = [self._take() for _ in range(count)]
        for client in clients:
            self._request(client, fresh=False)
            self._give(client)

    def run(self, count: int, interval: float, *, keep: bool) -> None:
        """Send `count` requests of each kind, `interval` seconds apart; stop at a rate limit."""
        jobs: list[Job] = [self._send_fresh, self._send_kept] if keep else [self._send_fresh]
        if not OpenLoop().run(jobs * count, interval, 2 * self._site.timeout + 1.0):
            self.failures["never came to an end"] += 1

    def lacks_samples(self, kinds: int) -> bool:
        """Tell whether a p95 of either kind can't be had, or the server may be broken."""
        was_limited = self.refused is not None and self.refused.status == 429
        enough = min(len(self.fresh), len(self.kept) if kinds > 1 else LEAST) >= LEAST
        return not (enough and was_limited)

    def slow_down(self) -> str:
        """Wait until the server accepts requests again, forget those before, and return why."""
        status = 429 if self.refused is None else self.refused.status
        pause = None if self.refused is None else read_rate_limit(self.refused).reset
        time.sleep(_UNKNOWN_PAUSE if pause is None else pause + 0.1)
        # A server that is unavailable to slow requests too is broken, and not limited.
        self.was_unavailable = status != 429
        self._refusing = (429,)
        self.refused = None
        self.fresh.clear()
        self.kept.clear()
        return (
            f"the server refused requests that came quickly (status {status}); they were sent "
            f"{SLOWEST:g} s apart"
        )

    def explain_refusal(self) -> str:
        """Return why the server refused further requests."""
        status = 429 if self.refused is None else self.refused.status
        again = "" if self.refused is None else explain_rate_limit(self.refused)
        return (
            f"the server's rate limit refused this check's own requests after {self._sent} of them "
            f"(status {status}{again})"
        )

    def count_other_pages(self) -> None:
        """Count responses that are not the page as failures."""
        for response, count in self._bodies.values():
            try:
                content = read_content(response)
                problem = find_problem(
                    response, content, self._site.settings.contains, redirected=False
                )
            except HttpError as error:
                problem = error.problem
            if problem is not None:
                self.failures[problem] += count

    def close(self) -> None:
        """Close the connections that are idle."""
        for client in self._idle:
            client.close()
        self._idle.clear()

    def _send_fresh(self, due: float) -> None:
        self._sample(due, self.fresh, fresh=True)

    def _send_kept(self, due: float) -> None:
        self._sample(due, self.kept, fresh=False)

    def _sample(self, due: float, samples: list[RequestSample], *, fresh: bool) -> None:
        if self.refused is not None:
            return
        began = time.monotonic()
        client = self._take()
        response = self._request(client, fresh=fresh)
        self._give(client)
        if response is None:
            return
        timing = response.timing
        sample = RequestSample(
            due=due,
            # libcurl's clock, as this process may be kept from running before and after.
            whole=1_000 * (began - due) + timing.total,
            first_byte=timing.first_byte,
            received=response.received,
            dns=timing.dns if fresh else None,
            connect=timing.connect if fresh else None,
            tls=timing.tls if fresh else None,
        )
        with self._lock:
            samples.append(sample)

    def _request(self, client: HttpClient, *, fresh: bool) -> HttpResponse | None:
        try:
            response = _send(self._site, client, self._address, fresh=fresh)
        except HttpError as error:
            with self._lock:
                self.failures[error.problem] += 1
            return None
        with self._lock:
            self._sent += 1
            if response.status in self._refusing:
                self.refused = self.refused or response
                return None
            if response.status >= 300:
                self.failures[f"responds with status {response.status}"] += 1
                return None
            self._note_body(response)
        return response

    def _note_body(self, response: HttpResponse) -> None:
        """Remember a response for each of the first few different bodies."""
        digest = hashlib.sha256(response.body).digest()
        if digest in self._bodies or len(self._bodies) < _BODIES:
            first, count = self._bodies.get(digest, (response, 0))
            self._bodies[digest] = (first, count + 1)

    def _take(self) -> HttpClient:
        with self._lock:
            if self._idle:
                return self._idle.pop()
        return self._site.client()

    def _give(self, client: HttpClient) -> None:
        with self._lock:
            self._idle.append(client)


def median_steps(samples: Sequence[RequestSample]) -> dict[str, float]:
    """Return the median of each step of the requests, in ms."""
    taken = {
        name: [getattr(sample, name) for sample in samples]
        for name in ("dns", "connect", "tls", "first_byte", "whole")
    }
    return {
        name: round(median(values), 3)
        for name, values in taken.items()
        if values and None not in values
    }
