"""The Redis that the application uses: reachable, answering, and taking what is written.

Its address is redis.url of the configuration; else the usual local one, where a
package of the target depends on a Redis client; else there is none to look at.
"""

import pytest

from pytest_flowhealth import Answer, Health, Target, answer
from pytest_flowhealth.probes import redis_address
from pytest_flowhealth.probes.redis import RedisProbe
from pytest_flowhealth.verdict.units import parse_duration

LONGEST = 60.0
"""Seconds of redis.timeout that a check waits for at most."""

OLDEST = (6, 2)
"""The oldest version that BullMQ's documentation calls fully compatible (docs.bullmq.io)."""


def probe_of(target: Target) -> RedisProbe:
    """Return the probe of the Redis that the target uses."""
    settings = target.config.redis
    return RedisProbe(
        redis_address.of_target(target),
        timeout=min(LONGEST, parse_duration(settings.timeout)),
        prefix=settings.prefix,
    )


@answer(quiet=True)
def redis_connect(target: Target) -> tuple[float, ...]:
    """Milliseconds of a few fresh connections up to their first answer."""
    return probe_of(target).connect()


@pytest.mark.health("redis", timeout=65)
@pytest.mark.threshold("connect", warn=10, fail=100, unit="ms")
def test_connect(health: Health, target: Target, redis_connect: Answer[tuple[float, ...]]) -> None:
    """A fresh connection, with its password and database, gets its first answer in time."""
    address = redis_address.of_target(target)
    health.detail(address=address.shown, given_by=address.origin)
    health.remedy("redis-cli --latency shows whether the server or the network is slow")
    health.measure("connect", redis_connect(), unit="ms")


@pytest.mark.health("redis", requires="redis.connect", timeout=65)
def test_ping(target: Target) -> None:
    """PING is answered with PONG."""
    probe_of(target).ping()


@pytest.mark.health("redis", requires="redis.connect", timeout=65)
def test_roundtrip(target: Target) -> None:
    """SET, GET and DEL of one key of our own, which expires by itself after 10 s."""
    probe_of(target).roundtrip()


@pytest.mark.health(
    "redis",
    critical=False,
    requires="redis.connect",
    timeout=65,
    remedy="upgrade Redis to a supported release: redis.io/downloads",
)
def test_version(health: Health, target: Target) -> None:
    """Warns below 6.2, the oldest release that BullMQ documents as fully compatible."""
    server = probe_of(target).info()
    health.detail(version=server.version, mode=server.mode, role=server.role)
    major_minor = tuple(int(part) for part in server.version.split(".")[:2] if part.isdigit())
    if major_minor < OLDEST:
        health.warn(f"Redis {server.version} is older than 6.2, and no longer supported")
