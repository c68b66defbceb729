"""A password appears in no output. Every run of these tests looks for it; see `run_pytest`."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.kit.app import App
from tests.kit.redis import RedisServer, free_port
from tests.kit.runs import PASSWORD, RunHealth

ONLY = ("--health-component", "redis")
OWN = """\
import logging
import os
import warnings
import pytest

@pytest.mark.health("own")
def test_leak(health, target):
    url = os.environ["FLOWHEALTH_REDIS_URL"]
    print(url)
    logging.getLogger().error(url)
    warnings.warn(url)
    health.detail(url=url, **{"a key " + url: [url]})
    health.warn(f"at {url}")
    health.remedy(f"redis-cli -u {url}")
    raise RuntimeError(f"no answer from {url} of {target.config.redis!r}")
"""


@pytest.mark.parametrize("how", ["environment", "file", "REDIS_URL"])
@pytest.mark.parametrize("whole", [True, False], ids=["well", "down"])
def test_password(app: App, run_health: RunHealth, tmp_path: Path, how: str, whole: bool) -> None:
    with RedisServer(tmp_path / "redis", password=PASSWORD) as server:
        url = server.url
        if not whole:
            server.stop()
        env: dict[str, str | None] = {"FLOWHEALTH_REDIS_URL": None}
        if how == "file":
            app.configure(f'[redis]\nurl = "{url}"\n')
        else:
            env |= {"FLOWHEALTH_REDIS_URL" if how == "environment" else how: url}
        run = run_health(app, *ONLY, "-vv", "-rA", env=env)

    assert run.exit_code == (0 if whole else 2), run.text
    assert "***" in str(run.check("redis.connect"))


@pytest.mark.parametrize(
    "form",
    [
        "redis://:{0}@{1}:99999/0",
        "redis://u:{0}@[{1}/0",
        "redis:/{0}@{1}",
        "redis://{0}@@{1}",
        "{0}",
    ],
)
def test_address_that_is_none(app: App, run_health: RunHealth, form: str) -> None:
    """Even what can't be understood is not repeated where it may hold a password."""
    url = form.format(f"pass:{PASSWORD}" if "/{0}@" in form else PASSWORD, "127.0.0.1")

    run = run_health(app, *ONLY, env={"FLOWHEALTH_REDIS_URL": url})

    assert run.exit_code in {2, 3, 4}, run.text


@pytest.mark.parametrize("arguments", [(), ("-vv", "-l", "-rA"), ("-n", "2")])
def test_check_that_tells_it(
    app: App, run_health: RunHealth, redis: RedisServer, arguments: tuple[str, ...]
) -> None:
    app.write("health/test_own.py", OWN)
    app.write("flowhealth.toml", 'checks = ["health/"]\n' + app.read("flowhealth.toml"))
    url = f"redis://user:{PASSWORD}@127.0.0.1:{free_port()}/0"

    run = run_health(app, *arguments, env={"FLOWHEALTH_REDIS_URL": url})

    assert run.outcomes["own.leak"] == "fail"
    assert "no answer from redis://user:***@" in run.check("own.leak")["message"]


def test_bundled_checks_print_nothing_themselves(
    app: App, run_health: RunHealth, redis: RedisServer
) -> None:
    """With -s, what a check prints is shown as it is: its author's affair, but not ours."""
    run = run_health(app, "-s", env={"FLOWHEALTH_REDIS_URL": redis.url_of(password=PASSWORD)})

    run.assert_fault("redis.connect", 2)


def test_configuration_error(app: App, run_health: RunHealth) -> None:
    app.write("flowhealth.toml", f'[redis]\nurl = "redis://:{PASSWORD}@localhost"\nulr = 1\n')

    run = run_health(app)

    assert run.exit_code == 4, run.text


def test_file_that_can_not_be_parsed(app: App, run_health: RunHealth) -> None:
    """A parser's message may quote the line; the password in a URL there is hidden."""
    app.write("config/app.json", f'{{"url": "redis://:{PASSWORD}@localhost" oops\n')

    run = run_health(app, "--health-component", "configuration")

    run.assert_fault("configuration.files", 2, "config/app.json")


def test_registry_token(app: App, run_health: RunHealth) -> None:
    """Npm's own messages name the registry, and its user part."""
    address = f"http://user:{PASSWORD}@127.0.0.1:1/"

    run = run_health(
        app, "--health-component", "dependencies", env={"npm_config_registry": address}
    )

    run.assert_fault("dependencies.audit", 1)
