"""Every form of an address, beside what the real clients for Node make of it."""

import json
import os
import subprocess
from pathlib import Path

import pytest

from pytest_flowhealth.config.target import Target
from pytest_flowhealth.errors import CheckFailed, MeasurementUnavailable
from pytest_flowhealth.probes.redis import RedisProbe, client_address
from pytest_flowhealth.probes.redis.application import find_address
from pytest_flowhealth.probes.redis.probe import MAX_TIMEOUT
from tests.kit.projects import npm, write
from tests.kit.redis import RedisServer
from tests.kit.runs import PASSWORD, run_components
from tests.kit.sharing import shared_folder

PING = """
// An error that nothing catches, as that of SELECT, would end the application. It is in before the
// answer to PING, and is raised before the next turn of the loop.
const [name, ...urls] = process.argv.slice(2);
const client = require(name);
const waits = { connectTimeout: 600000 };
const open = {
  ioredis: (url) => new client(url,
    { retryStrategy: null, maxRetriesPerRequest: 0, lazyConnect: true, ...waits }),
  redis: (url) => client.createClient({ url, socket: { reconnectStrategy: false, ...waits } }),
};
const reach = (url) => new Promise((resolve) => {
  process.removeAllListeners("uncaughtException").on("uncaughtException", () => resolve(false));
  (async () => {
    const opened = open[name](url).on("error", () => {});
    await opened.connect();
    await opened.ping();
    setImmediate(() => resolve(true));
  })().catch(() => resolve(false));
});
(async () => {
  const reached = [];
  for (const url of urls) reached.push(await reach(url));
  process.stdout.write(JSON.stringify(reached), () => process.exit());
})();
"""

FORMS = (
    *("redis://127.0.0.1:{port}/1", "redis://127.0.0.1:{port}/abc", "127.0.0.1:{port}", "{port}"),
    *("{socket}?db=2", "{socket}?db=x", "//127.0.0.1:{port}/1", "localhost:{port}/1", "h:99999"),
    *("redis://127.0.0.1:{port}?family=4", "redis://127.0.0.1:{port}/0?family=6"),
    *("redis://:@127.0.0.1:{port}", "redis://127.0.0.1:{port}?password=x", "redis://[::1]:{port}"),
    *("REDIS://127.0.0.1:{port}", "redis:///127.0.0.1:{port}", "valkey://127.0.0.1:{port}"),
    "http://127.0.0.1:{port}",
)


@pytest.fixture(scope="session")
def clients(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a project with ioredis and node-redis, installed once for all workers."""

    def install(folder: Path) -> None:
        write(folder, {"ping.cjs": PING}, name="clients", version="1.0.0")
        npm(folder, "install", "--ignore-scripts", "ioredis@^5", "redis@^5")

    return shared_folder(tmp_path_factory, "redis-clients", install)


def project(clients: Path, folder: Path, *names: str) -> Target:
    """Return a target whose only installed clients are these."""
    dependencies = json.dumps({"dependencies": dict.fromkeys(names, "*")})
    write(folder, {"package.json": dependencies})
    (folder / "node_modules").mkdir()
    for entry in (clients / "node_modules").iterdir():
        if entry.name not in {"ioredis", "redis"} - set(names):
            (folder / "node_modules" / entry.name).symlink_to(entry)
    return Target(root=folder)


@pytest.mark.parametrize("name", ["ioredis", "redis"])
def test_an_address_is_reached_exactly_if_the_applications_client_reaches_it(
    clients: Path, tmp_path: Path, name: str
) -> None:
    target = project(clients, tmp_path / "app", name)
    socket = tmp_path / "s.sock"
    with RedisServer(tmp_path / "r", "--unixsocket", str(socket)) as server:
        urls = [form.format(port=server.port, socket=socket) for form in FORMS]
        argv = ["node", "ping.cjs", name, *urls]
        reached = json.loads(subprocess.check_output(argv, cwd=clients))
        assert {url: _is_reached(target, url) for url in urls} == dict(
            zip(urls, reached, strict=True)
        )


def _is_reached(target: Target, url: str) -> bool:
    try:
        address = find_address(target, {"REDIS_URL": url})
        # A busy machine changes nothing: whatever is refused is refused at once.
        RedisProbe(address, timeout=MAX_TIMEOUT).connect_latency(1)
    except CheckFailed:
        return False
    return True


@pytest.mark.parametrize("program", ["exec sleep 600", "echo oops >&2; exit 1"])
def test_a_client_that_gives_no_answer_leaves_the_address_unknown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, program: str
) -> None:
    node = write(tmp_path, {"bin/node": f"#!/bin/sh\n{program}\n"}) / "bin/node"
    node.chmod(0o755)
    monkeypatch.setenv("PATH", f"{node.parent}:{os.environ['PATH']}")
    if "sleep" in program:
        monkeypatch.setattr(client_address, "SECONDS", 0.5)
    write(tmp_path, {"package.json": '{"dependencies": {"ioredis": "*"}}'})
    with pytest.raises(MeasurementUnavailable):
        find_address(Target(root=tmp_path), {"REDIS_URL": "redis://127.0.0.1:7001/abc"})


@pytest.mark.parametrize("form", ["127.0.0.1:{port}", "{port}", "valkey://:pw@127.0.0.1:{port}/2"])
def test_without_an_installed_client_a_short_form_is_read_too(tmp_path: Path, form: str) -> None:
    write(tmp_path, {"package.json": '{"dependencies": {"ioredis": "*"}}'})
    found = find_address(Target(root=tmp_path), {"REDIS_URL": form.format(port=7001)})
    assert found.place.endswith(":7001")


def test_an_env_file_names_the_redis_and_the_environment_takes_precedence(
    redis: RedisServer, tmp_path: Path
) -> None:
    files = {
        "package.json": '{"name": "app", "dependencies": {"ioredis": "*"}}',
        ".env": f'REDIS_URL="redis://127.0.0.1:{redis.port}" # the cache\nREDIS_PASSWORD={PASSWORD}\n',
    }
    write(tmp_path, files)
    run = run_components(tmp_path, "redis")
    run.assert_healthy()
    assert run.check("redis.connect")["details"]["origin"] == ".env REDIS_URL, REDIS_PASSWORD"
    assert run.shows(f"redis: redis://127.0.0.1:{redis.port} (.env REDIS_URL, REDIS_PASSWORD)")
    run = run_components(tmp_path, "redis", env={"REDIS_URL": "redis://127.0.0.1:1"})
    run.assert_fault("redis.connect", 2, "environment REDIS_URL")


def test_the_env_file_that_the_start_script_names_is_read(tmp_path: Path) -> None:
    package = {
        "dependencies": {"ioredis": "*"},
        "scripts": {"dev": "node --env-file=.env a.js", "start": "node --env-file=prod.env a.js"},
    }
    write(
        tmp_path,
        {
            "package.json": json.dumps(package),
            ".env": "REDIS_PORT=1\n",
            "prod.env": "REDIS_HOST=a\nREDIS_PORT=2\n",
        },
    )
    found = find_address(Target(root=tmp_path), {"REDIS_PORT": "3"})
    assert (found.place, found.origin) == ("a:3", "prod.env and environment REDIS_HOST, REDIS_PORT")


def test_an_env_file_against_the_configured_address_warns(
    redis: RedisServer, tmp_path: Path
) -> None:
    write(
        tmp_path,
        {
            "flowhealth.toml": f'[redis]\nurl = "redis://127.0.0.1:{redis.port}"\n',
            "package.json": '{"name": "app", "dependencies": {"ioredis": "*"}}',
            ".env": "REDIS_HOST=cache.internal\n",
        },
    )
    run = run_components(tmp_path, "redis")
    run.assert_fault("redis.connect", 1, ".env REDIS_HOST names cache.internal:6379")
