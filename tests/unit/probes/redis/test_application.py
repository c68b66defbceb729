"""Which Redis a target uses, by its configuration, its environment and its packages."""

import json
from pathlib import Path
from typing import Any

import pytest

from pytest_flowhealth.config.model import Configuration, PackageSection, Redis
from pytest_flowhealth.config.target import Target
from pytest_flowhealth.errors import CheckFailed, MeasurementUnavailable, NotApplicable
from pytest_flowhealth.probes.redis import variables
from pytest_flowhealth.probes.redis.application import find_address
from tests.kit.projects import write

IOREDIS = {"dependencies": {"ioredis": "*"}}


@pytest.fixture
def env_files_read_without_node(monkeypatch: pytest.MonkeyPatch) -> None:
    """Read `.env` files here, line by line: how Node reads them is tested elsewhere."""

    def read(path: Path) -> dict[str, str]:
        return dict(line.split("=", 1) for line in path.read_text().splitlines())

    monkeypatch.setattr(variables, "read_env_file", read)


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


@pytest.mark.parametrize(
    ("files", "environ", "place", "origin", "contradicts"),
    [
        ({".env.local": "REDIS_PORT=7"}, {}, "localhost:7", ".env.local REDIS_PORT", ""),
        ({".env.test": "REDIS_PORT=7"}, {"NODE_ENV": "test"}, "localhost:7", ".env.test", ""),
        ({".env.test": "REDIS_PORT=7"}, {}, "127.0.0.1:6379", "assumed", ""),
        (
            {".env": "REDIS_PORT=7", ".env.local": "REDIS_PORT=8"},
            *({}, "localhost:7", ".env REDIS_PORT", ".env.local REDIS_PORT names localhost:8"),
        ),
        ({".env": "QUEUE_REDIS_HOST=a"}, {}, "a:6379", ".env QUEUE_REDIS_HOST", ""),
        ({".env": "CACHE_URL=redis://a:7/1"}, {}, "a:7", ".env CACHE_URL", ""),
        (
            {".env": "CACHE_URL=redis://a:7\nJOBS_URL=redis://b:7"},
            *({}, "a:7", ".env CACHE_URL", ".env JOBS_URL names b:7"),
        ),
        ({".env": "CACHE_URL=redis://a:7"}, {"REDIS_HOST": "b"}, "b:6379", "environment", ""),
        (
            {".env": "REDIS_SENTINELS=a:1,b:1"},
            *({}, "127.0.0.1:6379", "assumed", ".env sets REDIS_SENTINELS"),
        ),
        ({".env": "REDISINSIGHT_PORT=5540"}, {}, "127.0.0.1:6379", "assumed", ""),
        ({".env": "REDIS_SOCKET=/run/r.sock"}, {}, "/run/r.sock", ".env REDIS_SOCKET", ""),
    ],
)
def test_an_address_is_found_in_other_files_and_variables(
    tmp_path: Path,
    files: dict[str, str],
    environ: dict[str, str],
    place: str,
    origin: str,
    contradicts: str,
    env_files_read_without_node: None,
) -> None:
    write(tmp_path, files)
    found = find_address(target(tmp_path, IOREDIS), environ)
    assert found.place == place
    assert found.origin.startswith(origin)
    assert [contradicts in text for text in found.contradictions] == [True] * bool(contradicts)


def test_a_framework_that_reads_env_local_lets_it_take_precedence(
    tmp_path: Path, env_files_read_without_node: None
) -> None:
    write(tmp_path, {".env": "REDIS_PORT=7", ".env.local": "REDIS_PORT=8"})
    package = {"dependencies": {"ioredis": "*", "next": "*"}}
    assert find_address(target(tmp_path, package), {}).place == "localhost:8"


def test_a_workspace_that_needs_redis_has_an_env_file_of_its_own(
    tmp_path: Path, env_files_read_without_node: None
) -> None:
    write(tmp_path, {"apps/a/package.json": json.dumps(IOREDIS), "apps/a/.env": "REDIS_PORT=7"})
    found = find_address(target(tmp_path, {"workspaces": ["apps/*"]}), {})
    assert (found.place, found.origin) == ("localhost:7", "apps/a/.env REDIS_PORT")


@pytest.mark.parametrize(
    ("script", "place"),
    [
        ("REDIS_PORT=7 node a.js", "localhost:7"),
        ("cross-env REDIS_PORT=7 NODE_ENV=production node a.js", "localhost:7"),
        ("export REDIS_PORT=7 && node a.js", "localhost:7"),
        ("node a.js REDIS_PORT=7", "127.0.0.1:6379"),
        ("REDIS_PORT=$PORT node a.js", "127.0.0.1:6379"),
        ("node 'a.js", "127.0.0.1:6379"),
    ],
)
def test_the_start_script_may_set_the_variables(tmp_path: Path, script: str, place: str) -> None:
    package = {**IOREDIS, "scripts": {"start": script}}
    assert find_address(target(tmp_path, package), {}).place == place


@pytest.mark.parametrize(
    ("environ", "password", "forgiving"),
    [
        ({"REDIS_URL": "redis://a"}, "s3cret", True),
        ({"REDIS_URL": "redis://:own@a"}, "own", False),
        ({"REDIS_HOST": "a"}, "s3cret", False),
        ({}, "s3cret", False),
    ],
)
def test_the_password_may_be_a_variable_beside_the_address(
    tmp_path: Path, environ: dict[str, str], password: str, forgiving: bool
) -> None:
    package = {"dependencies": {"redis": "*"}}
    found = find_address(target(tmp_path, package), {**environ, "REDIS_PASSWORD": "s3cret"})
    assert found.password
    assert (found.password.reveal(), found.forgiving) == (password, forgiving)
    assert found.assumed is not bool(environ)


def test_each_part_of_an_address_may_be_a_variable(tmp_path: Path) -> None:
    environ = {"HOST": "h", "PASSWORD": "p@s/s", "USERNAME": "u", "DB": "3", "TLS": "true"}
    named = {f"REDIS_{name}": value for name, value in environ.items()}
    found = find_address(target(tmp_path, IOREDIS), named)
    assert (found.username, found.database, found.tls) == ("u", 3, True)
    assert found.password
    assert found.password.reveal() == "p@s/s"
    assert "p@s" not in repr(found)
    assert "p%40s" not in repr(found)
    assert not find_address(target(tmp_path, IOREDIS), {**named, "REDIS_TLS": "false"}).tls


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
