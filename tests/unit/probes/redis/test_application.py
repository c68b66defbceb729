"""Which Redis a target uses, by its configuration, its environment and its packages."""

import json
from pathlib import Path
from typing import Any

import pytest

from pytest_flowhealth.config.model import Configuration, PackageSection, Redis
from pytest_flowhealth.config.target import Target
from pytest_flowhealth.errors import CheckFailed, MeasurementUnavailable, NotApplicable
from pytest_flowhealth.probes.redis.application import find_address
from tests.kit.projects import write

IOREDIS = {"dependencies": {"ioredis": "*"}}


def target(root: Path, package: dict[str, Any] | str | None, url: str | None = None) -> Target:
    if package is not None:
        text = package if isinstance(package, str) else json.dumps(package)
        (root / "package.json").write_text(text)
    sources = {"redis.url": "environment"} if url else {}
    return Target(root=root, config=Configuration(redis=Redis(url=url)), sources=sources)


@pytest.mark.parametrize("package", [None, "{", {"dependencies": {"express": "*"}}])
def test_a_configured_address_needs_no_package_json(tmp_path: Path, package: Any) -> None:
    found = find_address(target(tmp_path, package, "redis://:s3cret@h:6380/0"), {})
    assert found.place == "h:6380"
    assert found.origin == "redis.url from environment"
    assert "s3cret" not in repr(found)


@pytest.mark.parametrize(
    ("url", "authority"),
    [
        ("rediss://h", "ca.pem"),
        ("rediss+cluster://h", "ca.pem"),
        ("rediss://h?ssl_ca_certs=/own.pem", "/own.pem"),
        ("redis://h", None),
    ],
)
def test_the_configured_authority_is_used_unless_the_url_names_another(
    tmp_path: Path, url: str, authority: str | None
) -> None:
    config = Configuration(redis=Redis(url=url, ca="ca.pem"))
    found = find_address(Target(root=tmp_path, config=config), {}).options.get("ssl_ca_certs")
    assert found == (authority and str(tmp_path / authority))


@pytest.mark.parametrize("name", ["redis", "ioredis", "bullmq", "@redis/client", "connect-redis"])
@pytest.mark.parametrize("field", ["dependencies", "devDependencies", "optionalDependencies"])
def test_a_client_in_the_dependencies_means_the_usual_address(
    tmp_path: Path, name: str, field: str
) -> None:
    found = find_address(target(tmp_path, {field: {name: "*"}}), {})
    assert found.place == "127.0.0.1:6379"
    assert f"`{name}`" in found.origin


def test_a_client_in_a_workspace_or_in_the_configuration_counts(tmp_path: Path) -> None:
    (tmp_path / "packages/a").mkdir(parents=True)
    (tmp_path / "packages/a/package.json").write_text('{"dependencies": {"ioredis": "*"}}')
    found = find_address(target(tmp_path, {"workspaces": ["packages/*"]}), {})
    assert "`ioredis` is in the dependencies of packages/a" in found.origin
    critical = PackageSection(critical=("express", "redis"))
    found = find_address(Target(tmp_path, Configuration(package=critical)), {})
    assert "`redis` is a critical dependency" in found.origin


@pytest.mark.parametrize(
    "package", [{}, {"dependencies": {"redis-mock": "*"}}, {"peerDependencies": {"redis": "*"}}]
)
def test_a_target_without_a_client_has_no_redis(tmp_path: Path, package: dict[str, Any]) -> None:
    with pytest.raises(NotApplicable, match="no Redis client"):
        find_address(target(tmp_path, package), {})


@pytest.mark.parametrize("package", [None, "{", '{"dependencies": []}'])
def test_a_broken_package_json_leaves_it_unknown(tmp_path: Path, package: str | None) -> None:
    with pytest.raises(MeasurementUnavailable, match="whether this target uses Redis is not known"):
        find_address(target(tmp_path, package), {})


@pytest.mark.parametrize(
    ("environ", "place", "origin"),
    [
        ({"REDIS_URL": "redis://a:1/2"}, "a:1", "environment REDIS_URL"),
        ({"REDIS_URI": "rediss://a"}, "a:6379", "environment REDIS_URI"),
        ({"REDIS_TLS_URL": "rediss://a:7"}, "a:7", "environment REDIS_TLS_URL"),
        ({"REDIS_HOST": "a", "REDIS_PORT": "7"}, "a:7", "environment REDIS_HOST, REDIS_PORT"),
        ({"REDIS_HOST": "a"}, "a:6379", "environment REDIS_HOST"),
        ({"REDIS_PORT": "7"}, "localhost:7", "environment REDIS_PORT"),
        ({"REDIS_HOST": "::1"}, "[::1]:6379", "environment REDIS_HOST"),
        ({"REDISHOST": "a", "REDISPORT": "7"}, "a:7", "environment REDISHOST, REDISPORT"),
        ({"REDIS_URL": " "}, "127.0.0.1:6379", "assumed, since `ioredis` is in the dependencies"),
    ],
)
def test_the_applications_variables_name_its_redis(
    tmp_path: Path, environ: dict[str, str], place: str, origin: str
) -> None:
    found = find_address(target(tmp_path, IOREDIS), environ)
    assert (found.place, found.contradictions) == (place, ())
    assert found.origin.startswith(origin)
    assert found.assumed is origin.startswith("assumed")


def test_each_part_of_an_address_may_be_a_variable(tmp_path: Path) -> None:
    environ = {"HOST": "h", "PASSWORD": "p@s/s", "USERNAME": "u", "DB": "3", "TLS": "true"}
    variables = {f"REDIS_{name}": value for name, value in environ.items()}
    found = find_address(target(tmp_path, IOREDIS), variables)
    assert (found.username, found.database, found.tls) == ("u", 3, True)
    assert found.password
    assert found.password.reveal() == "p@s/s"
    assert "p@s" not in repr(found)
    assert "p%40s" not in repr(found)
    assert not find_address(target(tmp_path, IOREDIS), {**variables, "REDIS_TLS": "false"}).tls


@pytest.mark.parametrize("value", ["6379a", "99999", "tcp://"])
def test_a_port_that_is_none_is_reported_by_the_check(tmp_path: Path, value: str) -> None:
    with pytest.raises(CheckFailed, match=r"REDIS_PORT \(environment\) is no number"):
        find_address(target(tmp_path, IOREDIS), {"REDIS_PORT": value})


def test_a_port_that_kubernetes_sets_is_an_address(tmp_path: Path) -> None:
    link = {"REDIS_PORT": "tcp://10.0.0.1:6380"}
    found = find_address(target(tmp_path, IOREDIS), link)
    assert (found.place, found.contradictions) == ("10.0.0.1:6380", ())
    found = find_address(target(tmp_path, IOREDIS), {**link, "REDIS_HOST": "h"})
    assert found.place == "h:6380"
    assert "Kubernetes" in found.contradictions[0]


@pytest.mark.parametrize(
    ("environ", "contradicts"),
    [
        ({"REDIS_URL": "redis://b:1"}, "environment REDIS_URL names b:1"),
        ({"REDIS_HOST": "b"}, "environment REDIS_HOST names b:6379"),
        ({"REDIS_URL": "redis://a:1/5"}, None),
        ({"REDIS_HOST": "a", "REDIS_PORT": "1"}, None),
        ({"REDIS_PORT": "nonsense"}, None),
    ],
)
def test_another_address_in_the_environment_contradicts_the_configured_one(
    tmp_path: Path, environ: dict[str, str], contradicts: str | None
) -> None:
    found = find_address(target(tmp_path, IOREDIS, "redis://a:1/0"), environ)
    assert found.place == "a:1"
    assert [text for text in found.contradictions if contradicts and contradicts in text] == list(
        found.contradictions
    )
    assert bool(found.contradictions) is bool(contradicts)


def test_names_of_this_machine_are_the_same(tmp_path: Path) -> None:
    local = {"REDIS_URL": "redis://127.0.0.1:6379"}
    found = find_address(target(tmp_path, IOREDIS, "redis://localhost:6379/0"), local)
    assert found.contradictions == ()


COMPOSE = """
services:
  app:
    environment: {REDIS_HOST: cache, OTHER: x}
  cache:
    image: docker.io/library/redis:7-alpine
    ports: ["6380:6379"]
"""


def test_a_compose_file_contradicts_the_assumed_address(tmp_path: Path) -> None:
    write(tmp_path, {"docker-compose.yml": COMPOSE})
    found = find_address(target(tmp_path, IOREDIS), {})
    assert found.contradictions == (
        "docker-compose.yml sets REDIS_HOST=cache for the service app",
        "docker-compose.yml publishes the port 6380 for its Redis, the service cache",
    )
    usual = COMPOSE.replace("cache, OTHER", "localhost, OTHER").replace("6380:", "6379:")
    write(tmp_path, {"docker-compose.yml": usual})
    assert find_address(target(tmp_path, IOREDIS), {}).contradictions == ()


def test_a_host_that_is_a_service_of_a_compose_file_is_known_in_its_network_only(
    tmp_path: Path,
) -> None:
    write(tmp_path, {"compose.yaml": COMPOSE})
    found = find_address(target(tmp_path, IOREDIS), {"REDIS_HOST": "cache"})
    assert found.unreachable == (
        "`cache` is a service of compose.yaml, known in its network only, published here as "
        "127.0.0.1:6380"
    )
    write(tmp_path, {"compose.yaml": ": no"})
    assert find_address(target(tmp_path, IOREDIS), {"REDIS_HOST": "cache"}).unreachable == ""


@pytest.mark.parametrize(
    ("environ", "options"),
    [
        ({}, {}),
        ({"NODE_EXTRA_CA_CERTS": __file__}, {"ssl_ca_certs": __file__}),
        ({"NODE_EXTRA_CA_CERTS": "/nowhere"}, {}),
        ({"NODE_TLS_REJECT_UNAUTHORIZED": "0"}, {"ssl_cert_reqs": "none"}),
    ],
)
def test_tls_follows_the_variables_that_node_reads(
    tmp_path: Path, environ: dict[str, str], options: dict[str, str]
) -> None:
    found = find_address(target(tmp_path, IOREDIS), {"REDIS_URL": "rediss://h", **environ})
    assert found.options == options
