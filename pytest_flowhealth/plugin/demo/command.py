"""`pytest --health-demo`: installs the example application, starts a Redis for it, runs the checks."""

from __future__ import annotations

import argparse
import contextlib
import os
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from pathlib import Path

import pytest

from pytest_flowhealth.domain.status import Status
from pytest_flowhealth.domain.text import Redactor, find_secrets, printable
from pytest_flowhealth.errors import CheckFailed, FlowHealthError, UsageError
from pytest_flowhealth.plugin.collection.bundled import find_beside_or_inside
from pytest_flowhealth.plugin.demo import checks_process
from pytest_flowhealth.plugin.demo.app import Program, choose_programs, running_app
from pytest_flowhealth.plugin.demo.interruption import ended_by_signals, hold_signals
from pytest_flowhealth.plugin.demo.redis import find_redis, running_redis
from pytest_flowhealth.plugin.options import is_question
from pytest_flowhealth.plugin.reporting.report_builder import build_unfinished
from pytest_flowhealth.plugin.reporting.report_file import STDOUT, write_report
from pytest_flowhealth.probes import command

STEPS: tuple[tuple[tuple[str, ...], float], ...] = (
    (("npm", "ci", "--no-audit", "--no-fund", "--fetch-retries=1"), 300.0),
    (("npm", "run", "build"), 60.0),
)
"""What makes the application ready: each command, and the seconds that it may take."""

_OURS = ("--health", "--health-demo")
_OURS_WITH_VALUE = ("--health-project", "--health-report", "--health-history")
_NOT_COPIED = ("node_modules", "dist", ".flowhealth", "__pycache__", ".pytest_cache")


class DemoCommand:
    """Takes the place of pytest's own run; the plugin object of --health-demo."""

    @pytest.hookimpl(tryfirst=True)
    def pytest_cmdline_main(self, config: pytest.Config) -> int | None:
        """Run the demo and return its exit code; None where pytest is asked about itself."""
        if is_question(config.option):
            return None
        params = config.invocation_params
        return run_demo(params.args, params.dir, config.option)


def run_demo(arguments: Sequence[str], invoked_in: Path, options: argparse.Namespace) -> int:
    """Run the checks on a copy of the example application, and leave nothing but the report.

    Args:
        arguments: The command line of pytest that asked for the demo.
        invoked_in: The folder that it was typed in; --health-report is relative to it.
        options: The same, parsed.

    Returns:
        The exit code: that of the checks, 3 where it did not come to them, and
        4 where there is no Redis or the report can't be written.
    """
    try:
        with ended_by_signals():
            return _demonstrate(without(arguments), invoked_in, options)
    except UsageError as error:
        _tell(f"ERROR: {error}")
        return pytest.ExitCode.USAGE_ERROR
    except FlowHealthError as error:
        _tell(f"the demo did not come to its checks: {error}")
        if error.remedy:
            _tell(f"fix: {error.remedy}")
    except KeyboardInterrupt:
        _tell("the demo was interrupted")
    return Status.UNKNOWN.exit_code


def without(arguments: Sequence[str]) -> list[str]:
    """Return `arguments` without those that the demo itself gives or takes away."""
    others: list[str] = []
    rest = iter(arguments)
    for word in rest:
        name = word.partition("=")[0]
        if name in _OURS_WITH_VALUE:
            if name == word:
                next(rest, None)
        elif word not in _OURS:
            others.append(word)
    return others


def _demonstrate(arguments: Sequence[str], invoked_in: Path, options: argparse.Namespace) -> int:
    report = options.health_report
    place = STDOUT if report == STDOUT else str(invoked_in / (report or ".flowhealth/report.json"))
    _claim(place)
    redis_server = find_redis()
    with _temporary_folder() as folder:
        app = _copy(folder / "app")
        for argv, seconds in STEPS:
            _prepare(argv, app, seconds)
        programs = choose_programs(options)
        with running_redis(redis_server, folder / "redis") as url:
            environment = _environment(os.environ, url)
            with running_app(programs, app, environment) as addresses:
                _tell(f"demo: pytest --health, with a Redis at {url}{_others(programs)}")
                words = ["--health", "--health-project", str(app), "--health-report", place]
                words += _history(options.health_history, invoked_in)
                return _checks([*words, *arguments], app, {**environment, **addresses})


@contextlib.contextmanager
def _temporary_folder() -> Iterator[Path]:
    with contextlib.ExitStack() as stack:
        with hold_signals():
            made = tempfile.TemporaryDirectory(
                prefix="flowhealth-demo-", ignore_cleanup_errors=True
            )
            stack.callback(_remove, made)
        yield Path(made.name).resolve()


def _remove(folder: tempfile.TemporaryDirectory[str]) -> None:
    with hold_signals():
        folder.cleanup()


def _history(url: str | None, invoked_in: Path) -> list[str]:
    """Return the option that records the run; a relative path is resolved in the current folder."""
    if url is not None and url.startswith("sqlite:///"):
        url = f"sqlite:///{invoked_in / url.removeprefix('sqlite:///')}"
    return [] if url is None else ["--health-history", url]


def _others(programs: Sequence[Program]) -> str:
    return "".join(f", and its {program.name}" for program in programs)


def _claim(place: str) -> None:
    """Replace an old report before anything can go wrong, so that it is not taken for this run's."""
    if place == STDOUT:
        return
    try:
        write_report(
            Path(place), build_unfinished(Path(place).parent, ("the demo did not finish",))
        )
    except OSError as error:
        raise UsageError(
            f"can't write the report {place}: {error.strerror or error}; "
            "name another place with --health-report FILE"
        ) from None


def _copy(app: Path) -> Path:
    source = find_beside_or_inside("examples") / "app"
    if not source.is_dir():
        raise CheckFailed(
            "the example application is not part of this installation",
            remedy="pip install --force-reinstall pytest-flowhealth",
        )
    _tell(f"demo: copy the example application to {app}")
    shutil.copytree(source, app, ignore=shutil.ignore_patterns(*_NOT_COPIED))
    return app


def _prepare(argv: tuple[str, ...], app: Path, seconds: float) -> None:
    """Run a step in the application's folder.

    Raises:
        FlowHealthError: It can't be run, fails, or is not done in time.
    """
    shown = " ".join(word for word in argv if not word.startswith("--"))
    _tell(f"demo: {shown}")
    done = _run(argv, app, seconds)
    if done.returncode != 0:
        output = f"{done.stdout}\n{done.stderr}".strip()
        raise CheckFailed(
            f"`{shown}` failed with exit code {done.returncode}\n{_tail(output)}",
            remedy="npm ping; npm config get registry"
            if "ci" in argv
            else "see what it says above",
        )


def _run(argv: tuple[str, ...], app: Path, seconds: float) -> command.Completed:
    """Run a step in a thread, so that no signal arrives while the program is being started."""
    with ThreadPoolExecutor(1) as pool, contextlib.ExitStack() as stack:
        with hold_signals():
            future = pool.submit(command.run, argv, cwd=app, timeout=seconds)
            stack.callback(_stop, future)
        return future.result()


def _stop(future: Future[command.Completed]) -> None:
    with hold_signals():
        while not future.done():
            command.end_all()
            wait([future], timeout=0.05)


def _tail(output: str) -> str:
    """Return the last lines of an output, those of npm's errors where there are some."""
    lines = output.splitlines()
    errors = [line for line in lines if line.startswith(("npm error", "npm ERR!"))]
    return "\n".join((errors or lines)[-12:])


def _environment(environ: Mapping[str, str], redis_url: str) -> dict[str, str]:
    """Return the checks' environment: with that Redis, and without asking for a demo again."""
    changed = {**environ, "FLOWHEALTH_REDIS_URL": redis_url, "REDIS_URL": redis_url}
    if "PYTEST_ADDOPTS" in changed:
        changed["PYTEST_ADDOPTS"] = shlex.join(without(shlex.split(changed["PYTEST_ADDOPTS"])))
    return changed


def _checks(arguments: Sequence[str], app: Path, environment: Mapping[str, str]) -> int:
    """Run pytest as a child, on the same terminal; interrupted, end it in good order."""
    argv = [sys.executable, "-P", checks_process.__file__, *arguments]
    with contextlib.ExitStack() as stack:
        with hold_signals(), _sigint_blocked():
            child = subprocess.Popen(argv, cwd=app, env=environment)  # noqa: S603  # ourselves
            stack.push(lambda _kind, error, _traceback: _end(child, error))
        return _code(child.wait())


@contextlib.contextmanager
def _sigint_blocked() -> Iterator[None]:
    """Let what is started here begin with SIGINT blocked; see `checks_process`."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _code(returncode: int) -> int:
    """Return the exit code of the checks, or 3 where a signal ended their process."""
    return returncode if returncode >= 0 else Status.UNKNOWN.exit_code


def _end(child: subprocess.Popen[bytes], error: BaseException | None) -> None:
    """Interrupt the child and wait for it; kill it where it does not end.

    A terminal's Ctrl-C reaches the child as well. It is then given time to end by itself, since a
    second SIGINT would disturb its orderly end.
    """
    by_terminal = isinstance(error, KeyboardInterrupt) and error.args == (signal.SIGINT.name,)
    with hold_signals():
        for number, seconds in (
            (None, 2.0 if by_terminal else 0.0),
            (signal.SIGINT, 10.0),
            (signal.SIGKILL, 10.0),
        ):
            if child.poll() is None:
                if number is not None:
                    child.send_signal(number)
                with contextlib.suppress(subprocess.TimeoutExpired):
                    child.wait(seconds)


def _tell(text: str) -> None:
    """Write lines to standard error, which is not where the report may go."""
    redact = Redactor(find_secrets(os.environ))
    with contextlib.suppress(OSError):
        sys.stderr.write(f"{printable(redact(text))}\n")
        sys.stderr.flush()
