"""`flowhealth init` on projects, and what `pytest --health` and the example checks say then."""

import shutil
from pathlib import Path

import pytest

from pytest_flowhealth.scaffold.files import write
from pytest_flowhealth.scaffold.plan import plan
from tests.kit.checks import run_check
from tests.kit.http import HttpServer, Reply
from tests.kit.projects import npm, write_package
from tests.kit.projects import write as write_files
from tests.kit.registry import RegistryFront
from tests.kit.runs import CALM, run_flowhealth, run_pytest
from tests.kit.scaffold import PROJECTS, example_check

pytestmark = pytest.mark.skipif(not shutil.which("npm"), reason="npm is not installed")
CALM_SYSTEM = [limit for limit in CALM if "redis" not in limit]
LIMITS = [*CALM_SYSTEM, "app.load.median=60000:120000"]
"""Limits that a busy test machine keeps."""

NPMRC = "omit-lockfile-registry-resolved=true\naudit=false\nfund=false\n"


def test_an_installed_project_is_healthy_and_init_is_done_once(
    tmp_path: Path, registry: RegistryFront, npm_cache: Path
) -> None:
    project = write_files(tmp_path / "app", PROJECTS["plain"])
    (project / ".npmrc").write_text(NPMRC)
    npm(project, "install")
    assert run_flowhealth(project, "init", "--write").exit_code == 0
    again = run_flowhealth(project, "init", "--write")
    assert (again.exit_code, "nothing to do" in again.out) == (0, True)

    env = {"npm_config_cache": str(npm_cache), **registry.environment}
    limits = [f"--health-threshold={limit}" for limit in LIMITS]
    run = run_pytest(project, "--health", *limits, env=env)
    assert run.exit_code == 0, run.text
    assert {"package.manifest", "build.artifacts"} <= run.outcomes.keys()
    own = run.check("app.load")
    (measured,) = own["measurements"]
    assert measured["stats"]["count"] == 5
    assert own["thresholds"][0]["observed"] == measured["stats"]["median"] > 5


def test_a_server_that_is_not_configured_is_not_applicable(tmp_path: Path) -> None:
    project = write_files(tmp_path, PROJECTS["own .github"])
    write(plan(project))
    run = run_pytest(project, "--health", "health/")
    assert run.outcomes["app.response"] == "skip"
    assert "APP_URL" in run.check("app.response")["message"]
    assert run.exit_code == 3  # the only check that was requested


def test_a_server_that_answers_passes_and_one_that_fails_or_is_down_does_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_package(tmp_path)
    check = example_check("server").test_response
    with HttpServer() as good, HttpServer([Reply(status=503)]) as bad:
        found = []
        for url in (good.url, bad.url, "http://127.0.0.1:9/"):
            monkeypatch.setenv("APP_URL", url)
            found.append(run_check(check, tmp_path))
        assert len(good.requests) == 20
    assert found[0].outcome in ("pass", "warn")  # a busy machine may be slow
    assert [result.outcome for result in found[1:]] == ["fail", "fail"]
    assert ("503" in found[1].message, "nothing answers" in found[2].message) == (True, True)
    assert found[1].measurements == found[2].measurements == ()


@pytest.mark.parametrize(
    ("manifest", "files", "outcome"),
    [
        ('"main": "a.js"', {"a.js": "module.exports = 1"}, "pass"),
        ('"main": "a.js"', {"a.js": "throw new Error('the sky fell')"}, "fail"),
        ('"exports": {".": {"import": "./a.mjs"}}', {"a.mjs": "throw Error('fell')"}, "fail"),
        (
            '"exports": ["./a.mjs"]',
            {"a.mjs": "export {}; setInterval(() => {}, 1000)"},
            "pass",
        ),
        ('"exports": {"./part": "./a.mjs"}', {"a.mjs": "export {}"}, "skip"),
        (
            '"workspaces": ["packages/*"]',
            {
                "packages/one/package.json": '{"name": "one", "main": "./lib/one.js"}',
                "packages/one/lib/one.js": "throw new Error('fell')",
            },
            "fail",
        ),
    ],
    ids=range(6),
)
def test_every_package_is_loaded_as_its_users_do(
    tmp_path: Path, manifest: str, files: dict[str, str], outcome: str
) -> None:
    write_files(tmp_path, {"package.json": f'{{"name": "@a/b", {manifest}}}', **files})
    check = example_check("library")
    check.SAMPLES = 1

    found = run_check(check.test_load, tmp_path)

    # One sample of a busy machine may be slow.
    assert found.outcome in ({outcome, "warn"} if outcome == "pass" else {outcome}), found
    assert outcome != "fail" or "fell" in found.message
