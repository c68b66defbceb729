"""What can be configured of the monitor and of alerts: `[monitor]`, `[alerts]`, `[[rules]]`, ..."""

from __future__ import annotations

import datetime
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from pytest_flowhealth.domain.alerting import SEVERITIES, Severity


class Monitor(msgspec.Struct, frozen=True):
    """How often the checks run, how long they may, and what their results are labelled with."""

    instance: Annotated[
        str | None,
        Meta(
            description="The label `instance` of measurements, alerts and history, which tells two "
            "checkouts of one package apart; else the host's name and the project's folder.",
            examples=["shop-staging"],
        ),
    ] = None

    intervals: Annotated[
        dict[str, str],
        Meta(
            description="The interval of a component; else that of `--interval`, else 60 s "
            "for fleet, redis and dashboard, 1 h for npm and feedback, 24 h for wasm, 5 min for the "
            "rest.",
            examples=[{"redis": "60 s", "npm": "1 h", "wasm": "24 h"}],
        ),
    ] = {}
    limit: Annotated[
        str, Meta(description="How long a round may take before it is ended, with its programs.")
    ] = "15 min"
    sample: Annotated[
        bool,
        Meta(description="Whether CPU, memory, disk, network and the fleet are read every second."),
    ] = True
    logs: Annotated[
        str, Meta(description="The folder of the log files, relative to the project.")
    ] = ".flowhealth/logs"
    openmetrics: Annotated[
        str | None,
        Meta(
            description="A file that has the last figures after each round, for node_exporter's "
            "textfile collector; in a folder, a file named after the instance.",
            examples=["/var/lib/node_exporter/flowhealth.prom"],
        ),
    ] = None


class Alerts(msgspec.Struct, frozen=True):
    """What holds for every alert."""

    runbook_url: Annotated[
        str | None,
        Meta(
            description="The address of your runbook; an alert links to its own section of it. "
            "Without it, only alerts with a `runbook` of their own have a link.",
            examples=["https://wiki.example.org/runbook"],
        ),
    ] = None
    cooldown: Annotated[
        str, Meta(description="How long the alert of a check tells nothing new after it told.")
    ] = "5 min"
    flap_changes: Annotated[
        int,
        Meta(description="Changes in `flap_window` from which on an alert is flapping.", ge=3),
    ] = 6
    flap_window: Annotated[
        str,
        Meta(
            description="The window for `flap_changes`; an alert without a change for half of it "
            "flaps no longer."
        ),
    ] = "30 min"


class Rule(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename={"held": "for"}):
    """A condition on a metric. The same name as a built-in rule's changes what is named of it."""

    name: Annotated[str, Meta(description="Its name.", examples=["highCPU"])]
    metric: Annotated[
        str | None,
        Meta(
            description="The metric, with a statistic where it is a series.",
            examples=["redis.connect.p95"],
        ),
    ] = None
    above: Annotated[float | None, Meta(description="It holds above this value.")] = None
    below: Annotated[float | None, Meta(description="It holds below this value.")] = None
    unit: Annotated[
        str | None, Meta(description="The unit of `above` and `below`; else the metric's own.")
    ] = None
    window: Annotated[
        str | None,
        Meta(
            description="The statistic is that of all values of this long; else of the last ones.",
            examples=["5 min"],
        ),
    ] = None
    per: Annotated[
        str | None,
        Meta(
            description="What is judged is the change of the value per this long, over `window`.",
            examples=["1 h"],
        ),
    ] = None
    absent: Annotated[
        str | None,
        Meta(
            description="In the place of `above` and `below`: it holds when no value came for this "
            "long.",
            examples=["15 min"],
        ),
    ] = None
    held: Annotated[
        str | None,
        Meta(
            description="How long it must hold until the alert fires; else at once.",
            examples=["5 min"],
        ),
    ] = None
    cooldown: Annotated[
        str | None, Meta(description="How long the alert tells nothing new after it told.")
    ] = None
    severity: Annotated[Severity | None, Meta(description="How bad it is; else `warning`.")] = None
    enabled: Annotated[bool | None, Meta(description="Whether it is used.")] = None
    summary: Annotated[str | None, Meta(description="A sentence for the message.")] = None
    remedy: Annotated[str | None, Meta(description="What to type.")] = None
    runbook: Annotated[
        str | None,
        Meta(description="The address of what to do; else its section of `runbook_url`."),
    ] = None


class Receiver(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Who is told of alerts. Without any: the console and the log."""

    name: Annotated[str, Meta(description="Its name.", examples=["ops"])]
    type: Annotated[
        str,
        Meta(
            description="How it is told, see alerts.md: `alertmanager`, `apprise`, `console`, `log`, "
            "`webhook`, or one that an installed package provides (extending.md); its other keys are "
            "then that package's options.",
            examples=["webhook"],
        ),
    ]
    url: Annotated[
        str | None,
        Meta(
            description="For webhook and alertmanager the address, for apprise its URL.",
            examples=["https://hooks.example.org/flowhealth"],
        ),
    ] = None
    url_env: Annotated[
        str | None, Meta(description="The environment variable with the address, if it is secret.")
    ] = None
    secret_env: Annotated[
        str | None,
        Meta(
            description="The environment variable with the secret that signs a webhook's messages."
        ),
    ] = None
    token_env: Annotated[
        str | None,
        Meta(description="The environment variable with a token: `Authorization: Bearer`."),
    ] = None
    severities: Annotated[
        tuple[Severity, ...], Meta(description="Of which severities it is told.")
    ] = SEVERITIES
    components: Annotated[
        tuple[str, ...], Meta(description="Of which components it is told; else of all.")
    ] = ()
    remind: Annotated[
        str | None,
        Meta(description="How often it is told again of what still fires; else never."),
    ] = None
    escalate: Annotated[
        str | None,
        Meta(
            description="It is told only of what has fired for this long without anybody "
            "acknowledging it."
        ),
    ] = None
    timeout: Annotated[str, Meta(description="How long one delivery may take.")] = "10 s"
    options: dict[str, Any] = {}
    """The keys that another package's receiver understands; they stand in the table itself."""


class MaintenanceWindow(
    msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename={"start": "from"}
):
    """A time in which nobody is told of some alerts: a maintenance window."""

    match: Annotated[
        str,
        Meta(
            description="The names of alerts, with * and ?: checks by their ids, rules by theirs.",
            examples=["redis.*"],
        ),
    ]
    until: Annotated[
        datetime.datetime,
        Meta(description="Its end.", examples=["2026-12-01T04:00:00Z"], tz=True),
    ]
    start: Annotated[datetime.datetime | None, Meta(description="Its begin; else at once.")] = None
    reason: Annotated[str, Meta(description="Why.")] = ""
