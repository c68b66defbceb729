"""The API of installation reports: receive, erase and show them."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Iterator, Sequence

import anyio
import msgspec
from starlette.requests import Request

from pytest_flowhealth.alerts.daemon_threads import run_in_thread
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
from pytest_flowhealth.web import schemas
from pytest_flowhealth.web.api import LIMIT, parse_count, parse_time, run_change, run_query
from pytest_flowhealth.web.authenticator import (
    Authenticator,
    Principal,
    RequestError,
    find_client_address,
)
from pytest_flowhealth.web.history_file import NoHistory
from pytest_flowhealth.web.history_queries import HistoryQueries
from pytest_flowhealth.web.login_throttle import RateLimiter
from pytest_flowhealth.web.request_body import read_body
from pytest_flowhealth.web.routes import route

KINDS = 50
"""Kinds of failures that are shown at the most."""

ERASURES = 10
"""Erasures that one address may ask for within a minute."""

_WEEK = 7 * 86_400.0
_RANGE = (("since", float, 0.0), ("until", float, 0.0), LIMIT)
_REFUSES = (400, 401, 403, 404, 413, 415, 429, 503)


class Reports:
    """Receive, erase and show installation reports.

    Args:
        authenticator: Knows users and tokens.
        history: The history.
        intake: Where reports go.
        target: The target, by whose configuration it goes.
        key: The key of contexts from the environment, None for its file.
        record_event: Records what is wrong.
    """

    def __init__(
        self,
        authenticator: Authenticator,
        history: HistoryQueries,
        intake: BatchWriter,
        target: Target,
        *,
        key: str | None,
        record_event: Callable[[MonitorEvent], None],
    ) -> None:
        self.target = target
        self._authenticator, self._history, self._intake = authenticator, history, intake
        self._key, self._record_event = key, record_event
        self._origins = NetworkAnonymizer()
        self._scrub = Scrubber()
        self._vault: ContextCipher | None = None
        self._opened = False
        self._opening = threading.Lock()
        self._problem: str | None = None
        self._reported: dict[str, str] = {}
        self._pending = 0
        self._arrivals, self._erasures = RateLimiter(time.monotonic), RateLimiter(time.monotonic)
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

    @route(
        "POST",
        "/api/reports",
        scope=None,
        takes=InstallReport,
        status=201,
        refuses=_REFUSES,
    )
    async def receive(self, request: Request, _: Principal) -> schemas.Receipt:
        """Keep a report of an installation; open to tokens with the scope report, or as configured."""
        self._require_open(request)
        address = find_client_address(request)
        wait = self._arrivals.take(address, self.target.config.feedback.per_minute)
        if wait:
            raise RequestError(429, "too many reports from this address", wait)
        with self._hold_slot():
            report = await read_body(request, InstallReport)
            name = make_id()
            try:
                async with self._scrubbing:
                    ready = await run_in_thread(lambda: self._prepare(report, name, address))
                await self._intake.add(ready)
            except ReportRefused as error:
                raise RequestError(400, str(error)) from None
            except QueueFull:
                raise RequestError(503, "too many reports at once", 2.0) from None
            except WriteError as error:
                self._report_problem("reports", f"reports can't be kept: {error}")
                raise RequestError(503, "it can't be kept now", 60.0) from None
        self._reported.pop("reports", None)
        return schemas.Receipt(name)

    @route("DELETE", "/api/reports/{id}", scope=None, refuses=(404, 429, 503))
    async def erase(self, request: Request, _: Principal) -> None:
        """Erase a report, whatever is kept of it; open to who has its id."""
        wait = self._erasures.take(find_client_address(request), ERASURES)
        if wait:
            raise RequestError(429, "too many erasures from this address", wait)
        name = request.path_params["id"]
        if not await run_change(self._history.erase_report(name)):
            raise RequestError(404, "there is no report with this id")

    # -- for who looks at them

    @route(
        "GET",
        "/api/installs",
        parameters=_RANGE,
        refuses=(400, 503),
    )
    async def installs(self, request: Request, _: Principal) -> schemas.Installations:
        """Return how installations went that were reported; the last week's, where no time is named."""
        until = parse_time(request, "until") or time.time() + 1
        since = parse_time(request, "since")
        since = until - _WEEK if since is None else since
        limit = parse_count(request, "limit", 50)
        packages = self.packages
        totals, kinds, latest = await run_query(
            lambda: self._history.installs(packages, since, until, limit), self._threads
        )
        success, low, high = _share(InstallReports(totals.succeeded, totals.failed))
        return schemas.Installations(
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

    @route(
        "GET",
        "/api/installs/{id}/context",
        scope="write",
        refuses=(404, 503),
    )
    async def context(self, request: Request, _: Principal) -> schemas.InstallContext:
        """Return what was told around an error; open to sessions only."""
        number = request.path_params["id"]
        if not (number.isascii() and number.isdigit() and len(number) < 16):
            raise RequestError(404, "there is no such report")
        found = await run_query(lambda: self._history.sealed(int(number)), self._threads)
        if found is None:
            raise RequestError(404, "nothing is kept of what was told around it")
        try:
            vault = await run_in_thread(self._open_vault)
            if vault is None:
                raise RequestError(404, self._problem or "it can't be read")
            return schemas.InstallContext(vault.decrypt(found))
        except EncryptionError as error:
            raise RequestError(404, str(error)) from None

    # -- inside

    def look(self) -> None:
        """Record at the start if the key of the stored contexts is gone."""
        with contextlib.suppress(NoHistory):
            newest, count = self._history.newest_sealed()
            if newest is None:
                return
            vault = self._open_vault()
            try:
                if vault is not None:
                    vault.decrypt(newest)
            except EncryptionError:
                self._problem = (
                    f"{count} contexts can't be read: their key is gone; the counts stay, "
                    "new contexts are sealed with the present key"
                )
                self._report_problem("contexts", self._problem)

    def _require_open(self, request: Request) -> None:
        how = self.target.config.feedback.receive
        if how == "off":
            raise RequestError(404, "no reports are received here")
        if how == "token":
            self._authenticator.require(request, "report")

    @contextlib.contextmanager
    def _hold_slot(self) -> Iterator[None]:
        """Hold one of the slots for reports under way."""
        if self._pending >= WAITING:
            raise RequestError(503, "too many reports at once", 2.0)
        self._pending += 1
        try:
            yield
        finally:
            self._pending -= 1

    def _prepare(self, report: InstallReport, name: str, address: str) -> StoredReport:
        require_accepted(report, self.packages)
        now = time.time()
        clean = scrub_report(report, self._scrub)
        vault = self._open_vault() if clean.context else None
        return make_stored_report(clean, name, now, self._origins.key(address, now), vault)

    def _open_vault(self) -> ContextCipher | None:
        """Return the cipher of contexts; None if they can't be stored, which is recorded once."""
        with self._opening:
            if not self._opened:
                self._opened = True
                path = self.target.root / self.target.config.feedback.key_file
                try:
                    self._vault = load_cipher(path, self._key)
                except EncryptionError as error:
                    self._problem = f"what is told around errors is not kept: {error}"
                    self._report_problem("contexts", self._problem)
            return self._vault

    def _report_problem(self, what: str, text: str) -> None:
        """Record a problem once, until it changes."""
        if self._reported.get(what) != text:
            self._reported[what] = text
            self._record_event(MonitorEvent(what, {"problem": text}))


def _share(found: InstallReports) -> tuple[float | None, float | None, float | None]:
    try:
        return found.success, *found.interval
    except NotApplicable:
        return None, None, None


def _parts(found: Sequence[InstallCount]) -> list[schemas.InstallPart]:
    return [schemas.InstallPart(count.name, count.succeeded, count.failed) for count in found]


def _kind(group: FailureGroup) -> schemas.InstallKind:
    return msgspec.convert(msgspec.structs.asdict(group), schemas.InstallKind)


def _installation(report: Received) -> schemas.InstallationRecord:
    return msgspec.convert(msgspec.structs.asdict(report), schemas.InstallationRecord)
