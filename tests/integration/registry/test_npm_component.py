"""The component npm by the real command: its figures, and every fault of who is asked for them."""

from __future__ import annotations

import contextlib
import functools
import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import psutil
import pytest
import requests
from cryptography.fernet import Fernet

from pytest_flowhealth.alerts.rules import conditions, judge
from pytest_flowhealth.alerts.series import Reading, Series
from pytest_flowhealth.feedback.reports import store
from pytest_flowhealth.feedback.reports.receiving import kept
from pytest_flowhealth.feedback.reports.report import InstallReport
from pytest_flowhealth.feedback.reports.sealing import Vault
from pytest_flowhealth.history.keeping import opened
from tests.kit.registry import RegistryFront, real_registry
from tests.kit.runs import PASSWORD, Run, environment, run_pytest

NAME = "ms"
"""A small package without dependencies."""

ONLY = ("--health", "--health-component", "npm")
ASKED = ("npm.downloads", "npm.adoption")
"""The checks that the downloads API is asked for."""

RunNpm = Callable[..., Run]


def steady(day: date) -> int:
    """A thousand on weekdays, two hundred on a day of the weekend."""
    return 200 if day.weekday() > 4 else 1_000


VERSIONS = {"2.1.3": 70, "2.0.0": 20, "1.0.0": 10}


@functools.cache
def document() -> str:
    """Return the package's real document, as npm's registry words its dates."""
    address, certificates = real_registry()
    told = requests.get(f"{address}/{NAME}", timeout=60, verify=certificates).json()
    told["time"]["created"] = "2011-12-21T19:38:26.538Z"
    return json.dumps(told)


def changed(**changes: Mapping[str, Any]) -> dict[str, Any]:
    """Return the document with fields of versions changed, or replaced on top."""
    found: dict[str, Any] = json.loads(document())
    for version, fields in changes.pop("versions", {}).items():
        found["versions"][version] |= fields
    return found | changes


def front(**how: Any) -> RegistryFront:
    """Return a registry and a downloads API that are well, but for `how`."""
    how.setdefault("documents", {NAME: changed()})
    return RegistryFront(**{"audit": "none", "days": steady, "versions": VERSIONS, **how})


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A checkout of the package: nothing but its package.json."""
    folder = tmp_path / "project"
    folder.mkdir()
    (folder / "package.json").write_text(json.dumps({"name": NAME, "version": "2.1.3"}))
    return folder


@pytest.fixture
def run_npm(project: Path, tmp_path: Path, npm_cache: Path) -> RunNpm:
    """Return the function that runs the component with a front as its registry."""

    def run(there: RegistryFront, *args: str, **variables: str | None) -> Run:
        env = {
            "npm_config_cache": str(npm_cache),
            "XDG_CACHE_HOME": str(tmp_path / "cache"),
            "FLOWHEALTH_NPM_DOWNLOADS": there.url,
            "FLOWHEALTH_NPM_TIMEOUT": "3 s",
            **there.environment,
            **variables,
        }
        return run_pytest(project, *ONLY, *args, env=env)

    return run


def values(run: Run) -> dict[str, float]:
    """Return every figure of the component."""
    return {
        one["name"]: one["value"]
        for check in run.health["checks"]
        if check["component"] == "npm"
        for one in check["measurements"]
    }


def test_all_is_well(run_npm: RunNpm) -> None:
    """Every figure equals what the answers imply."""
    with front() as there:
        run = run_npm(there)

    run.assert_healthy()
    found = values(run)
    yesterday = datetime.now(UTC).date() - timedelta(days=1)
    days = [steady(yesterday - timedelta(days=at)) for at in range(30)]
    assert found["downloads_day"] == days[0]
    assert found["downloads_week"] == sum(days[:7]) == 5_400
    assert found["downloads_month"] == sum(days)
    assert found["growth"] == 0
    assert found["adoption"] == 70
    assert found["adoption_major"] == 90
    assert found["adoption_deprecated"] == found["adoption_vulnerable"] == 0
    assert found["install_packages"] == 1
    assert found["score"] == pytest.approx((35 * 100 + 10 * 100 + 10 * 90 + 200 * 10) / 75)
    assert run.outcomes["npm.install_success"] == "skip"
    assert run.check("npm.downloads")["details"]["last_day"] == str(yesterday)


def test_growth(run_npm: RunNpm) -> None:
    week_ago = datetime.now(UTC).date() - timedelta(days=7)
    with front(days=lambda day: 500 if day >= week_ago else 1_000) as there:
        run = run_npm(there)

    run.assert_fault("npm.growth", 1, "-50 %")
    assert values(run)["growth"] == -50


@pytest.mark.parametrize("late", [1, 2])
def test_days_that_are_not_counted_yet(run_npm: RunNpm, late: int) -> None:
    last = datetime.now(UTC).date() - timedelta(days=1 + late)
    with front(days=lambda day: steady(day) if day <= last else 0) as there:
        run = run_npm(there)

    run.assert_healthy()
    assert values(run)["downloads_day"] == steady(last)
    assert values(run)["growth"] == 0
    assert run.check("npm.downloads")["details"]["lag_days"] == 1 + late


@pytest.mark.parametrize(
    ("fault", "says"),
    [
        ("404", "status 404"),
        ("405", "status 405"),
        ("401", "status 401"),
        ("429", "status 429"),
        ("500", "status 500 (3 attempts)"),
        ("hang", "no whole answer in time"),
        ("drip", "no whole answer in time"),
        ("cut", "broke off its answer"),
        ("garbage", "no JSON"),
        ("html", "no JSON"),
        ("nothing", "no JSON"),
        ("null", "not as documented"),
        ("list", "not as documented"),
        ("error", "not as documented"),
    ],
)
def test_downloads_api_fails(run_npm: RunNpm, fault: str, says: str) -> None:
    """What is not known is unknown, with its cause, and is no part of the score."""
    with front(days=fault, versions=fault) as there:
        run = run_npm(there)

    assert run.exit_code == 1, run.text
    for name in ASKED:
        assert run.outcomes[name] == "unknown"
        assert says in run.check(name)["message"]
    assert run.blocked["npm.growth"] == "npm.downloads"
    assert run.outcomes["npm.advisories"] == "unknown"
    assert run.outcomes["npm.score"] == "warn"
    details = run.check("npm.score")["details"]
    assert set(details["parts"]) == {"installable"}
    assert set(details["not_measured"]) == {
        "growth",
        "latest_major",
        "not_deprecated",
        "not_vulnerable",
    }
    assert not {"downloads_day", "growth", "adoption"} & set(values(run))


def test_nobody_there(run_npm: RunNpm) -> None:
    with front() as there:
        run = run_npm(there, FLOWHEALTH_NPM_DOWNLOADS="http://127.0.0.1:1/")

    assert run.exit_code == 1
    assert "can't be reached: Connection refused" in run.check("npm.downloads")["message"]


def test_no_downloads_api(run_npm: RunNpm) -> None:
    """Of a registry whose name tells nothing of one."""
    with front() as there:
        run = run_npm(there, FLOWHEALTH_NPM_DOWNLOADS=None)

    assert run.outcomes["npm.downloads"] == "unknown"
    assert "no downloads API is known" in run.check("npm.downloads")["message"]
    assert "downloads" in run.check("npm.downloads")["remedy"]


def test_waits_as_asked(run_npm: RunNpm) -> None:
    """Two refusals, and then the figures."""
    with front(refusals=2) as there:
        run = run_npm(there, FLOWHEALTH_NPM_TIMEOUT="10 s")

    run.assert_healthy()
    attempts = [run.check(name)["details"]["answer"]["attempts"] for name in ASKED]
    assert sum(attempts) == 4


def test_asked_to_wait_too_long(run_npm: RunNpm) -> None:
    with front(refusals=99, retry_after="3600") as there:
        run = run_npm(there)

    assert "asks to wait 3,600 s" in run.check("npm.downloads")["message"]
    assert run.outcomes["npm.downloads"] == "unknown"


@pytest.mark.parametrize("wrong", [-1, "7", 1.5, None, float("nan"), 10**400])
def test_wrong_counts(run_npm: RunNpm, wrong: Any) -> None:
    with front(days=lambda day: wrong, versions={"2.1.3": wrong}) as there:
        run = run_npm(there, "-k", "published or downloads or adoption")

    assert [run.outcomes[name] for name in ASKED] == ["unknown", "unknown"]
    assert not {"downloads_day", "adoption"} & set(values(run))


@pytest.mark.parametrize(
    ("how", "outcome", "says"),
    [
        ({"get": "500"}, "unknown", "status 500"),
        ({"get": "405"}, "unknown", "status 405"),
        ({"get": "hang"}, "unknown", "no whole answer in time"),
        ({"get": "html"}, "unknown", "no JSON"),
        ({"get": "null"}, "unknown", "not as documented"),
        ({"get": "401"}, "unknown", "does not let us in"),
        ({"unknown": [NAME]}, "fail", "ms is not published"),
        ({"documents": {NAME: {"name": NAME, "versions": {}}}}, "fail", "was unpublished"),
    ],
)
def test_registry_fails(run_npm: RunNpm, how: dict[str, Any], outcome: str, says: str) -> None:
    with front(**{"documents": {}, **how}) as there:
        run = run_npm(there)

    run.assert_fault("npm.published", {"fail": 2, "unknown": 3}[outcome], says)
    assert run.outcomes["npm.published"] == outcome
    others = [name for name in run.outcomes if name.startswith("npm.") and "published" not in name]
    assert {run.outcomes[name] for name in others} == {"skip"}


@pytest.mark.parametrize("fault", ["405", "500", "null", "list", "html", "cut", "hang"])
def test_advisories_are_not_told(run_npm: RunNpm, fault: str) -> None:
    """That part is unknown, and only that one."""
    with front(audit=fault) as there:
        run = run_npm(there)

    run.assert_fault("npm.advisories", 1, "asked for advisories")
    assert run.outcomes["npm.advisories"] == "unknown"
    assert run.outcomes["npm.adoption"] == "pass"
    assert set(run.check("npm.score")["details"]["not_measured"]) == {"not_vulnerable"}


def test_vulnerable(run_npm: RunNpm) -> None:
    with front(audit={NAME: ["high"]}) as there:
        run = run_npm(there)

    run.assert_fault("npm.advisories", 1, "2.1.3 has a known vulnerability (high)")
    assert values(run)["adoption_vulnerable"] == 100


def test_deprecated(run_npm: RunNpm) -> None:
    versions = {"2.1.3": {"deprecated": "use another"}, "1.0.0": {"deprecated": "old"}}
    with front(documents={NAME: changed(versions=versions)}) as there:
        run = run_npm(there)

    run.assert_fault("npm.published", 1, "2.1.3 is deprecated: use another")
    assert values(run)["adoption_deprecated"] == 80


def test_behind_what_is_published(run_npm: RunNpm, project: Path) -> None:
    (project / "package.json").write_text(json.dumps({"name": NAME, "version": "2.0.0"}))
    with front() as there:
        run = run_npm(there)

    run.assert_fault("npm.published", 1, "package.json has version 2.0.0, and 2.1.3 is published")


def test_limits_of_ones_own(run_npm: RunNpm) -> None:
    with front() as there:
        run = run_npm(
            there,
            "--health-threshold=npm.adoption=80:75",
            "--health-threshold=npm.downloads_week=1e9:",
        )

    assert run.outcomes["npm.adoption"] == "fail"
    assert run.outcomes["npm.downloads"] == "warn"
    assert run.exit_code == 1


@pytest.mark.parametrize(
    ("manifest", "says"),
    [({"name": NAME, "private": True}, "private"), ({"version": "1.0.0"}, "has no name")],
)
def test_no_package(run_npm: RunNpm, project: Path, manifest: dict[str, Any], says: str) -> None:
    """Nothing is asked of anybody, and one reason is told."""
    (project / "package.json").write_text(json.dumps(manifest))
    with front() as there:
        run = run_npm(there)

        assert there.asked == []
    # Node and npm, which it requires, are well; of the package itself nothing is known.
    assert (run.exit_code, run.reasons) == (3, ["every check of npm was skipped"])
    assert says in run.check("npm.published")["message"]
    assert set(run.blocked.values()) <= {"npm.published"}


def test_configured_package(run_npm: RunNpm, project: Path) -> None:
    (project / "package.json").write_text(json.dumps({"name": "mine", "private": True}))
    with front() as there:
        run = run_npm(there, FLOWHEALTH_NPM_PACKAGE=NAME)

    run.assert_healthy()
    assert "version_here" not in run.check("npm.published")["details"]


def test_packed(run_npm: RunNpm, project: Path) -> None:
    """The working tree, not what is published."""
    (project / "package.json").write_text(
        json.dumps({"name": NAME, "version": "2.1.3", "main": "dist/index.js"})
    )
    with front() as there:
        run = run_npm(there, FLOWHEALTH_NPM_INSTALL="packed")

    run.assert_fault("npm.installable", 2, "ms@2.1.3 installs, and does not work")


def test_confirmed_answer(run_npm: RunNpm) -> None:
    """The second run asks again; that what it has still holds is told with its age."""
    with front() as there:
        first, second = run_npm(there), run_npm(there)

    for run in (first, second):
        run.assert_healthy()
    answers = [run.check("npm.published")["details"]["answer"] for run in (first, second)]
    assert [one["confirmed"] for one in answers] == [False, True]
    fetched = [datetime.fromisoformat(one["fetched"]) for one in answers]
    assert abs(fetched[1] - fetched[0]) <= timedelta(seconds=1)
    assert answers[1]["age"] > 0


def test_fault_after_a_good_answer(run_npm: RunNpm) -> None:
    """What is kept is no answer."""
    with front() as there:
        run_npm(there).assert_healthy()
        there.documents = {}
        there.get = "503"
        run = run_npm(there)

    run.assert_fault("npm.published", 3, "status 503", "is not passed off as new")


def test_secrets(run_npm: RunNpm, project: Path, tmp_path: Path) -> None:
    """The token goes to its registry, and nowhere else."""
    with front() as there:
        (project / ".npmrc").write_text(
            f"registry={there.url}\n{there.url.removeprefix('http:')}:_authToken={PASSWORD}\n"
        )
        run = run_npm(there, "-v", "--showlocals", npm_config_registry=None)

    run.assert_healthy()
    assert PASSWORD not in run.text + json.dumps(run.report)
    kept = [path for path in (tmp_path / "cache").rglob("*") if path.is_file()]
    assert not any(PASSWORD.encode() in path.read_bytes() for path in kept)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_ended_in_the_middle(project: Path, tmp_path: Path, number: int) -> None:
    """Neither a process nor a file of the installation is left."""
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    with front(get="hang") as there:
        env = {
            "TMPDIR": str(temporary),
            "XDG_CACHE_HOME": str(tmp_path / "cache"),
            "FLOWHEALTH_NPM_DOWNLOADS": there.url,
            **there.environment,
        }
        argv = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", *ONLY]
        process = subprocess.Popen(
            argv, cwd=project, env=environment(env), stdout=subprocess.DEVNULL
        )
        wait_for(lambda: any(f"GET /{NAME}/-/" in one for one in there.asked))
        process.send_signal(number)
        process.wait(60)
        wait_for(lambda: not working_in(temporary))
        wait_for(lambda: not list(temporary.iterdir()))


def working_in(folder: Path) -> list[int]:
    """Return the processes that work below a folder."""
    found = []
    for one in psutil.process_iter():
        with contextlib.suppress(psutil.Error, OSError):
            if one.cwd().startswith(str(folder)):
                found.append(one.pid)
    return found


def wait_for(condition: Callable[[], bool]) -> None:
    until = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.05)


def test_missing_dependency(run_npm: RunNpm, project: Path) -> None:
    """The first target's release asks for what no registry has."""
    (project / "package.json").write_text(json.dumps({"name": "claude-flow-novice"}))
    with front(documents={}) as there:
        run = run_npm(there)

    run.assert_fault(
        "npm.installable", 2, "claude-flow-novice@2.21.0", "cerebras@^1.0.0", "asks for it"
    )
    assert run.check("npm.installable")["remedy"] == "npm view cerebras"


def test_express(run_npm: RunNpm, project: Path) -> None:
    (project / "package.json").write_text(json.dumps({"name": "express"}))
    with front(documents={}) as there:
        run = run_npm(there)

    assert run.outcomes["npm.installable"] == "pass", run.text
    assert values(run)["install_packages"] > 30


def kept_reports(project: Path, succeeded: int, failed: int, age: float = 60.0) -> None:
    """Put reports into the project's history, as a monitor's page does."""
    vault = Vault(Fernet.generate_key().decode())
    ends = ["success"] * succeeded + ["failure"] * failed
    (project / ".flowhealth").mkdir(exist_ok=True)
    with opened(project / ".flowhealth/history.db") as file:
        store.add(
            file,
            [
                kept(
                    InstallReport(package=NAME, node=f"{18 + place % 2}.0.0", outcome=how),  # type: ignore[arg-type]
                    store.new_id(),
                    time.time() - age,
                    b"",
                    vault,
                )
                for place, how in enumerate(ends)
            ],
        )


@pytest.mark.parametrize(
    ("succeeded", "failed", "age", "outcome", "fires"),
    [
        (97, 3, 60.0, "pass", False),
        (19, 1, 60.0, "pass", False),
        (90, 10, 60.0, "warn", True),
        (70, 30, 60.0, "fail", True),
        (9, 10, 60.0, "skip", None),
        (70, 30, 8 * 86_400.0, "skip", None),
    ],
)
def test_reports_of_installations(
    run_npm: RunNpm,
    project: Path,
    succeeded: int,
    failed: int,
    age: float,
    outcome: str,
    fires: bool | None,
) -> None:
    kept_reports(project, succeeded, failed, age)
    with front() as there:
        run = run_npm(there, "-k", "published or install_success")

    check = run.check("npm.install_success")
    assert check["outcome"] == outcome, check
    if fires is None:
        assert "install_success" not in values(run)
        return
    share = 100 * failed / (succeeded + failed)
    found = values(run)
    assert found["install_failures"] == pytest.approx(share)
    assert found["install_success"] == pytest.approx(100 - share)
    assert check["details"]["succeeded"] == succeeded
    assert "Wilson" in check["details"]["success_between"]
    # What the rule highErrorRate makes of this very figure.
    (rule,) = [one for one in conditions(()) if one.name == "highErrorRate"]
    series = Series()
    series.add("npm.install_failures", "%", Reading(0, (found["install_failures"],)))
    (judged,) = judge(rule, series, 0, 0)
    assert judged.breached is fires
