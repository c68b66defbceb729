"""Which source a target's [fleet] names, with its address and limits."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Protocol

from pytest_flowhealth.errors import CheckFailed, NotApplicable
from pytest_flowhealth.probes.fleet.snapshot import Snapshot
from pytest_flowhealth.probes.fleet.sources import redis_reading
from pytest_flowhealth.probes.fleet.sources.bee_queue import BeeQueue
from pytest_flowhealth.probes.fleet.sources.command import Command
from pytest_flowhealth.probes.fleet.sources.extension import ExtensionSource
from pytest_flowhealth.probes.fleet.sources.fetch import WebAddress
from pytest_flowhealth.probes.fleet.sources.http import HttpSource
from pytest_flowhealth.probes.fleet.sources.job_queue import LAYOUTS, JobQueue
from pytest_flowhealth.probes.fleet.sources.prometheus import Prometheus
from pytest_flowhealth.probes.fleet.sources.redis_swarm import RedisSwarm
from pytest_flowhealth.probes.fleet.sources.swarm_keys import SwarmKeys

if TYPE_CHECKING:
    from pytest_flowhealth.config.target import Target

NONE = "no fleet is configured: [fleet] source in flowhealth.toml names what its records are in"
"""Why there is nothing to look at."""

REDIS_SOURCES = ("redis-swarm", "bullmq", "bull", "bee-queue")
"""Sources whose records are in a Redis."""

LONGEST_ANSWER = 15.0
"""Seconds of fleet.timeout that are waited for at most."""

LONGEST_READING = 20.0
"""Seconds that reading a Redis may take."""

LONGEST_LISTENING = 10.0
"""Seconds of fleet.listen at most."""


class Source(Protocol):
    """What a snapshot is read from."""

    @property
    def name(self) -> str:
        """As `fleet.source` has it."""

    @property
    def place(self) -> str:
        """Where it reads, without secrets."""

    def read(self) -> Snapshot:
        """Return what it tells now."""


def of_target(
    target: Target, environ: Mapping[str, str] = os.environ, *, listen: bool = True
) -> Source:
    """Return the source that a target's [fleet] names.

    Args:
        target: The target.
        environ: Where fleet.token_env is looked up.
        listen: Whether events are listened to, which takes its time.

    Raises:
        NotApplicable: None is configured.
        CheckFailed: What it needs is not configured, or can't be meant.
        MeasurementUnavailable: Whether the target uses Redis can't be told.
    """
    name = target.config.fleet.source
    if name is None:
        raise NotApplicable(NONE)
    if name in REDIS_SOURCES:
        return _of_redis(target, listen=listen)
    if name == "command":
        return _program(target)
    if name in ("http", "prometheus"):
        return _of_web(target, environ)
    return ExtensionSource(name, target)


def reads_redis(target: Target) -> bool:
    """Tell whether the records are in the Redis that `redis.url` names."""
    settings = target.config.fleet
    ours = settings.url is None or settings.url == target.config.redis.url
    return settings.source in REDIS_SOURCES and ours


def _of_redis(target: Target, *, listen: bool) -> Source:
    settings = target.config.fleet
    records = redis_reading.Records(
        redis_reading.find_records_address(target),
        timeout=_timeout(target),
        longest=LONGEST_READING,
    )
    if settings.source == "bee-queue":
        return BeeQueue(records, settings.queue, prefix=settings.prefix or "bq")
    if settings.source in LAYOUTS:
        layout, prefix = LAYOUTS[settings.source], settings.prefix or "bull"
        return JobQueue(
            records, settings.queue, layout=layout, prefix=prefix, window=settings.window
        )
    listening = min(LONGEST_LISTENING, settings.listen) if listen else 0.0
    return RedisSwarm(
        records, SwarmKeys(settings.keys), window=settings.window, listening=listening
    )


def _program(target: Target) -> Source:
    settings = target.config.fleet
    if not settings.command:
        raise _missing("command", '["node", "scripts/fleet.js"]')
    return Command(settings.command, target.root, settings.fields, timeout=_timeout(target))


def _of_web(target: Target, environ: Mapping[str, str]) -> Source:
    settings = target.config.fleet
    if settings.url is None or not settings.url.startswith(("http://", "https://")):
        raise _missing("url", '"http://localhost:3001/api/fleet"')
    token = None
    if settings.token_env is not None:
        token = environ.get(settings.token_env, "").strip()
        if not token:
            raise CheckFailed(
                f"the variable {settings.token_env}, which fleet.token_env names, is not set",
                remedy=f"export {settings.token_env}=TOKEN",
            )
    place = WebAddress(settings.url, token, _timeout(target))
    if settings.source == "http":
        return HttpSource(place, settings.fields)
    return Prometheus(place, settings.fields, promql=settings.promql)


def _timeout(target: Target) -> float:
    return min(LONGEST_ANSWER, target.config.fleet.timeout)


def _missing(key: str, example: str) -> CheckFailed:
    return CheckFailed(
        f"the fleet's source needs fleet.{key}",
        remedy=f"set it in flowhealth.toml: [fleet] {key} = {example}",
    )
