"""The component npm by the real command: one run for each class of outcome."""

import functools
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import requests

from tests.kit.processes import processes_below
from tests.kit.projects import write
from tests.kit.registry import RegistryFront, real_registry
from tests.kit.runs import PASSWORD, Run, environment, run_pytest
from tests.kit.waiting import wait_for

NAME = "ms"
"""A small package without dependencies."""

ONLY = ("--health", "--health-component", "npm")
VERSIONS = {"2.1.3": 70, "2.0.0": 20, "1.0.0": 10}
pytestmark = pytest.mark.skipif(not shutil.which("npm"), reason="npm is not installed")

RunNpm = Callable[..., Run]


def steady(day: date) -> int:
    """Return a thousand on weekdays, two hundred on a day of the weekend."""
    return 200 if day.weekday() > 4 else 1_000


@functools.cache
def document() -> dict[str, Any]:
    """Return the package's real document, as npm's registry words its dates."""
    address, certificates = real_registry()
    found: dict[str, Any] = requests.get(
        f"{address}/{NAME}", timeout=60, verify=certificates
    ).json()
    found["time"]["created"] = "2011-12-21T19:38:26.538Z"
    return found


def front(**how: Any) -> RegistryFront:
    """Return a registry and a downloads API that are well, but for `how`."""
    well = {"audit": "none", "days": steady, "versions": VERSIONS, "documents": {NAME: document()}}
    return RegistryFront(**{**well, **how})


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A checkout of the package: nothing but its package.json."""
    return write(tmp_path / "project", name=NAME, version="2.1.3")


def variables_for(registry: RegistryFront, folder: Path) -> dict[str, str]:
    cache = str(folder / "cache")
    downloads = {"XDG_CACHE_HOME": cache, "FLOWHEALTH_NPM_DOWNLOADS": registry.url}
    return {**downloads, **registry.environment}


@pytest.fixture
def run_npm(project: Path, tmp_path: Path, npm_cache: Path) -> RunNpm:
    """Return the function that runs the component with a front as its registry."""

    def run(registry: RegistryFront, *args: str, **variables: str | None) -> Run:
        env = {"npm_config_cache": str(npm_cache), **variables_for(registry, tmp_path), **variables}
        return run_pytest(project, *ONLY, *args, env=env)

    return run


def values(run: Run) -> dict[str, float]:
    """Return every figure of the component."""
    checks = [check for check in run.health["checks"] if check["component"] == "npm"]
    return {each["name"]: each["value"] for check in checks for each in check["measurements"]}


def test_every_figure_follows_from_the_answers_and_the_token_stays_secret(
    run_npm: RunNpm, project: Path, tmp_path: Path
) -> None:
    with front() as registry:
        (project / ".npmrc").write_text(
            f"registry={registry.url}\n{registry.url.removeprefix('http:')}:_authToken={PASSWORD}\n"
        )
        run = run_npm(registry, "-v", "--showlocals", npm_config_registry=None)
        again = run_npm(registry, "-k", "published", npm_config_registry=None)

    run.assert_healthy()
    found = values(run)
    yesterday = datetime.now(UTC).date() - timedelta(days=1)
    days = [steady(yesterday - timedelta(days=at)) for at in range(30)]
    assert found["downloads_week"] == sum(days[:7]) == 5_400
    assert found["downloads_month"] == sum(days)
    assert found["growth"] == 0
    assert (found["adoption"], found["adoption_major"]) == (70, 90)
    assert found["adoption_deprecated"] == found["adoption_vulnerable"] == 0
    assert found["install_packages"] == 1
    assert found["score"] == pytest.approx((35 * 100 + 10 * 100 + 10 * 90 + 200 * 10) / 75)
    assert run.outcomes["npm.install_success"] == "skip"

    again.assert_healthy()
    stored = [path for path in tmp_path.rglob("*") if path.is_file() and path.name != ".npmrc"]
    assert stored
    assert not any(PASSWORD.encode() in path.read_bytes() for path in stored)


def test_a_downloads_api_that_fails_is_unknown_and_no_part_of_the_score(run_npm: RunNpm) -> None:
    with front(days="405", versions="garbage", audit="405") as registry:
        run = run_npm(registry)

    assert run.exit_code == 1, run.text
    for name, says in (
        ("downloads", "405"),
        ("adoption", "gives no answer"),
        ("advisories", "405"),
    ):
        assert run.outcomes[f"npm.{name}"] == "unknown"
        assert says in run.check(f"npm.{name}")["message"]
    assert run.blocked["npm.growth"] == "npm.downloads"
    assert run.outcomes["npm.score"] == "warn"
    assert {*run.check("npm.score")["details"]["parts"]} == {"installable"}
    assert not {"downloads_day", "growth", "adoption"} & {*values(run)}


@pytest.mark.parametrize(
    ("how", "code", "says"),
    [({"get": "405"}, 3, "status 405"), ({"unknown": [NAME]}, 2, "ms is not published")],
)
def test_a_registry_that_fails_is_unknown_and_a_missing_package_fails(
    run_npm: RunNpm, how: dict[str, Any], code: int, says: str
) -> None:
    with front(documents={}, **how) as registry:
        run = run_npm(registry)

    run.assert_fault("npm.published", code, says)
    others = [name for name in run.outcomes if name.startswith("npm.") and "published" not in name]
    assert {run.outcomes[name] for name in others} == {"skip"}


def test_a_private_package_asks_nobody(run_npm: RunNpm, project: Path) -> None:
    write(project, name=NAME, private=True)
    with front() as registry:
        run = run_npm(registry)
        assert registry.asked == []

    # Node and npm, which it requires, are well; of the package itself nothing is known.
    assert (run.exit_code, run.reasons) == (3, ["every check of npm was skipped"])
    assert "private" in run.check("npm.published")["message"]
    assert {*run.blocked.values()} <= {"npm.published"}


def test_a_packed_tree_that_does_not_work_fails_and_limits_can_be_set(
    run_npm: RunNpm, project: Path
) -> None:
    write(project, name=NAME, version="2.1.3", main="dist/index.js")
    with front() as registry:
        run = run_npm(
            registry, "--health-threshold=npm.adoption=80:75", FLOWHEALTH_NPM_INSTALL="packed"
        )

    run.assert_fault("npm.installable", 2, "ms@2.1.3 installs, and does not work")
    assert run.outcomes["npm.adoption"] == "fail"


def test_an_interruption_leaves_no_process_and_no_file(project: Path, tmp_path: Path) -> None:
    interrupt(project, tmp_path, signal.SIGINT)


def interrupt(project: Path, tmp_path: Path, number: int) -> None:
    """End a run while npm installs, and wait until nothing of it is left."""
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    with front(get="hang") as registry:
        env = {"TMPDIR": str(temporary), **variables_for(registry, tmp_path)}
        argv = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", *ONLY]
        process = subprocess.Popen(
            argv, cwd=project, env=environment(env), stdout=subprocess.DEVNULL
        )
        wait_for(lambda: any(f"GET /{NAME}/-/" in line for line in registry.asked))
        process.send_signal(number)
        process.wait(60)
        wait_for(lambda: not processes_below(temporary))
        wait_for(lambda: not list(temporary.iterdir()))
