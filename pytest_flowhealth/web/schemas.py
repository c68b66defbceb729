"""The request and response bodies of the API, from which the OpenAPI document is made."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from msgspec import Meta


class LoginRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A log-in."""

    user: Annotated[str, Meta(max_length=200)]
    password: Annotated[str, Meta(max_length=1_000)]


class LoginResponse(msgspec.Struct, frozen=True):
    """A session that was begun; `csrf` goes into the header X-CSRF-Token of every change."""

    user: str
    csrf: str
    expires: float


class CurrentUser(msgspec.Struct, frozen=True):
    """The user or token of the request, and the monitor's target."""

    user: str
    csrf: str
    expires: float | None
    may: tuple[str, ...]
    version: str
    target: str
    host: str


class OpenSession(msgspec.Struct, frozen=True):
    """A log-in that holds; times in seconds since 1970."""

    id: str
    user: str
    since: float
    expires: float
    address: str
    current: bool


class OpenSessions(msgspec.Struct, frozen=True):
    """The log-ins that hold."""

    sessions: list[OpenSession]


class Metric(msgspec.Struct, frozen=True):
    """A metric that the history knows."""

    name: str
    unit: str


class Metrics(msgspec.Struct, frozen=True):
    """The metrics."""

    metrics: list[Metric]


class MetricSeries(msgspec.Struct, frozen=True):
    """What a metric was: columns of equal length, one entry for each stretch that has values.

    `at` is a stretch's begin in seconds since 1970; `step` its length in seconds, None for single values.
    """

    metric: str
    unit: str | None
    step: float | None
    at: list[float]
    count: list[int]
    min: list[float]
    max: list[float]
    mean: list[float]
    p95: list[float | None]


class Run(msgspec.Struct, frozen=True):
    """A stored run."""

    uid: str
    started: float
    duration: float
    status: str
    version: str | None


class Runs(msgspec.Struct, frozen=True):
    """Runs, the newest first."""

    runs: list[Run]


class AlertEvent(msgspec.Struct, frozen=True):
    """A change of an alert."""

    at: float
    what: str
    alert: dict[str, Any]


class AlertEvents(msgspec.Struct, frozen=True):
    """Changes of alerts, the newest first."""

    events: list[AlertEvent]


class Incident(msgspec.Struct, frozen=True):
    """An outage: an alert from its begin to its end, in seconds since 1970.

    Attributes:
        alert: Its name; for a check that of the check.
        until: None while it lasts.
        seconds: How long it lasted.
        cause: The alert's summary.
        blocked: The checks that could not run.
        notified: The receivers that were notified; None if that is not recorded.
        acknowledged: Who acknowledged it.
    """

    alert: str
    component: str
    kind: str
    severity: str
    since: float
    until: float | None
    seconds: float | None
    cause: str
    blocked: list[str]
    notified: list[str] | None
    acknowledged: str | None


class Incidents(msgspec.Struct, frozen=True):
    """Incidents, the newest first."""

    incidents: list[Incident]


class RoundSummary(msgspec.Struct, frozen=True):
    """How one round ended: `at` in seconds since 1970, `cause` the worst check, `duration` in seconds.

    `value` is what a check measured, in the unit of its history; `maintenance` whether it was in a maintenance window.
    """

    at: float
    outcome: str
    cause: str
    message: str
    duration: float
    value: float | None = None
    maintenance: bool = False


class ComponentRounds(msgspec.Struct, frozen=True):
    """The last rounds of each component, the oldest first."""

    components: dict[str, list[RoundSummary]]


class UsualRange(msgspec.Struct, frozen=True):
    """What a check normally measures: over the last week."""

    metric: str
    unit: str
    mean: float | None
    min: float | None
    max: float | None


class CheckHistory(msgspec.Struct, frozen=True):
    """What is known of a check from before: its last result with measurements (at `measured`), and its rounds.

    The values of rounds are those of `metric`, in `unit`.
    """

    id: str
    measured: float | None
    result: dict[str, Any] | None
    usual: list[UsualRange]
    rounds: list[RoundSummary]
    metric: str | None = None
    unit: str | None = None


class FailureInterval(msgspec.Struct, frozen=True):
    """When a check failed, or was unknown; times in seconds since 1970."""

    since: float
    until: float
    outcome: str


class FailedPeriods(msgspec.Struct, frozen=True):
    """When a check failed or was unknown, the oldest first."""

    periods: list[FailureInterval]


class Period(msgspec.Struct, frozen=True):
    """How a period was spent: `share` is the available part of the measured time in percent, the rest seconds."""

    share: float | None
    healthy: float
    degraded: float
    unhealthy: float
    unmeasured: float


class Availabilities(msgspec.Struct, frozen=True):
    """Each component over 24h, 7d, 30d and 90d."""

    components: dict[str, dict[str, Period]]


class TestResult(msgspec.Struct, frozen=True):
    """Whether a receiver accepted two test messages: None, or why it did not."""

    receiver: str
    short: str | None
    long: str | None


class NewSilence(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A silence to be made: `pattern` as in 'redis.*', for so many seconds.

    It begins now; or, as a maintenance window, at each of `begins` (in seconds since 1970).
    """

    pattern: Annotated[str, Meta(min_length=1, max_length=300)]
    seconds: Annotated[float, Meta(gt=0, le=366 * 86_400)]
    reason: Annotated[str, Meta(max_length=1_000)] = ""
    begins: Annotated[list[Annotated[float, Meta(ge=0, le=1e11)]], Meta(max_length=60)] = []


class SilenceInfo(msgspec.Struct, frozen=True):
    """A silence; times in seconds since 1970. `maintenance` tells whether it was planned."""

    id: str
    pattern: str
    begins: float
    ends: float
    reason: str
    author: str
    maintenance: bool = False


class Acknowledgement(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Somebody takes care of an alert."""

    alert: Annotated[str, Meta(min_length=1, max_length=300)]


class HostStatus(msgspec.Struct, frozen=True):
    """A target that reports to the same history; `at` in seconds since 1970."""

    host: str
    target: str
    instance: str
    status: str | None
    at: float | None
    current: bool


class Hosts(msgspec.Struct, frozen=True):
    """The hosts; `source` is what they are known from: file, or server."""

    hosts: list[HostStatus]
    source: str


class InstallationRecord(msgspec.Struct, frozen=True):
    """A report of an installation; `sealed` tells whether its error has a context."""

    number: int
    at: float
    ok: bool
    package: str
    version: str | None
    node: str | None
    npm: str | None
    platform: str | None
    step: str
    seconds: float | None
    error: str | None
    kind: str | None
    sealed: bool


class InstallPart(msgspec.Struct, frozen=True):
    """Installations of one version, or on one platform; None where it was not reported."""

    name: str | None
    succeeded: int
    failed: int


class InstallKind(msgspec.Struct, frozen=True):
    """Failures that are one, from so many networks."""

    fingerprint: str
    package: str
    error: str
    step: str
    count: int
    sources: int
    first: float
    last: float
    versions: list[tuple[str, int]]
    nodes: list[tuple[str, int]]
    platforms: list[tuple[str, int]]


class Installations(msgspec.Struct, frozen=True):
    """How installations went that were reported, between two times.

    `receive` tells who may hand in reports: token, open, off. `success` is in percent, with the 95 %
    interval `low` to `high`; None of so few that it would tell nothing. The newest reports are first.
    """

    receive: str
    packages: tuple[str, ...]
    contexts: str | None
    since: float
    until: float
    succeeded: int
    failed: int
    fewest: int
    success: float | None
    low: float | None
    high: float | None
    versions: list[InstallPart]
    nodes: list[InstallPart]
    platforms: list[InstallPart]
    kinds: list[InstallKind]
    installs: list[InstallationRecord]


class InstallContext(msgspec.Struct, frozen=True):
    """The context of an error."""

    context: str


class Receipt(msgspec.Struct, frozen=True):
    """A report was stored: who has its id may erase it, `DELETE /api/reports/{id}`."""

    id: str


class StateSnapshot(msgspec.Struct, frozen=True):
    """The state that the pages show, by key; the WebSocket /api/live tells what changes of it."""

    epoch: str
    seq: int
    at: float
    state: dict[str, Any]


class Problem(msgspec.Struct, frozen=True):
    """What went wrong."""

    error: str
