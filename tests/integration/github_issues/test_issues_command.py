"""`flowhealth issues` as typed, killed in between, and a monitor that opens issues by itself."""

import json
import signal
import subprocess
from pathlib import Path

import pytest

from tests.kit.github import TOKEN, GitHubServer
from tests.kit.github_issues import BASE, IssuesProject, add_reports, kind
from tests.kit.monitor import own_project
from tests.kit.runs import FLOWHEALTH, environment
from tests.kit.site import site
from tests.kit.waiting import wait_for


@pytest.fixture
def project(github: GitHubServer, tmp_path: Path) -> IssuesProject:
    return IssuesProject(tmp_path / "shop", github.url)


def test_an_issue_is_opened_once_and_shown_without_secrets(
    github: GitHubServer, tmp_path: Path
) -> None:
    secret = kind(error=f"{BASE.error} 401 with {TOKEN} at https://me:hunter22@example.org/x")
    project = IssuesProject(tmp_path / "shop", github.url, [secret])
    first = project.run()

    assert (first.exit_code, first.err) == (0, "")
    assert first.out.startswith("opened #1: shop: install fails: npm error code ENOTARGET cerebras")
    assert first.out.endswith(f"\n  {github.url}/acme/shop/issues/1\n")
    second = project.run()
    assert (second.exit_code, second.out.split(":")[0]) == (0, "unchanged #1")
    assert len(github.issues) == 1
    assert "hunter22" not in json.dumps(github.issues)
    assert TOKEN not in json.dumps(github.issues)


def test_a_dry_run_shows_what_would_be_sent(github: GitHubServer, project: IssuesProject) -> None:
    shown = project.run("--dry-run", token=None)

    assert shown.exit_code == 0
    assert "1 request would be sent; GitHub was not asked" in shown.err
    assert github.requests == []
    heads = [line for line in shown.out.splitlines() if line.startswith("POST ")]
    base = f"{github.url}/repos/acme/shop"
    assert heads == [f"POST {base}/issues"]
    body = json.loads(shown.out.partition(heads[0])[2])
    project.run()
    assert github.posts("/issues")[0].json == body
    assert project.run("--dry-run").out == ""


def test_reports_of_one_network_open_no_issue(github: GitHubServer, tmp_path: Path) -> None:
    project = IssuesProject(tmp_path / "shop", github.url, [kind(count=300, sources=1)])

    shown = project.run("--dry-run", token=None)
    assert (shown.exit_code, shown.out) == (0, "")
    needed = "an issue takes 5 reports of one kind, from 2 networks; 0 of 1 kinds have that"
    assert needed in shown.err
    assert "from enough networks" in project.run().out
    assert github.requests == []


def test_without_a_token_a_link_opens_the_form(github: GitHubServer, tmp_path: Path) -> None:
    kinds = [BASE, kind(fingerprint="f" * 16, count=2)]
    shown = IssuesProject(tmp_path / "shop", github.url, kinds).run(token=None)

    assert shown.exit_code == 0
    assert "no token is set (FLOWHEALTH_GITHUB_TOKEN, GITHUB_TOKEN or GH_TOKEN)" in shown.err
    form = "/acme/shop/issues/new?template=installation_issue.yml&title=shop"
    assert shown.out.count(form) == 1
    assert github.requests == []


def test_what_can_not_be_used_is_a_usage_error(project: IssuesProject) -> None:
    for words, token, problem in (
        (["--later"], TOKEN, "No such option"),
        ([], "not one", "a token has no spaces"),
    ):
        found = project.run(*words, token=token)
        assert found.exit_code == 4
        assert problem in found.err
    (project.folder / "flowhealth.toml").write_text("")
    found = project.run()
    assert found.exit_code == 4
    assert "no repository on GitHub is known" in found.err


def test_a_missing_history_and_a_refusal_are_unknown_and_show_no_token(
    github: GitHubServer, project: IssuesProject
) -> None:
    with GitHubServer() as other:
        for status, says in (
            (302, "status 302"),
            (403, "Issues: read and write"),
            (410, "turn issues on in the repository's"),
        ):
            github.status["/issues"] = (status, f"Bearer {TOKEN} is not allowed")
            github.headers = {"Location": f"{other.url}/?token={TOKEN}", "X-Token": TOKEN}
            refused = project.run()
            assert (refused.exit_code, refused.out) == (3, "")
            assert says in refused.err
            assert len(refused.err.splitlines()) <= 2  # nothing of PyGithub's
            assert TOKEN not in refused.text
        assert TOKEN.encode() not in project.content()
        assert other.requests == []

    project.history.unlink()
    missing = project.run()
    assert missing.exit_code == 3
    assert "no report was received there" in missing.err


def test_killed_between_the_creation_and_the_note_the_issue_is_found(
    github: GitHubServer, project: IssuesProject
) -> None:
    github.fault = lambda request, _: (
        "done slow" if request.method == "POST" and request.path.endswith("/issues") else None
    )
    argv = [*FLOWHEALTH, "issues"]
    env = environment({"GH_TOKEN": TOKEN, "GITHUB_TOKEN": None})
    process = subprocess.Popen(argv, cwd=project.folder, env=env, stdout=subprocess.DEVNULL)
    wait_for(lambda: github.issues)
    process.send_signal(signal.SIGKILL)
    process.wait()
    github.fault = lambda *_: None

    found = project.run()
    assert (found.exit_code, found.out.split(":")[0]) == (0, "found #1")
    assert len(github.issues) == len(github.posts("/issues")) == 1


def test_a_monitor_without_a_page_opens_an_issue(github: GitHubServer, tmp_path: Path) -> None:
    more = f'[github]\nrepository = "acme/shop"\napi = "{github.url}"\n'
    with own_project(tmp_path / "shop", more, FLOWHEALTH_GITHUB_TOKEN=TOKEN) as monitor:
        add_reports(monitor.history)
        monitor.start("--health-component", "own", interval="1h")
        monitor.until(lambda: monitor.events("issue"))
        (event,) = monitor.events("issue")
        assert (event["done"], event["fingerprint"]) == ("opened", BASE.fingerprint)
        assert len(github.issues) == 1
        assert TOKEN not in monitor.text


def test_a_monitor_opens_one_issue_and_finds_it_after_its_history_was_lost(
    github: GitHubServer, tmp_path: Path
) -> None:
    more = f'[github]\nrepository = "acme/shop"\napi = "{github.url}"\n'
    with site(tmp_path / "shop", more, FLOWHEALTH_GITHUB_TOKEN=TOKEN) as shop:
        add_reports(shop.monitor.history)
        shop.start(interval="1h")
        shop.monitor.until(lambda: shop.monitor.events("issue"))
        (event,) = shop.monitor.events("issue")
        assert (event["done"], event["fingerprint"]) == ("opened", BASE.fingerprint)
        assert event["url"].endswith("/acme/shop/issues/1")
        assert shop.monitor.end() == 0

        shop.monitor.history.unlink()
        add_reports(shop.monitor.history)
        shop.start(interval="1h")
        shop.monitor.until(lambda: len(shop.monitor.events("issue")) == 2)
        assert shop.monitor.events("issue")[1]["done"] == "found"
        assert len(github.issues) == len(github.posts("/issues")) == 1
        assert TOKEN not in shop.monitor.text
        written = [path for path in (tmp_path / "shop").rglob("*") if path.is_file()]
        assert [path for path in written if TOKEN.encode() in path.read_bytes()] == []
