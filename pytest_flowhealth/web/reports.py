"""Reports of installations: handed in by machines, erased by who sent them, shown to people."""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from collections.abc import Callable, Iterator, Sequence

import anyio
import msgspec
from starlette.requests import Request
from starlette.responses import Response

from pytest_flowhealth.config.target import Target
from pytest_flowhealth.errors import NotApplicable
from pytest_flowhealth.install_reports.anonymizer import NetworkAnonymizer
from pytest_flowhealth.install_reports.batch_writer import (
    WAITING,
    BatchWriter,
    QueueFull,
    WriteError,
)
from pytest_flowhealth.install_reports.encryption import ContextCipher, EncryptionError, load_cipher
from pytest_flowhealth.install_reports.ingest import (
    ReportRefused,
    make_stored_report,
    require_accepted,
    scrub_report,
)
from pytest_flowhealth.install_reports.report import FailureGroup, InstallReport
from pytest_flowhealth.install_reports.scrub import Scrubber
from pytest_flowhealth.install_reports.store import Received, StoredReport, make_id
from pytest_flowhealth.monitor.observer import MonitorEvent
from pytest_flowhealth.probes.registry.reports import FEWEST, InstallCount, InstallReports
from pytest_flowhealth.web import shapes
from pytest_flowhealth.web.answers import answer, nothing
from pytest_flowhealth.web.api import LIMIT, count_of, moment, read
from pytest_flowhealth.web.body import body_of
from pytest_flowhealth.web.endpoint import offered
from pytest_flowhealth.web.history_file import NoHistory
from pytest_flowhealth.web.past import Past
from pytest_flowhealth.web.quota import Quota
from pytest_flowhealth.web.visitors import Refused, Visitor, Visitors, address_of

KINDS = 50
"""Kinds of failures that are shown at the most."""

ERASURES = 10
"""Erasures that one address may ask for within a minute."""

_WEEK = 7 * 86_400.0
_RANGE = (("since", float, 0.0), ("until", float, 0.0), LIMIT)
_REFUSES = (400, 401, 403, 404, 413, 415, 429, 503)


class Reports:
    """Answers requests around reports.

    Args:
        visitors: Who is known.
        past: The history.
        intake: Where reports go.
        target: The target, by whose configuration it goes.
        key: The key of contexts from the environment, None for its file.
        remark: Notes what is wrong.
    """

    def __init__(
        self,
        visitors: Visitors,
        past: Past,
        intake: BatchWriter,
        target: Target,
        *,
        key: str | None,
        remark: Callable[[MonitorEvent], None],
    ) -> None:
        self.target = target
        self._visitors, self._past, self._intake = visitors, past, intake
        self._key, self._remark = key, remark
        self._origins = NetworkAnonymizer()
        self._scrub = Scrubber()
        self._vault: ContextCipher | None = None
        self._opened = False
        self._opening = threading.Lock()
        self._problem: str | None = None
        self._said: dict[str, str] = {}
        self._pending = 0
        self._arrivals, self._erasures = Quota(time.monotonic), Quota(time.monotonic)
        # One: what is scrubbed at once would only share the interpreter, with the monitor.
        self._scrubbing = anyio.CapacityLimiter(1)
        self._threads = anyio.CapacityLimiter(2)

    def reconfigure(self, target: Target) -> None:
        """Go by another configuration; a key that could not be used is tried again."""
        self.target = target
        with self._opening:
            self._opened = self._vault is not None
            self._problem = None

    def on_tick(self, now: float) -> None:
        """Forget what must not outlive its day; `now` in seconds since 1970."""
        self._origins.turn(now)

    @property
    def packages(self) -> tuple[str, ...]:
        """The packages of which reports are received."""
        config = self.target.config
        own = config.npm.package or self.target.name
        return (*(() if own is None else (own,)), *config.feedback.packages)

    # -- for who installs

    @offered(
        "POST",
        "/api/reports",
        scope=None,
        takes=InstallReport,
        gives=shapes.ReportTaken,
        status=201,
        refuses=_REFUSES,
    )
    async def receive(self, request: Request, _: Visitor) -> Response:
        """Keep a report of an installation; open to tokens with the scope report, or as configured."""
        self._require_open(request)
        address = address_of(request)
        wait = self._arrivals.take(address, self.target.config.feedback.per_minute)
        if wait:
            raise Refused(429, "too many reports from this address", wait)
        with self._place():
            report = await body_of(request, InstallReport)
            name = make_id()
            try:
                ready = await anyio.to_thread.run_sync(
                    lambda: self._prepared(report, name, address), limiter=self._scrubbing
                )
                await asyncio.wrap_future(self._intake.submit(ready))
            except ReportRefused as error:
                raise Refused(400, str(error)) from None
            except QueueFull:
                raise Refused(503, "too many reports at once", 2.0) from None
            except WriteError as error:
                self._told("reports", f"reports can't be kept: {error}")
                raise Refused(503, "it can't be kept now", 60.0) from None
        self._said.pop("reports", None)
        return answer(shapes.ReportTaken(name), 201)

    @offered("DELETE", "/api/reports/{id}", scope=None, status=204, refuses=(404, 429, 503))
    async def erase(self, request: Request, _: Visitor) -> Response:
        """Erase a report, whatever is kept of it; open to who has its id."""
        wait = self._erasures.take(address_of(request), ERASURES)
        if wait:
            raise Refused(429, "too many erasures from this address", wait)
        name = request.path_params["id"]
        if not await read(lambda: self._past.erase_report(name), self._threads):
            raise Refused(404, "there is no report with this id")
        return nothing()

    # -- for who looks at them

    @offered(
        "GET",
        "/api/installs",
        gives=shapes.Installations,
        parameters=_RANGE,
        refuses=(400, 503),
    )
    async def installs(self, request: Request, _: Visitor) -> Response:
        """Return how installations went that were reported; the last week's, where no time is named."""
        until = moment(request, "until") or time.time() + 1
        since = moment(request, "since")
        since = until - _WEEK if since is None else since
        limit = count_of(request, "limit", 50)
        packages = self.packages
        totals, kinds, latest = await read(
            lambda: self._past.installs(packages, since, until, limit), self._threads
        )
        success, low, high = _share(InstallReports(totals.succeeded, totals.failed))
        return answer(
            shapes.Installations(
                receive=self.target.config.feedback.receive,
                packages=packages,
                contexts=self._problem,
                since=since,
                until=until,
                succeeded=totals.succeeded,
                failed=totals.failed,
                fewest=FEWEST,
                success=success,
                low=low,
                high=high,
                versions=_parts(totals.versions),
                nodes=_parts(totals.nodes),
                platforms=_parts(totals.platforms),
                kinds=[_kind(kind) for kind in kinds[:KINDS]],
                installs=[_installation(report) for report in latest],
            )
        )

    @offered(
        "GET",
        "/api/installs/{id}/context",
        scope="write",
        gives=shapes.InstallContext,
        refuses=(404, 503),
    )
    async def context(self, request: Request, _: Visitor) -> Response:
        """Return what was told around an error; open to sessions only."""
        number = request.path_params["id"]
        if not (number.isascii() and number.isdigit() and len(number) < 16):
            raise Refused(404, "there is no such report")
        found = await read(lambda: self._past.sealed(int(number)), self._threads)
        if found is None:
            raise Refused(404, "nothing is kept of what was told around it")
        try:
            vault = await anyio.to_thread.run_sync(self._opened_vault)
            if vault is None:
                raise Refused(404, self._problem or "it can't be read")
            return answer(shapes.InstallContext(vault.decrypt(found)))
        except EncryptionError as error:
            raise Refused(404, str(error)) from None

    # -- inside

    def look(self) -> None:
        """Tell at the start whether the key that kept contexts need is gone."""
        with contextlib.suppress(NoHistory):
            newest, count = self._past.newest_sealed()
            if newest is None:
                return
            vault = self._opened_vault()
            try:
                if vault is not None:
                    vault.decrypt(newest)
            except EncryptionError:
                self._problem = (
                    f"{count} contexts can't be read: their key is gone; the counts stay, "
                    "new contexts are sealed with the present key"
                )
                self._told("contexts", self._problem)

    def _require_open(self, request: Request) -> None:
        how = self.target.config.feedback.receive
        if how == "off":
            raise Refused(404, "no reports are received here")
        if how == "token":
            self._visitors.require(request, "report")

    @contextlib.contextmanager
    def _place(self) -> Iterator[None]:
        """Hold one of the places of reports under way."""
        if self._pending >= WAITING:
            raise Refused(503, "too many reports at once", 2.0)
        self._pending += 1
        try:
            yield
        finally:
            self._pending -= 1

    def _prepared(self, report: InstallReport, name: str, address: str) -> StoredReport:
        require_accepted(report, self.packages)
        now = time.time()
        clean = scrub_report(report, self._scrub)
        vault = self._opened_vault() if clean.context else None
        return make_stored_report(clean, name, now, self._origins.key(address, now), vault)

    def _opened_vault(self) -> ContextCipher | None:
        """Return what seals contexts, None where they can't be kept; why is told once."""
        with self._opening:
            if not self._opened:
                self._opened = True
                path = self.target.root / self.target.config.feedback.key_file
                try:
                    self._vault = load_cipher(path, self._key)
                except EncryptionError as error:
                    self._problem = f"what is told around errors is not kept: {error}"
                    self._told("contexts", self._problem)
            return self._vault

    def _told(self, what: str, text: str) -> None:
        """Tell what is wrong, once until it changes."""
        if self._said.get(what) != text:
            self._said[what] = text
            self._remark(MonitorEvent(what, {"problem": text}))


def _share(found: InstallReports) -> tuple[float | None, float | None, float | None]:
    try:
        return found.success, *found.interval
    except NotApplicable:
        return None, None, None


def _parts(found: Sequence[InstallCount]) -> list[shapes.InstallPart]:
    return [shapes.InstallPart(count.name, count.succeeded, count.failed) for count in found]


def _kind(group: FailureGroup) -> shapes.InstallKind:
    return msgspec.convert(msgspec.structs.asdict(group), shapes.InstallKind)


def _installation(report: Received) -> shapes.Installation:
    return msgspec.convert(msgspec.structs.asdict(report), shapes.Installation)
