"""The page over HTTP: found first, then asked for on a schedule, over fresh and kept connections."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable

import msgspec

from pytest_flowhealth.domain.text import one_line
from pytest_flowhealth.errors import CheckFailed
from pytest_flowhealth.probes.dashboard.address import Address, led_to
from pytest_flowhealth.probes.dashboard.content import Content, content_of
from pytest_flowhealth.probes.dashboard.exchange import Reply, Request, exchange
from pytest_flowhealth.probes.dashboard.failure import Broken, Failures, down, reason
from pytest_flowhealth.probes.dashboard.lanes import Job, Lanes
from pytest_flowhealth.probes.dashboard.site import Site
from pytest_flowhealth.probes.dashboard.wire import Wire, open_wire

HOPS = 5
"""Redirects that are followed."""

QUICKEST = 0.04
"""Seconds between two requests, where the server is quick."""

SLOWEST = 0.5
"""Seconds between two requests at the most: 20 of each kind are 20 s."""

BUDGET = 8.0
"""Seconds that the schedule may take, unless `LEAST` requests of each kind need longer."""

LEAST = 20
"""Requests of each kind that a p95 needs."""

_TRIES = 4
_SPARE = 2


class RequestSample(msgspec.Struct, frozen=True):
    """One request: all times in ms, `due` and `sent` in s of the clock.

    `whole` counts from when it was due to its last byte; `first_byte` from when it was sent.
    The steps of opening are None on a kept connection.
    """

    due: float
    sent: float
    whole: float
    first_byte: float
    received: int
    dns: float | None = None
    connect: float | None = None
    tls: float | None = None


class Found(msgspec.Struct, frozen=True):
    """The page that the configured address leads to: `redirects` are the addresses on the way."""

    address: Address
    reply: Reply
    content: Content
    redirects: tuple[str, ...]
    typical: float
    kept: bool


class Page(msgspec.Struct, frozen=True):
    """What was measured; `interval` is in s, `failures` counts what went wrong by its reason."""

    found: Found
    interval: float
    fresh: tuple[RequestSample, ...]
    kept: tuple[RequestSample, ...]
    failures: dict[str, int]


class Asker:
    """Asks one site for one page, each time over a connection that is fresh or kept."""

    def __init__(self, site: Site, address: Address) -> None:
        self.address = address
        self.fresh: list[RequestSample] = []
        self.kept: list[RequestSample] = []
        self.failures: Counter[str] = Counter()
        self._site = site
        self._idle: list[Wire] = []
        self._lock = threading.Lock()

    def ask_fresh(self, due: float) -> None:
        """Open a connection, ask, and close it."""
        self._noted(due, self._once, self.fresh)

    def ask_kept(self, due: float) -> None:
        """Ask over a connection that is open; where none is idle, one more is opened for it."""
        self._noted(due, self._again, self.kept)

    def spare(self, count: int) -> None:
        """Open connections beforehand.

        Raises:
            OSError, Broken: They can't be opened.
        """
        for _ in range(count):
            wire = self._opened(time.monotonic() + self._site.timeout)
            with self._lock:
                self._idle.append(wire)

    def close(self) -> None:
        """Close the connections that are idle."""
        with self._lock:
            for wire in self._idle:
                wire.close()
            self._idle.clear()

    def _noted(
        self, due: float, ask: Callable[[float, float], RequestSample], samples: list[RequestSample]
    ) -> None:
        try:
            sample = ask(due, time.monotonic() + self._site.timeout)
        except Failures as error:
            with self._lock:
                self.failures[reason(error, self._site.timeout)] += 1
        else:
            with self._lock:
                samples.append(sample)

    def _once(self, due: float, deadline: float) -> RequestSample:
        began = time.monotonic()
        wire = self._opened(deadline)
        try:
            return self._asked(wire, due, began, deadline, keep=False)[0]
        finally:
            wire.close()

    def _again(self, due: float, deadline: float) -> RequestSample:
        with self._lock:
            wire = self._idle.pop() if self._idle else None
        began = time.monotonic()
        if wire is not None:
            try:
                return self._done(wire, due, began, deadline)
            except (ConnectionError, EOFError):
                # It was closed while nobody used it: as every client does, ask again.
                wire.close()
                if wire.received:
                    raise
        return self._done(self._opened(deadline), due, began, deadline)

    def _done(self, wire: Wire, due: float, began: float, deadline: float) -> RequestSample:
        try:
            sample, kept = self._asked(wire, due, began, deadline, keep=True)
        except BaseException:
            wire.close()
            raise
        if kept:
            with self._lock:
                self._idle.append(wire)
        else:
            wire.close()
        return sample

    def _asked(
        self, wire: Wire, due: float, began: float, deadline: float, *, keep: bool
    ) -> tuple[RequestSample, bool]:
        headers = self._site.access.headers(self.address)
        headers += () if keep else (("Connection", "close"),)
        sent = time.monotonic()
        reply = exchange(wire, Request(self.address, headers), deadline, keep=False)
        ended = time.monotonic()
        if reply.status >= 300:
            raise Broken(f"answers with status {reply.status}")
        sample = RequestSample(
            due=due,
            sent=began,
            whole=1_000.0 * (ended - due),
            first_byte=1_000.0 * ((wire.first or ended) - sent),
            received=reply.received,
            dns=None if keep else wire.opening.dns,
            connect=None if keep else wire.opening.connect,
            tls=None if keep else wire.opening.tls,
        )
        return sample, reply.kept

    def _opened(self, deadline: float) -> Wire:
        return open_wire(self.address.origin, self._site.context, deadline)


def measure(site: Site) -> Page:
    """Find the page, then ask for it on a schedule, in turn over fresh and kept connections.

    Raises:
        CheckFailed: There is no page, or it leads elsewhere.
    """
    found = look(site)
    asker = Asker(site, found.address)
    try:
        return _scheduled(site, found, asker)
    except Failures as error:
        problem = down(found.address, error, site.timeout)
    finally:
        asker.close()
    raise problem


def _scheduled(site: Site, found: Found, asker: Asker) -> Page:
    count, interval = plan(site.settings.requests, found.typical)
    jobs: list[Job] = [asker.ask_fresh] * count
    if found.kept:
        asker.spare(_SPARE)
        jobs = [asker.ask_fresh, asker.ask_kept] * count
    pace = interval if found.kept else 2 * interval
    done = Lanes().run(jobs, pace, 2 * site.timeout + 1.0)
    failures = dict(asker.failures) | ({} if done else {"never came to an end": 1})
    return Page(found, interval, tuple(asker.fresh), tuple(asker.kept), failures)


def plan(requests: int, typical: float) -> tuple[int, float]:
    """Return how many requests of each kind there are, and the seconds between two of any kind.

    A server gets the next one when a quarter more than its typical time is over, so that the
    queue that is seen is its own, and not one that we make.

    Args:
        requests: How many of each kind are wanted.
        typical: The seconds that an answer takes.
    """
    interval = min(SLOWEST, max(QUICKEST, 1.25 * typical))
    # More are wanted than fit by default: then what is asked for is what is done.
    fitting = int(BUDGET / (2 * interval)) if requests <= 100 else requests
    return max(LEAST, min(requests, fitting)), interval


def look(site: Site) -> Found:
    """Return the page that the configured address leads to.

    Raises:
        CheckFailed: There is none, or it leads to who may not be asked.
    """
    passed = [site.page]
    while True:
        address = passed[-1]
        reply, typical, kept = _answered(site, address)
        if reply.status < 300:
            content = _unpacked(site, address, reply)
            _meant(site, address, content)
            return Found(address, reply, content, _shown(passed), typical, kept)
        passed.append(_next(site, passed, reply))


def _answered(site: Site, address: Address) -> tuple[Reply, float, bool]:
    try:
        return _tried(site, address)
    except Failures as error:
        problem = down(address, error, site.timeout)
    raise problem


def _unpacked(site: Site, address: Address, reply: Reply) -> Content:
    try:
        return content_of(reply)
    except Broken as error:
        problem = down(address, error, site.timeout)
    raise problem


def _shown(passed: list[Address]) -> tuple[str, ...]:
    return tuple(one.shown for one in passed) if len(passed) > 1 else ()


def _next(site: Site, passed: list[Address], reply: Reply) -> Address:
    """Return where a redirect leads; raise CheckFailed for any other answer."""
    address = passed[-1]
    location = reply.header("location")
    if reply.status >= 400 or location is None:
        raise CheckFailed(
            f"{address.shown} answers with status {reply.status}", remedy=_remedy(reply.status)
        )
    after = led_to(address, location)
    if after.origin not in site.origins:
        raise CheckFailed(
            f"{address.shown} redirects to {after.place}, which is not configured and was not asked",
            remedy="set dashboard.url to the address that is meant",
        )
    if after in passed:
        ring = " -> ".join(one_line(one.target.partition("?")[0], 60) for one in (*passed, after))
        raise CheckFailed(f"{site.page.shown} redirects in a ring: {ring}")
    if len(passed) > HOPS:
        raise CheckFailed(f"{site.page.shown} redirects more than {HOPS} times")
    return after


def _remedy(status: int) -> str:
    if status in (401, 403, 407):
        return "say how to log in: [dashboard.login] in flowhealth.toml"
    if status == 429:
        return "fewer requests: [dashboard] requests = 20 in flowhealth.toml"
    return "the server's log says why"


def _meant(site: Site, address: Address, content: Content) -> None:
    wanted = site.settings.contains
    if wanted is not None and wanted not in content.text:
        raise CheckFailed(
            f"{address.shown} does not contain {one_line(wanted, 100)!r}: it is another page",
            remedy="correct dashboard.url or dashboard.contains, or say how to log in",
        )


def _tried(site: Site, address: Address) -> tuple[Reply, float, bool]:
    """Ask a few times over one connection: the first answer, the longest time in s, whether it is kept.

    The first answer counts least: it waits for what the server makes ready once.
    """
    request = Request(address, site.access.headers(address))
    deadline = time.monotonic() + site.timeout
    wire = open_wire(address.origin, site.context, deadline)
    try:
        began = time.monotonic()
        first = exchange(wire, request, deadline)
        times = [time.monotonic() - began]
        if first.status >= 300 or not first.kept:
            return first, times[0], False
        for _ in range(_TRIES - 1):
            began = time.monotonic()
            try:
                exchange(wire, request, began + site.timeout, keep=False)
            except (ConnectionError, EOFError):
                return first, times[0], False
            times.append(time.monotonic() - began)
        return first, max(times[1:]), True
    finally:
        wire.close()
