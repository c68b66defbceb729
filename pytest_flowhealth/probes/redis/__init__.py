"""Measure the Redis that an application uses: reachability, latency, throughput, its own statistics.

`RedisProbe` is the entry point; the fixture `redis_probe` is the one of the checked target. Names
are imported when they are first used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_flowhealth.lazy_names import make_getattr

if TYPE_CHECKING:
    from pytest_flowhealth.probes.redis.address import RedisAddress
    from pytest_flowhealth.probes.redis.descriptions import describe_lag, describe_waste
    from pytest_flowhealth.probes.redis.info import ServerState, SlowCommand
    from pytest_flowhealth.probes.redis.load import Latency, Throughput
    from pytest_flowhealth.probes.redis.probe import RedisProbe, RoundTrip
    from pytest_flowhealth.probes.redis.topology import NodeView

__all__ = [
    "Latency",
    "NodeView",
    "RedisAddress",
    "RedisProbe",
    "RoundTrip",
    "ServerState",
    "SlowCommand",
    "Throughput",
    "describe_lag",
    "describe_waste",
]

_MODULES = {
    "Latency": "load",
    "NodeView": "topology",
    "RedisAddress": "address",
    "RedisProbe": "probe",
    "RoundTrip": "probe",
    "ServerState": "info",
    "SlowCommand": "info",
    "Throughput": "load",
    "describe_lag": "descriptions",
    "describe_waste": "descriptions",
}

__getattr__ = make_getattr(__name__, _MODULES)
