"""The component `redis` by the whole command on each form of address, and across workers."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest

from tests.kit.redis import (
    RedisServer,
    Sentinel,
    certificate,
    closed_port,
    cluster,
    free_port,
    tls_arguments,
)
from tests.kit.runs import PASSWORD, Run, run_components


@pytest.fixture
def check(tmp_path: Path) -> Callable[..., Run]:
    """Return a function that runs the checks of Redis against an address."""

    def run(url: str, *args: str, **env: str) -> Run:
        variables = {"FLOWHEALTH_REDIS_URL": url, **env}
        return run_components(tmp_path, "redis", args=args, env=variables)

    return run


@pytest.fixture(scope="module")
def addresses(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mapping[str, str]]:
    """Start Redis in every form, and yield an address of each."""
    folder = tmp_path_factory.mktemp("forms")
    cert, key = certificate(folder / "ca")
    port = free_port()
    arguments = (*tls_arguments(cert, key, port), "--unixsocket", "s.sock")
    with (
        RedisServer(folder / "one", *arguments, password=PASSWORD) as one,
        Sentinel(folder / "sentinel", one) as sentinel,
        cluster(folder / "cluster") as nodes,
    ):
        yield {
            "tls": f"rediss://:{PASSWORD}@127.0.0.1:{port}/1?ssl_ca_certs={cert}",
            "own authority": f"rediss://:{PASSWORD}@127.0.0.1:{port}/1",
            "authority": str(cert),
            "socket": f"unix://:{PASSWORD}@{one.folder}/s.sock?db=2",
            "sentinel": f"redis+sentinel://:{PASSWORD}@127.0.0.1:{sentinel.port}/mymaster",
            "cluster": f"redis+cluster://127.0.0.1:{nodes[0].port},127.0.0.1:{nodes[1].port}",
        }


@pytest.mark.parametrize("form", ["tls", "socket", "sentinel", "cluster"])
def test_redis_is_healthy_in_every_form(
    addresses: Mapping[str, str], check: Callable[..., Run], form: str
) -> None:
    run = check(addresses[form])

    run.assert_healthy()
    assert run.outcomes["redis.topology"] == ("pass" if "+" in addresses[form] else "skip")


def test_an_authority_of_its_own_is_configured(
    addresses: Mapping[str, str], check: Callable[..., Run]
) -> None:
    own = addresses["own authority"]
    check(own, FLOWHEALTH_REDIS_CA=addresses["authority"]).assert_healthy()

    check(own).assert_fault("redis.connect", 2, "certificate")


def test_a_server_that_is_down_is_the_root_cause_across_workers(check: Callable[..., Run]) -> None:
    run = check(f"redis://127.0.0.1:{closed_port()}/0", "-n", "2")

    # What needs no server to know that it does not apply may have been skipped before that.
    after = set(run.outcomes) - {"redis.connect", "redis.topology"}
    run.assert_fault("redis.connect", 2, "no Redis listens at", blocked=after)
    assert run.outcomes["redis.topology"] == "skip"
    assert len(run.reasons) == 1
