"""A password appears in no output. Every run of these tests looks for it; see `run_pytest`."""

from collections.abc import Iterator

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


@pytest.fixture(scope="module")
def locked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    """Start a Redis that needs the password."""
    with RedisServer(tmp_path_factory.mktemp("locked"), password=PASSWORD) as server:
        yield server


@pytest.mark.parametrize("is_up", [True, False])
def test_the_password_of_the_address_is_shown_as_asterisks(
    bare_app: App, run_health: RunHealth, locked: RedisServer, is_up: bool
) -> None:
    env: dict[str, str | None] = {"FLOWHEALTH_REDIS_URL": None}
    if is_up:
        env["REDIS_URL"] = locked.url
    else:
        url = f"redis://:{PASSWORD}@127.0.0.1:{free_port()}/0"
        bare_app.configure(f'[redis]\nurl = "{url}"\n')

    run = run_health(bare_app, *ONLY, "-vv", "-rA", "--color=yes", env=env)

    assert run.exit_code == (0 if is_up else 2), run.text
    assert "***" in str(run.check("redis.connect"))


@pytest.mark.parametrize("arguments", [("-vv", "-l", "-rA"), ("-n", "2")])
def test_the_password_that_a_check_prints_and_raises_is_hidden(
    bare_app: App, run_health: RunHealth, arguments: tuple[str, ...]
) -> None:
    bare_app.write("health/test_own.py", OWN)
    bare_app.write("flowhealth.toml", 'checks = ["health/"]\n')
    url = f"redis://user:{PASSWORD}@127.0.0.1:{free_port()}/0"
    own = ("--health-component", "own")

    run = run_health(bare_app, *ONLY, *own, *arguments, env={"FLOWHEALTH_REDIS_URL": url})

    assert run.outcomes["own.leak"] == "fail"
    assert "no answer from redis://user:***@" in run.check("own.leak")["message"]


def test_the_bundled_checks_print_no_password_themselves(
    bare_app: App, run_health: RunHealth, redis: RedisServer
) -> None:
    """With -s, what a check prints is shown as it is: its author's affair, but not ours."""
    env = {"FLOWHEALTH_REDIS_URL": redis.url_of(password=PASSWORD)}
    run = run_health(bare_app, *ONLY, "-s", env=env)

    run.assert_fault("redis.connect", 2)


def test_errors_of_the_configuration_hide_the_password(
    bare_app: App, run_health: RunHealth
) -> None:
    """A parser's message may quote the line."""
    bare_app.write("config/app.json", f'{{"url": "redis://:{PASSWORD}@localhost" oops\n')
    run = run_health(bare_app, "--health-component", "configuration")
    run.assert_fault("configuration.files", 2, "config/app.json")

    bare_app.write("flowhealth.toml", f'[redis]\nurl = "redis://:{PASSWORD}@localhost"\nulr = 1\n')
    assert run_health(bare_app).exit_code == 4


def test_the_user_part_of_the_registry_is_hidden(app: App, run_health: RunHealth) -> None:
    """Npm's own messages name the registry, and its user part."""
    app.configure("[dependencies]\noutdated = false\n")
    env = {"npm_config_registry": f"http://user:{PASSWORD}@127.0.0.1:1/"}
    run = run_health(app, "--health-component", "dependencies", env=env)

    run.assert_fault("dependencies.audit", 1)
