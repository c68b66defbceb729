"""The sections of the monitor and of alerts: `[monitor]`, `[alerts]`, `[[rules]]`, `[[receivers]]`, `[[silences]]`."""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from pytest_flowhealth.config.extensions import BUILT_IN, RECEIVERS, make_receiver, require_known
from pytest_flowhealth.config.notation import (
    MINUTE,
    AlertName,
    Delay,
    Duration,
    MetricName,
    NonEmpty,
    Secret,
    Unit,
    WebAddress,
    split_web_address,
)
from pytest_flowhealth.domain.alerting import SEVERITIES, Severity

_ROUTING = frozenset({"name", "type", "severities", "components", "remind", "escalate"})
"""The keys of a `[[receivers]]` table that every type has; the others are its own options."""


class MonitorSection(msgspec.Struct, frozen=True):
    """How often the monitor runs the checks, how long a round may take, and how results are labelled."""

    instance: NonEmpty | None = None
    """The label `instance` of measurements, alerts and history. It distinguishes two checkouts of one
    package; the default is the host's name and the project's folder. Example: `"shop-staging"`."""
    intervals: dict[str, Duration] = {}
    """The interval of a component. Default: that of `--interval`, otherwise 60 s for fleet, redis and
    dashboard, 1 h for npm and feedback, 24 h for wasm, 5 min for the others.
    Example: `{ redis = "60 s", npm = "1 h", wasm = "24 h" }`."""
    limit: Duration = 15 * MINUTE
    """The time limit of a round; at its end the round's processes are terminated."""
    sample: bool = True
    """Whether CPU, memory, disk, network and the fleet are sampled every second."""
    logs: NonEmpty = ".flowhealth/logs"
    """The folder of the log files, relative to the project."""
    openmetrics: NonEmpty | None = None
    """A file that gets the latest measurements after each round, for node_exporter's textfile collector.
    For a folder, the file is named after the instance.
    Example: `"/var/lib/node_exporter/flowhealth.prom"`."""


class Alerts(msgspec.Struct, frozen=True):
    """Settings of all alerts."""

    runbook_url: WebAddress | None = None
    """The address of your runbook; each alert links to its own section of it. Without it, only alerts
    with a `runbook` of their own have a link. Example: `"https://wiki.example.org/runbook"`."""
    cooldown: Duration = 5 * MINUTE
    """How long the alert of a check does not notify again."""
    flap_changes: Annotated[int, Meta(ge=3)] = 6
    """The number of changes within `flap_window` from which on an alert is flapping."""
    flap_window: Duration = 30 * MINUTE
    """The window of `flap_changes`; after half of it without a change, an alert is no longer flapping."""


class Rule(msgspec.Struct, frozen=True, rename={"held": "for"}):
    """A condition on a metric. A rule with the name of a built-in one changes the keys that it sets."""

    name: AlertName
    """The name. Example: `"highCPU"`."""
    metric: MetricName | None = None
    """The metric, with a statistic if it is a series. Example: `"redis.connect.p95"`."""
    above: float | None = None
    """The condition holds above this value."""
    below: float | None = None
    """The condition holds below this value."""
    unit: Unit | None = None
    """The unit of `above` and `below`; default: the metric's own."""
    window: Duration | None = None
    """The statistic is computed from all values of this period; default: from the latest values.
    Example: `"5 min"`."""
    per: Duration | None = None
    """Compare the change of the value per this period, measured over `window`. Example: `"1 h"`."""
    absent: Duration | None = None
    """Instead of `above` and `below`: the condition holds if there is no value for this long.
    Example: `"15 min"`."""
    held: Delay | None = None
    """How long the condition must hold before the alert fires; default: 0. Example: `"5 min"`."""
    cooldown: Duration | None = None
    """How long the alert does not notify again."""
    severity: Severity | None = None
    """The severity; default: `warning`."""
    enabled: bool | None = None
    """Whether the rule is used."""
    summary: str | None = None
    """A sentence for the notification."""
    remedy: str | None = None
    """The command that fixes the cause."""
    runbook: str | None = None
    """The address of instructions; default: the rule's section of the runbook."""

    def __post_init__(self) -> None:
        """Raise ValueError for keys that contradict each other."""
        if self.above is not None and self.below is not None:
            raise ValueError("'above' and 'below' exclude each other")
        if self.absent is not None and (self.above is not None or self.below is not None):
            raise ValueError("'absent' excludes 'above' and 'below'")
        if self.per is not None and self.window is None:
            raise ValueError("'per' needs 'window', the period over which the change is measured")


class Receiver(msgspec.Struct, frozen=True):
    """A receiver of notifications. Without any: the console and the log."""

    name: AlertName
    """The name. Example: `"ops"`."""
    type: str
    """How notifications are delivered, see alerts.md: `alertmanager`, `apprise`, `console`, `log`,
    `webhook`, or a type that an installed distribution provides (extending.md); the other keys are
    then that type's options. Example: `"webhook"`."""
    url: Secret | None = None
    """The address for webhook and alertmanager, the URL for apprise.
    Example: `"https://hooks.example.org/flowhealth"`."""
    url_env: str | None = None
    """The environment variable with the address, if it is secret."""
    secret_env: str | None = None
    """The environment variable with the secret that signs the messages of a webhook."""
    token_env: str | None = None
    """The environment variable with a token (`Authorization: Bearer`)."""
    severities: tuple[Severity, ...] = SEVERITIES
    """The severities of the alerts that it receives."""
    components: tuple[NonEmpty, ...] = ()
    """The components of the alerts that it receives; default: all."""
    remind: Duration | None = None
    """How often it is notified again of alerts that still fire; default: never."""
    escalate: Duration | None = None
    """It receives only alerts that have fired for this long without being acknowledged."""
    timeout: Duration = 10.0
    """The time limit of one delivery."""
    options: dict[str, Any] = {}

    @classmethod
    def prepare_table(cls, table: Mapping[str, Any]) -> Mapping[str, Any]:
        """Return a table with the options of another distribution's type in `options`.

        Raises:
            ValueError: There is no receiver of this type.
        """
        kind = table.get("type")
        if isinstance(kind, str):
            require_known(RECEIVERS, kind)
        if not isinstance(kind, str) or kind in BUILT_IN[RECEIVERS]:
            return table
        common = {key: value for key, value in table.items() if key in _ROUTING}
        return {**common, "options": {key: table[key] for key in table.keys() - _ROUTING}}

    def __post_init__(self) -> None:
        """Raise ValueError for a type that does not exist, or that lacks its address."""
        if self.type not in BUILT_IN[RECEIVERS]:
            make_receiver(self.type, self.options)
        elif self.options:
            raise ValueError("unknown key 'options'")
        elif self.type in ("webhook", "alertmanager", "apprise"):
            if not (self.url or self.url_env):
                raise ValueError(f"a receiver of type {self.type!r} needs 'url' or 'url_env'")
            if self.url and self.type != "apprise":
                self._require_web_address(self.url)

    def _require_web_address(self, url: str) -> None:
        try:
            split_web_address(url)
        except ValueError:
            # Not shown: it may contain a password.
            raise ValueError(
                "the value of 'url' is not a valid web address; expected an http or https URL such "
                "as 'https://hooks.example.org/flowhealth'"
            ) from None


class MaintenanceWindow(msgspec.Struct, frozen=True, rename={"start": "from"}):
    """A period without notifications of some alerts, such as a maintenance window."""

    match: NonEmpty
    """The names of the alerts, with * and ?: the ids of checks, the names of rules.
    Example: `"redis.*"`."""
    until: Annotated[datetime.datetime, Meta(tz=True)]
    """The end, with a time zone. Example: `2026-12-01T04:00:00Z`."""
    start: Annotated[datetime.datetime, Meta(tz=True)] | None = None
    """The beginning, with a time zone; default: now."""
    reason: str = ""
    """The reason."""

    def __post_init__(self) -> None:
        """Raise ValueError for a period without duration."""
        if self.start is not None and self.start >= self.until:
            raise ValueError("'until' must be after 'from'")
