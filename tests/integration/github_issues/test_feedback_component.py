"""The component feedback by the real command: one run for each class of outcome."""

import json
import time
from pathlib import Path
from typing import Any

import pytest

from tests.kit.github import TOKEN, GitHubServer
from tests.kit.projects import write
from tests.kit.runs import Run, run_pytest

DAY = 86_400.0
CHECKS = ("open", "age", "response", "flow")


def run(folder: Path, settings: str, *args: str, token: str | None = TOKEN, **fields: Any) -> Run:
    """Run the component on a project."""
    write(folder, {"flowhealth.toml": f"[github]\n{settings}"}, name="shop", **fields)
    env = {"GITHUB_TOKEN": None, "GH_TOKEN": None, "FLOWHEALTH_GITHUB_TOKEN": token}
    return run_pytest(folder, "--health", "--health-component", "feedback", *args, env=env)


def settings(github: GitHubServer) -> str:
    return f'repository = "acme/shop"\napi = "{github.url}"\ntimeout = "2 s"\n'


def outcomes(found: Run) -> dict[str, str]:
    return {name: found.outcomes[f"feedback.{name}"] for name in CHECKS}


def value(found: Run, check: str, name: str) -> Any:
    """Return a measured value, or its statistics."""
    measurements = {each["name"]: each for each in found.check(check)["measurements"]}
    return measurements[name].get("stats") or measurements[name]["value"]


def test_all_figures_are_measured_and_the_token_is_written_nowhere(
    github: GitHubServer, tmp_path: Path
) -> None:
    now = time.time()
    number = github.open(labels=["bug"], created=now - 10 * DAY)["number"]
    github.say(number, "maintainer", now - 8 * DAY)

    found = run(tmp_path, settings(github))

    found.assert_healthy()
    assert value(found, "feedback.open", "open") == value(found, "feedback.open", "open_bug") == 1
    assert found.check("feedback.open")["details"]["with_token"] is True
    assert value(found, "feedback.age", "age_days")["median"] == pytest.approx(10, abs=0.01)
    assert value(found, "feedback.response", "response_days") == pytest.approx(2, abs=0.01)
    assert len(found.check("feedback.flow")["details"]["weeks"]) == 4
    assert TOKEN not in found.text + json.dumps(found.health)


def test_the_repository_of_package_json_needs_no_token(
    github: GitHubServer, tmp_path: Path
) -> None:
    github.open(labels=["bug"])
    host = github.url.removeprefix("http://")
    repository = {"url": f"git+http://{host}/acme/shop.git"}

    found = run(tmp_path, f'api = "{github.url}"\n', token=None, repository=repository)

    assert found.exit_code == 0, found.text
    assert value(found, "feedback.open", "open") == 1
    assert found.check("feedback.open")["details"]["with_token"] is False
    assert "authorization" not in github.requests[0].headers


def test_without_a_repository_every_check_is_skipped(tmp_path: Path) -> None:
    found = run(tmp_path, "", repository="gitlab:acme/shop")

    assert set(outcomes(found).values()) == {"skip"}
    assert "no repository on GitHub is known" in found.check("feedback.open")["message"]
    assert found.exit_code == 3  # nothing was looked at


@pytest.mark.parametrize(
    ("fault", "token", "message"),
    [
        ("slow", TOKEN, "in time"),
        ("", "wrong", "does not accept the token"),
        ("", "a b", "a token has no spaces"),
        ("403", TOKEN, "does not allow that (status 403: Bearer ***)"),
    ],
)
def test_what_can_not_be_asked_is_unknown_and_degrades(
    github: GitHubServer, tmp_path: Path, fault: str, token: str, message: str
) -> None:
    if fault == "403":
        github.status["/issues"] = (403, f"Bearer {TOKEN}")
    else:
        github.fault = lambda *_: fault

    found = run(tmp_path, settings(github), "--health-history", "sqlite:///h.db", token=token)

    assert found.outcomes["feedback.open"] == "unknown", found.text
    assert message in found.check("feedback.open")["message"]
    assert found.exit_code == 1  # not critical
    assert "pass" not in outcomes(found).values()
    written = [path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()]
    assert TOKEN.encode() not in b"".join([found.text.encode(), *written])
