"""The component feedback by the real command: its figures, and every fault of GitHub's."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.kit.github import TOKEN, GitHubServer
from tests.kit.runs import Run, run_pytest

DAY = 86_400.0
ONLY = ("--health", "--health-component", "feedback")
TOKENS = {"GITHUB_TOKEN": None, "GH_TOKEN": None, "FLOWHEALTH_GITHUB_TOKEN": None}


@pytest.fixture
def github() -> Iterator[GitHubServer]:
    with GitHubServer() as server:
        yield server


def project(folder: Path, api: str, **fields: Any) -> Path:
    """Make a project."""
    manifest = {"name": "shop", "version": "1.0.0", **fields}
    (folder / "package.json").write_text(json.dumps(manifest))
    (folder / "flowhealth.toml").write_text(
        f'[github]\nrepository = "acme/shop"\napi = "{api}"\ntimeout = "2 s"\n'
    )
    return folder


def run(folder: Path, token: str | None = TOKEN, *more: str) -> Run:
    """Look at it."""
    return run_pytest(folder, *ONLY, *more, env={**TOKENS, "FLOWHEALTH_GITHUB_TOKEN": token})


def figure(found: Run, check: str, name: str) -> Any:
    """Return a measured value, or its statistics."""
    for one in found.check(check)["measurements"]:
        if one["name"] == name:
            return one.get("stats") or one["value"]
    raise AssertionError(f"{check} has no {name}")


def fill(github: GitHubServer, now: float) -> None:
    """Two open bugs of 10 and 40 days, one without a label, one closed; and a pull request."""
    first = github.open(labels=["bug"], created=now - 10 * DAY)["number"]
    second = github.open(labels=["Bug", "installation"], created=now - 40 * DAY)["number"]
    third = github.open(created=now - 1 * DAY)["number"]
    closed = github.open(created=now - 30 * DAY)["number"]
    github.close(closed, at=now - 20 * DAY)
    github.open(labels=["bug"], created=now - 500 * DAY, pull_request={"url": "..."})
    github.say(first, "somebody", now - 9.9 * DAY)  # the author
    github.say(first, "helper[bot]", now - 9.8 * DAY, "Bot")
    github.say(first, "maintainer", now - 8 * DAY)
    github.say(second, "maintainer", now - 36 * DAY)
    github.say(closed, "other", now - 27 * DAY)
    assert third


def test_the_figures(github: GitHubServer, tmp_path: Path) -> None:
    now = time.time()
    fill(github, now)

    found = run(project(tmp_path, github.url))

    assert found.exit_code == 0, found.text
    assert figure(found, "feedback.open", "open") == 3
    assert figure(found, "feedback.open", "open_bug") == 2
    assert figure(found, "feedback.open", "open_installation") == 1
    details = found.check("feedback.open")["details"]
    assert details["by_label"] == {"bug": 2, "installation": 1}
    assert (details["without_label"], details["with_token"]) == (1, True)
    ages = figure(found, "feedback.age", "age_days")
    assert (ages["min"], ages["median"], ages["max"]) == pytest.approx((1, 10, 40), abs=0.01)
    # 2, 3 and 4 days, and one that waits for one day so far.
    assert figure(found, "feedback.response", "response_days") == pytest.approx(3, abs=0.01)
    assert found.check("feedback.response")["details"]["looked_at"] == 4
    weeks = found.check("feedback.flow")["details"]["weeks"]
    monday = datetime.now(UTC).date() - timedelta(days=datetime.now(UTC).weekday())
    assert [one["begin"] for one in weeks] == [
        (monday - timedelta(weeks=back)).isoformat() for back in (4, 3, 2, 1)
    ]
    assert sum(one["closed"] for one in weeks) == 1
    assert TOKEN not in found.text + json.dumps(found.health)


def test_package_json_names_the_repository_and_no_token_is_needed(
    github: GitHubServer, tmp_path: Path
) -> None:
    github.open(labels=["bug"])
    host = github.url.removeprefix("http://")
    folder = project(tmp_path, github.url, repository={"url": f"git+http://{host}/acme/shop.git"})
    (folder / "flowhealth.toml").write_text(f'[github]\napi = "{github.url}"\n')

    found = run(folder, None)

    assert found.exit_code == 0, found.text
    assert figure(found, "feedback.open", "open") == 1
    assert found.check("feedback.open")["details"]["with_token"] is False
    assert {"authorization"} & {*github.asked[0].headers} == set()


@pytest.mark.parametrize("repository", [None, "gitlab:acme/shop", "https://git.example.org/a/b"])
def test_without_a_repository_on_github_it_is_not_applicable(
    tmp_path: Path, repository: str | None
) -> None:
    fields = {"name": "shop", "version": "1.0.0", "repository": repository}
    (tmp_path / "package.json").write_text(json.dumps(fields))

    found = run(tmp_path)

    assert {found.outcomes[name] for name in found.outcomes if "feedback" in name} == {"skip"}
    assert "no repository on GitHub is known" in found.check("feedback.open")["message"]
    assert found.exit_code == 3  # nothing was looked at


def test_an_empty_repository(github: GitHubServer, tmp_path: Path) -> None:
    found = run(project(tmp_path, github.url))

    assert figure(found, "feedback.open", "open") == 0
    assert found.outcomes["feedback.age"] == found.outcomes["feedback.response"] == "skip"
    assert figure(found, "feedback.flow", "growth_week") == 0
    assert found.exit_code == 0


FAULTS = {
    "primary": "was asked too often",
    "secondary": "was asked too often",
    "500": "answers with status 500",
    "cut": "gives no answer: the connection broke",
    "garbage": "with no JSON that can be read",
    "slow": "in time",
}


@pytest.mark.parametrize("fault", FAULTS)
def test_what_does_not_answer_is_unknown(github: GitHubServer, tmp_path: Path, fault: str) -> None:
    github.seconds = 5.0
    github.fault = lambda *_: fault

    found = run(project(tmp_path, github.url))

    assert found.outcomes["feedback.open"] == "unknown", found.text
    assert FAULTS[fault] in found.check("feedback.open")["message"]
    assert found.exit_code == 1  # not critical: degraded
    assert "pass" not in found.outcomes.values()


@pytest.mark.parametrize(
    ("token", "told"), [("wrong", "does not accept the token"), ("a b", "a token has no spaces")]
)
def test_a_token_that_is_none(github: GitHubServer, tmp_path: Path, token: str, told: str) -> None:
    found = run(project(tmp_path, github.url), token)

    assert found.outcomes["feedback.open"] == "unknown"
    assert told in found.check("feedback.open")["message"]


@pytest.mark.parametrize("status", [401, 403, 302])
def test_a_refusal_that_repeats_the_token(
    github: GitHubServer, tmp_path: Path, status: int
) -> None:
    with GitHubServer() as other:
        github.status["/issues"] = (status, f"Bearer {TOKEN} is not allowed")
        github.headers = {"Location": f"{other.url}/?token={TOKEN}"}

        found = run(project(tmp_path, github.url), TOKEN, "--health-history", "sqlite:///h.db")

        assert found.outcomes["feedback.open"] == "unknown"
        assert "pass" not in found.outcomes.values()
        assert other.asked == []
    written = [path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()]
    assert TOKEN.encode() not in b"".join([found.text.encode(), *written])


@pytest.mark.parametrize("limit", ["primary", "secondary"])
@pytest.mark.parametrize("number", [2, 3, 4])
def test_a_rate_limit_in_between_is_never_a_pass(
    github: GitHubServer, tmp_path: Path, limit: str, number: int
) -> None:
    fill(github, time.time())
    github.fault = lambda _, count: limit if count >= number else None

    found = run(project(tmp_path, github.url))

    # The responses take more requests than are answered; the others take one each, in any order.
    assert found.outcomes["feedback.response"] in ("unknown", "skip")
    unknown = [name for name, outcome in found.outcomes.items() if outcome == "unknown"]
    assert unknown
    assert all("was asked too often" in found.check(name)["message"] for name in unknown)
    assert [*found.outcomes.values()].count("pass") <= number
    assert found.exit_code == 1


def test_nobody_listens(tmp_path: Path) -> None:
    found = run(project(tmp_path, "http://127.0.0.1:9"))

    assert found.outcomes["feedback.open"] == "unknown"
    assert "the connection is refused" in found.check("feedback.open")["message"]


def test_a_median_that_can_not_be_told_yet(github: GitHubServer, tmp_path: Path) -> None:
    for days in (1, 2, 3):
        github.open(created=time.time() - days * DAY)
    project(tmp_path, github.url)

    early = run(tmp_path).check("feedback.response")
    github.open(created=time.time() - 30 * DAY)
    late = run(tmp_path).check("feedback.response")

    assert early["outcome"] == "skip"
    assert "0 of 3 issues are answered" in early["message"]
    assert late["outcome"] == "warn"
    assert late["measurements"][0]["value"] == pytest.approx(30, abs=0.01)
    assert "it is more than that: 0 of 4 issues are answered" in late["message"]


def test_too_many_to_be_counted(github: GitHubServer, tmp_path: Path) -> None:
    github.per_page = 1
    for _ in range(21):
        github.open()

    found = run(project(tmp_path, github.url))

    assert found.outcomes["feedback.open"] == "unknown"
    assert "has more than 2,000 of what is asked for" in found.check("feedback.open")["message"]


def test_a_proxy_that_drops_what_leads_on(github: GitHubServer, tmp_path: Path) -> None:
    github.link = ""
    for _ in range(230):
        github.open()

    found = run(project(tmp_path, github.url))

    assert figure(found, "feedback.open", "open") == 230
    assert found.outcomes["feedback.open"] == "warn"


def test_many_old_bugs_warn(github: GitHubServer, tmp_path: Path) -> None:
    for _ in range(60):
        github.open(labels=["bug"], created=time.time() - 800 * DAY)

    found = run(project(tmp_path, github.url))

    assert found.outcomes["feedback.open"] == found.outcomes["feedback.age"] == "warn"
    assert found.exit_code == 1
