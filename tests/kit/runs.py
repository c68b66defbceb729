"""Run pytest on a project, in a process of its own, and read what it left.

A new interpreter needs 0.4 s of processor time before it runs the first check. `run_pytest`
therefore forks a process that has imported pytest and the plugin already (0.13 s): arguments,
environment, streams, signals and the exit code are those of a real process. With ``fresh=True``, and
where a variable is given that the interpreter itself reads (PYTHON*) other than PYTHONPATH, it starts a
new interpreter.
"""

import json
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import jsonschema
import msgspec

from pytest_flowhealth.domain.report import make_schema
from tests.kit.app import App
from tests.kit.warm import start

PASSWORD = "Xk7-aGeheim"
"""The password of every server in the tests; no run may print or write it."""

STATUS = ("healthy", "degraded", "unhealthy", "unknown")
"""The status by its exit code."""

CALM = (
    *("system.cpu=1000:", "system.load=1000:", "system.memory=99.5:99.9", "system.disk=99.5:99.9"),
    *("redis.connect.p95=500:5000", "redis.command.p95=500:5000", "redis.throughput=10:1"),
    "redis.slow_commands=100:",
)
"""Limits that a busy test machine keeps, so that only the fault under test counts."""

WITHOUT = tuple(f"-pno:{name}" for name in ("cacheprovider", "randomly", "random_order"))
"""What a run does without: the plugins that a developer has for the tests themselves, and the cache."""

TIMEOUT = 120.0
"""Seconds after which a run is taken for hanging."""

FLOWHEALTH = (sys.executable, "-m", "pytest_flowhealth.cli")
"""The console script, whichever way it was installed."""

_TRACEBACK = re.compile(r"(?m)^\s*(Traceback \(most recent|INTERNALERROR)")
_CONFIGURES_RUNS = ("PYTEST_", "FLOWHEALTH_", "REDIS_", "COV_", "npm_config_")
_VALIDATOR = jsonschema.Draft202012Validator(make_schema())


class Run(msgspec.Struct, frozen=True):
    """What a run left. `report` is empty if there is none; `seconds` is how long it took."""

    exit_code: int
    out: str
    err: str
    report: dict[str, Any]
    seconds: float

    @property
    def health(self) -> dict[str, Any]:
        """The report's key `health`."""
        assert self.report, self.text
        part: dict[str, Any] = self.report["health"]
        return part

    @property
    def text(self) -> str:
        """Standard output and standard error."""
        return self.out + self.err

    @property
    def reasons(self) -> list[str]:
        """Why it is not healthy, worst first."""
        return list(self.health["reasons"])

    @property
    def outcomes(self) -> dict[str, str]:
        """The outcome of each check."""
        return {check["id"]: check["outcome"] for check in self.health["checks"]}

    @property
    def blocked(self) -> dict[str, str]:
        """What blocked each check that was blocked."""
        checks = self.health["checks"]
        return {check["id"]: check["blocked_by"] for check in checks if check["blocked_by"]}

    def check(self, check_id: str) -> dict[str, Any]:
        """Return one check of the report."""
        found = {check["id"]: check for check in self.health["checks"]}
        assert check_id in found, sorted(found)
        check: dict[str, Any] = found[check_id]
        return check

    def status_of(self, component: str) -> str:
        """Return the status of a component."""
        status: str = self.health["components"][component]["status"]
        return status

    def assert_healthy(self) -> None:
        """Assert that nothing at all is wrong."""
        assert (self.exit_code, self.health["status"]) == (0, "healthy"), self.text
        assert self.reasons == []

    def assert_fault(
        self,
        root: str,
        code: int,
        *says: str,
        component_code: int | None = None,
        blocked: Collection[str] = (),
    ) -> None:
        """Assert that the check `root` is named first as the cause, with words that it `says`.

        Args:
            root: The check's id.
            code: The exit code, which tells the status of the run.
            says: What its message must contain.
            component_code: The status of its component, by exit code; that of the run by default.
            blocked: Checks that `root` must have blocked.
        """
        assert self.exit_code == code, self.text
        assert self.health["exit_code"] == code
        assert self.health["status"] == STATUS[code]
        component = self.status_of(root.partition(".")[0])
        assert component == STATUS[code if component_code is None else component_code], self.text
        assert self.reasons[0].startswith(f"{root}: "), self.reasons
        check = self.check(root)
        for words in says:
            assert words in check["message"], check["message"]
        assert self.shows(self.reasons[0])
        assert self.shows(check["remedy"] or check["details"].get("diagnosis", ""))
        assert {self.blocked.get(name) for name in blocked} <= {root}, self.blocked
        assert {name for name in blocked if self.outcomes[name] != "skip"} == set()

    def shows(self, text: str) -> bool:
        """Tell whether the terminal shows `text`, however it broke its lines."""
        shown, text = ("".join(part.split()) for part in (self.out, text))
        return text[:150] in shown


def run_pytest(
    folder: Path,
    *args: str,
    env: Mapping[str, str | None] | None = None,
    cwd: Path | None = None,
    report: str = ".flowhealth/report.json",
    fresh: bool = False,
    unguarded: bool = False,
) -> Run:
    """Run pytest with `args` in `folder`, and read what it left.

    Args:
        folder: The project, where the report is looked for.
        args: Arguments of pytest.
        env: Variables besides those of this process; None removes one.
        cwd: Where the command is typed; `folder` by default.
        report: The report's path, relative to `folder`.
        fresh: Start a new interpreter instead of forking one.
        unguarded: Do not fail on tracebacks and passwords in what it prints.
    """
    begun = time.monotonic()
    argv = [*WITHOUT, *args]
    reads = any(name.startswith("PYTHON") for name in {*(env or {})} - {"PYTHONPATH"})
    run = run_interpreter if fresh or reads else run_fork
    ended = run(argv, cwd or folder, environment(env or {}))
    seconds = time.monotonic() - begun
    file = folder / report
    content = file.read_bytes() if file.is_file() else b"{}"
    out, err = (part.decode("utf-8", "strict") for part in (ended.stdout, ended.stderr))
    left = Run(ended.exit_code, out, err, json.loads(content), seconds)
    if not unguarded:
        assert not _TRACEBACK.search(left.text), left.text
        assert PASSWORD not in left.text + content.decode()
    if left.report:
        _VALIDATOR.validate(left.report)
    return left


def run_checks_in(
    folder: Path,
    source: str,
    *args: str,
    health: bool = True,
    files: Mapping[str, str] | None = None,
    path: tuple[str, ...] = ("test_checks.py",),
    **named: Any,
) -> Run:
    """Write a file of checks and run ``pytest --health`` on it.

    Args:
        folder: Where the file is written; its project's name is "app".
        source: The checks; math, os, signal, sys, time and pytest are imported already.
        args: Further arguments of pytest.
        health: Whether --health is among them.
        files: Other files to write, by their path.
        path: The paths that pytest is given.
        named: Named arguments of `run_pytest`.
    """
    head = "import math, os, signal, sys, time\nimport pytest\n"
    package = '{"name": "app", "version": "1.2.3"}'
    written = {"package.json": package, "test_checks.py": head + source, **(files or {})}
    for name, text in written.items():
        file = folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    return run_pytest(folder, *(["--health"] if health else []), *path, *args, **named)


def run_components(
    folder: Path,
    *components: str,
    args: Collection[str] = (),
    env: Mapping[str, str | None] | None = None,
    calm: bool = True,
) -> Run:
    """Run the checks of these components alone; a folder without a package.json gets a small one.

    `calm` raises the limits that depend on the machine's load.
    """
    if not (folder / "package.json").exists():
        (folder / "package.json").write_text('{"name": "app", "version": "1.0.0"}')
    chosen = [f"--health-component={name}" for name in components]
    if calm:
        chosen += [f"--health-threshold={one}" for one in CALM if one.startswith(components)]
    return run_pytest(folder, "--health", *chosen, *args, env=env)


def run_flowhealth(
    folder: Path,
    *words: str,
    env: Mapping[str, str | None] | None = None,
    input: str = "",  # noqa: A002  # as subprocess.run names it
) -> Run:
    """Run the console script `flowhealth` in `folder`; its `report` is empty."""
    begun = time.monotonic()
    done = subprocess.run(
        [*FLOWHEALTH, *words],
        cwd=folder,
        env=environment(env or {}),
        capture_output=True,
        text=True,
        input=input,
        timeout=TIMEOUT,
        check=False,
    )
    assert not _TRACEBACK.search(done.stdout + done.stderr), done.stdout + done.stderr
    return Run(done.returncode, done.stdout, done.stderr, {}, time.monotonic() - begun)


def environment(changes: Mapping[str, str | None] | None = None) -> dict[str, str]:
    """Return this process's environment without what would configure a run, and with `changes`."""
    kept = {n: text for n, text in os.environ.items() if not n.startswith(_CONFIGURES_RUNS)}
    changed = {**kept, **(changes or {})}
    return {name: text for name, text in changed.items() if text is not None}


class Ended(NamedTuple):
    """How a process ended: its exit code (negative: by that signal) and its two streams."""

    exit_code: int
    stdout: bytes
    stderr: bytes


def run_interpreter(argv: list[str], cwd: Path, env: Mapping[str, str]) -> Ended:
    """Run ``python -m pytest`` with `argv`."""
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *argv],
        cwd=cwd,
        env=env,
        capture_output=True,
        stdin=subprocess.DEVNULL,
        timeout=TIMEOUT,
        check=False,
    )
    return Ended(done.returncode, done.stdout, done.stderr)


def run_fork(argv: list[str], cwd: Path, env: Mapping[str, str]) -> Ended:
    """Run pytest with `argv` in a fork of a process that has imported it."""
    with (
        tempfile.TemporaryFile() as out,
        tempfile.TemporaryFile() as err,
        Path(os.devnull).open("rb") as nothing,
    ):
        process = start(argv, cwd, env, [file.fileno() for file in (nothing, out, err)])
        try:
            exit_code = process.wait(TIMEOUT)
        finally:
            process.kill()
        for file in (out, err):
            file.seek(0)
        return Ended(exit_code, out.read(), err.read())


RunChecks = Callable[..., Run]
"""The type of the fixture `run_checks`."""


class RunHealth(Protocol):
    """Runs `pytest --health ARGS` in the application's folder.

    `env` are variables besides those that name the Redis and the registry.
    `calm` raises the machine's own limits, so that its load is no reason.
    """

    def __call__(
        self,
        app: App,
        *args: str,
        env: Mapping[str, str | None] | None = None,
        calm: bool = True,
    ) -> Run: ...
