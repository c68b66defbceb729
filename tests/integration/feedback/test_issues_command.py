"""Real processes: the command, killed in between, two at once, and a monitor that does it by itself."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from pytest_flowhealth.errors import UsageError
from pytest_flowhealth.feedback.github import chore
from pytest_flowhealth.feedback.github.hourly import Hourly
from pytest_flowhealth.feedback.reports.report import Kind
from pytest_flowhealth.history.database import connect
from tests.feedback.kinds import BASE, kind, report, rows
from tests.kit.github import TOKEN, GitHubServer
from tests.kit.site import site


@pytest.fixture
def github() -> Iterator[GitHubServer]:
    with GitHubServer() as server:
        yield server


class Project:
    """A project with a history, and reports in it."""

    def __init__(self, folder: Path, api: str, kinds: Sequence[Kind] = (BASE,)) -> None:
        folder.mkdir()
        self.folder = folder
        (folder / "package.json").write_text('{"name": "shop", "version": "1.0.0"}')
        (folder / "flowhealth.toml").write_text(
            f'[github]\nrepository = "acme/shop"\napi = "{api}"\n'
        )
        self.history = folder / ".flowhealth/history.db"
        report(self.history, kinds)

    def start(self, *words: str, token: str | None = TOKEN) -> subprocess.Popen[str]:
        """Type the command."""
        env = {**os.environ}
        for name in ("FLOWHEALTH_GITHUB_TOKEN", "GITHUB_TOKEN", "GH_TOKEN", "PYTEST_ADDOPTS"):
            env.pop(name, None)
        if token is not None:
            env["GH_TOKEN"] = token
        return subprocess.Popen(
            [sys.executable, "-m", "pytest", *(words or ("--health-issues",))],
            cwd=self.folder,
            env=env,
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )

    def run(self, *words: str, token: str | None = TOKEN) -> tuple[int, str, str]:
        """Type the command; return the exit code and what it said."""
        process = self.start(*words, token=token)
        out, err = process.communicate(timeout=120)
        return process.returncode, out, err

    def files(self) -> bytes:
        """Return all that was written."""
        return b"".join(path.read_bytes() for path in self.folder.rglob("*") if path.is_file())


def wait_for(done: Callable[[], object], seconds: float = 60.0) -> None:
    end = time.monotonic() + seconds
    while not done():
        assert time.monotonic() < end
        time.sleep(0.02)


def test_the_command_opens_and_says_so(github: GitHubServer, tmp_path: Path) -> None:
    project = Project(tmp_path / "shop", github.url)

    code, out, err = project.run()

    assert (code, err) == (0, "")
    assert out == (
        "opened #1: shop: install fails: npm error code ENOTARGET cerebras@\u200b^1.0.0 is not in the "
        f"registry\n  {github.url}/acme/shop/issues/1\n"
    ).replace("@\u200b^", "@^")
    code, out, _ = project.run()
    assert (code, out.split(":")[0]) == (0, "unchanged #1")
    assert len(github.issues) == 1
    assert TOKEN.encode() not in project.files()


def test_a_secret_of_this_machine_in_an_error(github: GitHubServer, tmp_path: Path) -> None:
    planted = kind(error=f"npm error 401 with {TOKEN} at https://me:hunter22@example.org/x")
    project = Project(tmp_path / "shop", github.url, [planted])

    project.run()

    assert github.issues
    assert TOKEN not in json.dumps(github.issues)
    assert "hunter22" not in json.dumps(github.issues)


def test_dry_run_shows_what_is_sent_and_sends_nothing(github: GitHubServer, tmp_path: Path) -> None:
    project = Project(tmp_path / "shop", github.url)

    code, out, err = project.run("--health-issues=dry-run", token=None)

    assert code == 0
    assert "2 requests would be sent; GitHub was not asked" in err
    assert github.asked == []
    assert rows(project.history) == []
    heads = [line for line in out.splitlines() if line.startswith("POST ")]
    base = f"{github.url}/repos/acme/shop"
    assert heads == [f"POST {base}/labels", f"POST {base}/issues"]
    shown = json.loads(out.partition(heads[1])[2])
    project.run()
    assert github.posts("/issues")[0].body == shown
    _, out, _ = project.run("--health-issues=dry-run")
    assert out == ""


def test_one_network_opens_nothing_unless_that_is_enough(
    github: GitHubServer, tmp_path: Path
) -> None:
    project = Project(tmp_path / "shop", github.url, [kind(count=300, sources=1)])

    code, out, err = project.run("--health-issues=dry-run", token=None)
    assert (code, out) == (0, "")
    assert "an issue takes 5 reports of one kind, from 2 networks; 0 of 1 kinds have that" in err
    assert "from enough networks" in project.run()[1]
    assert github.asked == []

    with (project.folder / "flowhealth.toml").open("a") as file:
        file.write("networks = 1\n")
    _, out, err = project.run("--health-issues=dry-run", token=None)
    assert "from 1 network; 1 of 1 kinds have that" in err
    assert out.count("POST ") == 2
    assert project.run()[1].startswith("opened #1")


def test_without_a_token_there_is_a_link(github: GitHubServer, tmp_path: Path) -> None:
    project = Project(tmp_path / "shop", github.url, [BASE, kind(fingerprint="f" * 16, count=2)])

    code, out, err = project.run(token=None)

    assert code == 0
    assert "no token is set (FLOWHEALTH_GITHUB_TOKEN, GITHUB_TOKEN or GH_TOKEN)" in err
    assert out.count("/acme/shop/issues/new?template=installation_issue.yml&title=shop") == 1
    assert github.asked == []


def test_what_can_not_be_meant(github: GitHubServer, tmp_path: Path) -> None:
    project = Project(tmp_path / "shop", github.url)

    code, _, err = project.run("--health-issues=later")
    assert (code, "invalid choice: 'later'" in err) == (4, True)
    code, _, err = project.run(token="not one")
    assert (code, "a token has no spaces" in err) == (4, True)
    (project.folder / "flowhealth.toml").write_text("")
    code, _, err = project.run()
    assert (code, "no repository on GitHub is known" in err) == (4, True)


def test_without_a_history_nothing_is_known(github: GitHubServer, tmp_path: Path) -> None:
    project = Project(tmp_path / "shop", github.url)
    project.history.unlink()
    code, _, err = project.run()
    assert (code, "no report was received there" in err) == (3, True)


def test_a_failure_is_told(github: GitHubServer, tmp_path: Path) -> None:
    project = Project(tmp_path / "shop", github.url)
    github.has_issues = False
    code, out, err = project.run()
    assert (code, out) == (3, "")
    assert "Issues has been disabled in this repository." in err
    assert "turn issues on in the repository's settings" in err


@pytest.mark.parametrize("status", [401, 403, 404, 302, 307])
@pytest.mark.parametrize("path", ["/issues", "/labels"])
def test_a_token_that_is_repeated_is_nowhere(
    github: GitHubServer, tmp_path: Path, path: str, status: int
) -> None:
    with GitHubServer() as other:
        github.status[path] = (status, f"Bearer {TOKEN} is not allowed")
        github.headers = {"Location": f"{other.url}/?token={TOKEN}", "X-Token": TOKEN}
        project = Project(tmp_path / "shop", github.url)

        code, out, err = project.run()

        assert code == 3
        assert f"status {status}" in err or "another host, which is not followed" in err
        assert TOKEN not in out + err
        assert TOKEN.encode() not in project.files()
        assert other.asked == []
        assert len(github.asked) <= 2


def test_killed_between_creating_and_noting(github: GitHubServer, tmp_path: Path) -> None:
    project = Project(tmp_path / "shop", github.url)
    github.seconds = 60.0
    github.fault = lambda asked, _: (
        "done slow" if asked.method == "POST" and asked.path.endswith("/issues") else None
    )

    process = project.start()
    wait_for(lambda: github.issues)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    github.hold.set()
    github.fault = lambda *_: None

    code, out, _ = project.run()
    assert (code, out.split(":")[0]) == (0, "found #1")
    assert len(github.issues) == len(github.posts("/issues")) == 1


def test_killed_there_while_the_list_lags_behind(github: GitHubServer, tmp_path: Path) -> None:
    project = Project(tmp_path / "shop", github.url)
    github.seconds, github.lag = 60.0, 1_000.0
    github.fault = lambda asked, _: "done slow" if asked.path.endswith("/issues") else None

    process = project.start()
    wait_for(lambda: github.issues)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    github.hold.set()
    github.fault = lambda *_: None

    code, out, _ = project.run()
    assert (code, out.split(":")[0]) == (0, "waiting")
    assert "whether it is there shows in two minutes" in out
    assert len(github.issues) == 1


def test_killed_before_creating(github: GitHubServer, tmp_path: Path) -> None:
    project = Project(tmp_path / "shop", github.url)
    github.seconds = 60.0
    github.fault = lambda asked, _: "slow" if asked.path.endswith("/labels") else None

    process = project.start()
    wait_for(lambda: github.posts("/labels"))
    process.send_signal(signal.SIGKILL)
    process.communicate()
    github.hold.set()
    github.fault = lambda *_: None

    assert project.run()[1].startswith("opened #1")


def test_two_processes_with_one_history(github: GitHubServer, tmp_path: Path) -> None:
    project = Project(tmp_path / "shop", github.url)
    github.seconds = 60.0
    github.fault = lambda asked, _: "done slow" if asked.path.endswith("/labels") else None

    first = project.start()
    wait_for(lambda: github.labels)
    code, out, err = project.run()
    github.hold.set()
    github.fault = lambda *_: None
    first.communicate(timeout=60)

    assert (code, out) == (3, "")
    assert "another process sees to the issues just now" in err
    assert len(github.issues) == 1


def test_two_processes_with_two_histories_at_once(github: GitHubServer, tmp_path: Path) -> None:
    kinds = [kind(fingerprint=f"{number:016x}") for number in range(4)]
    projects = [Project(tmp_path / name, github.url, kinds) for name in ("one", "two", "three")]

    running = [one.start() for one in projects]
    told = [one.communicate(timeout=120)[0] for one in running]

    for one in kinds:
        assert len(github.about(one.fingerprint)) <= 1, told
    assert len(github.issues) == sum(out.count("opened #") for out in told) == 4, told


def test_the_lock_is_let_go(tmp_path: Path) -> None:
    path = tmp_path / "history.db"
    with chore.alone(path), pytest.raises(UsageError), chore.alone(path):
        pass
    with chore.alone(path):
        pass


# -- beside a monitor


def test_a_monitor_opens_one_issue_by_itself(github: GitHubServer, tmp_path: Path) -> None:
    more = f'[github]\nrepository = "acme/shop"\napi = "{github.url}"\n'
    with site(tmp_path / "shop", more, FLOWHEALTH_GITHUB_TOKEN=TOKEN) as shop:
        report(shop.monitor.history)
        shop.start()
        shop.monitor.until(lambda: shop.monitor.events("issue"))
        (told,) = shop.monitor.events("issue")
        assert (told["done"], told["fingerprint"]) == ("opened", BASE.fingerprint)
        assert told["url"].endswith("/acme/shop/issues/1")
        assert shop.monitor.end() == 0

        shop.monitor.history.unlink()
        report(shop.monitor.history)
        shop.start()
        shop.monitor.until(lambda: len(shop.monitor.events("issue")) == 2)
        assert shop.monitor.events("issue")[1]["done"] == "found"
        assert len(github.issues) == len(github.posts("/issues")) == 1
        assert TOKEN not in shop.monitor.text
        written = [path for path in (tmp_path / "shop").rglob("*") if path.is_file()]
        assert [one for one in written if TOKEN.encode() in one.read_bytes()] == []


def test_a_monitor_tells_once_what_is_wrong_and_goes_on(
    github: GitHubServer, tmp_path: Path
) -> None:
    more = f'[github]\nrepository = "acme/shop"\napi = "{github.url}"\n'
    with site(tmp_path / "shop", more, FLOWHEALTH_GITHUB_TOKEN="wrong") as shop:
        report(shop.monitor.history)
        shop.start()
        shop.monitor.until(lambda: shop.monitor.events("issues can't be seen to"))
        shop.monitor.rounds(2)
        (told,) = shop.monitor.events("issues can't be seen to")
        assert "does not accept the token" in told["problem"]
        assert shop.monitor.end() == 0


class Looked:
    """A chore whose history has nothing to tell."""

    def __init__(self, path: Path, environ: dict[str, str]) -> None:
        connect(path, wait=5.0).close()
        self.times = 0
        self.release = threading.Event()
        self.release.set()
        self.hourly = Hourly(path, environ, self._ask)

    def _ask(self, _: sqlite3.Connection) -> list[Kind]:
        self.times += 1
        self.release.wait(10)
        return []

    def at(self, target: Any, seconds: float) -> int:
        """Let a second pass; return how often was looked until now."""
        self.hourly.second(target, seconds)
        thread = self.hourly._thread
        if thread is not None and self.release.is_set():
            thread.join(10)
        return self.times


def target_of(folder: Path, text: str) -> Any:
    from pytest_flowhealth.config.load import load_target

    (folder / "package.json").write_text('{"name": "shop"}')
    (folder / "flowhealth.toml").write_text(text)
    return load_target(folder, {}, folder)


def test_it_is_looked_once_an_hour(tmp_path: Path) -> None:
    target = target_of(tmp_path, '[github]\nrepository = "acme/shop"\n')
    looked = Looked(tmp_path / "history.db", {"GH_TOKEN": TOKEN})

    times = [looked.at(target, at) for at in (0, 1, 3, 4, 3_600, 3_603, 3_604, 7_203)]

    assert times == [0, 0, 1, 1, 1, 2, 2, 3]


def test_a_look_that_hangs_holds_nobody_up(tmp_path: Path) -> None:
    target = target_of(tmp_path, '[github]\nrepository = "acme/shop"\n')
    looked = Looked(tmp_path / "history.db", {"GH_TOKEN": TOKEN})
    looked.release.clear()
    for at in (0.0, 10.0, 4_000.0, 8_000.0):
        looked.at(target, at)
    wait_for(lambda: looked.times == 1)
    looked.release.set()


@pytest.mark.parametrize(
    ("text", "environ"),
    [("", {"GH_TOKEN": TOKEN}), ('[github]\nrepository = "acme/shop"\n', {})],
)
def test_without_repository_or_token_it_is_not_looked(
    tmp_path: Path, text: str, environ: dict[str, str]
) -> None:
    target = target_of(tmp_path, text)
    looked = Looked(tmp_path / "history.db", environ)
    assert [looked.at(target, at) for at in (0, 10, 5_000)] == [0, 0, 0]
    assert looked.hourly.told() == []


def test_a_history_that_is_none_is_told(tmp_path: Path) -> None:
    target = target_of(tmp_path, '[github]\nrepository = "acme/shop"\n')
    path = tmp_path / "history.db"
    path.write_bytes(b"garbage" * 1_000)
    done = chore.see_to(path, target, {"GH_TOKEN": TOKEN}, lambda _: [BASE])
    assert "the history can't be used" in (done.problem or "")
    with contextlib.suppress(OSError):
        path.unlink()
