"""Run pytest on a project, in a process of its own, and read what it left.

A new interpreter needs 0.4 s of processor time before it runs the first check. `run_pytest`
therefore forks a process that has imported pytest and the plugin already: arguments, environment,
streams, signals and the exit code are those of a real process. With ``fresh=True`` it starts a new
interpreter, for tests of what happens at its start and at its end (`python -O`, atexit, imports).
"""

from __future__ import annotations

import atexit
import json
import multiprocessing
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import jsonschema
import msgspec

from pytest_flowhealth.verdict.report import schema
from tests.kit.app import App

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

TIMEOUT = 120.0
"""Seconds after which a run is taken for hanging."""

_TRACEBACK = re.compile(r"(?m)^\s*(Traceback \(most recent|INTERNALERROR)")
_CONFIGURES_RUNS = ("PYTEST_", "FLOWHEALTH_", "REDIS_", "COV_", "npm_config_")
_PRELOADED = [
    *("pytest", "_pytest.junitxml", "_pytest.doctest", "_pytest.unittest", "_pytest.pytester"),
    *("pytest_flowhealth.plugin.start", "pytest_flowhealth.plugin.begin"),
    *("pytest_flowhealth.plugin.finish", "pytest_flowhealth.plugin.round"),
    *("pytest_jsonreport.plugin", "pytest_metadata.plugin", "pytest_timeout", "xdist.plugin"),
    *("anyio.pytest_plugin", "_hypothesis_pytestplugin", "testinfra.plugin"),
]
_VALIDATOR = jsonschema.Draft202012Validator(schema())


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
        assert check["remedy"], self.text
        assert self.shows(self.reasons[0])
        assert self.shows(check["remedy"])
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
    argv = ["-p", "no:cacheprovider", *args]
    start = run_interpreter if fresh else run_fork
    ended = start(argv, cwd or folder, environment(env or {}))
    seconds = time.monotonic() - begun
    file = folder / report
    content = file.read_bytes() if file.is_file() else b"{}"
    out, err = (part.decode("utf-8", "strict") for part in (ended.stdout, ended.stderr))
    run = Run(ended.exit_code, out, err, json.loads(content), seconds)
    if not unguarded:
        assert not _TRACEBACK.search(run.text), run.text
        assert PASSWORD not in run.text + content.decode()
    if run.report:
        _VALIDATOR.validate(run.report)
    return run


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
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(_PRELOADED)
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        streams = [multiprocessing.reduction.DupFd(file.fileno()) for file in (out, err)]
        process = context.Process(target=_become_pytest, args=(argv, str(cwd), dict(env), streams))
        process.start()
        process.join(TIMEOUT)
        try:
            assert process.exitcode is not None, f"pytest {argv} did not end"
            for file in (out, err):
                file.seek(0)
            return Ended(process.exitcode, out.read(), err.read())
        finally:
            process.kill()
            process.join()


def _become_pytest(argv: list[str], cwd: str, env: dict[str, str], streams: list[Any]) -> None:
    """Do what ``python -m pytest`` does, from its start to its end."""
    os.environ.clear()
    os.environ.update(env)
    os.chdir(cwd)
    for number, stream in enumerate(streams, 1):
        os.dup2(stream.detach(), number)
    sys.stdout = open(1, "w", encoding="utf-8", closefd=False)  # noqa: SIM115
    sys.stderr = open(2, "w", encoding="utf-8", closefd=False, buffering=1)  # noqa: SIM115
    signal.signal(signal.SIGINT, signal.default_int_handler)
    sys.argv = ["pytest", *argv]
    sys.path.insert(0, cwd)
    import pytest

    code = pytest.console_main()
    atexit._run_exitfuncs()
    sys.stdout.flush()
    os._exit(code)


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
