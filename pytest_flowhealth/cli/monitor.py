"""`pytest --health-monitor`: this process becomes the monitor, which starts a pytest for each round."""

from __future__ import annotations

import argparse
import os
import shlex
import sys
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

import msgspec
import pytest

from pytest_flowhealth.errors import UsageError
from pytest_flowhealth.monitor.settings import Asked, Settings, history_of, read
from pytest_flowhealth.plugin.messages import usage_error
from pytest_flowhealth.plugin.options import is_question
from pytest_flowhealth.plugin.report_file import report_path, write_report
from pytest_flowhealth.plugin.stdout import flush
from pytest_flowhealth.plugin.written import unfinished

MONITOR, DASHBOARD = "--health-monitor", "--health-dashboard"
ADDOPTS = "PYTEST_ADDOPTS"
_ALONE = ("--health", "--health-all")
_WITH_VALUE = (
    "--health-component",
    "--health-history",
    MONITOR,
    DASHBOARD,
    "--health-project",
    "--health-report",
)


class MonitorCommand:
    """Takes the place of pytest's own run; the plugin object of --health-monitor."""

    @pytest.hookimpl(tryfirst=True)
    def pytest_cmdline_main(self, config: pytest.Config) -> int | None:
        """Become the monitor; return only where pytest is asked about itself.

        Raises:
            pytest.UsageError: The configuration or an option can't be meant.
        """
        if is_question(config.option):
            return None
        try:
            asked = asked_of(config)
            settings = read(asked)
            history_of(asked, settings)
            _require_page(asked, settings)
            _require_no_output(config.option)
        except UsageError as error:
            raise usage_error(str(error)) from None
        _claim(asked)
        flush()
        if ADDOPTS in os.environ:
            os.environ[ADDOPTS] = shlex.join(without(shlex.split(os.environ[ADDOPTS])))
        words = [
            sys.executable,
            "-m",
            "pytest_flowhealth.monitor" if asked.page is None else "pytest_flowhealth.web",
            msgspec.json.encode(asked).decode(),
        ]
        os.execv(sys.executable, words)  # noqa: S606  # our own program


def _require_page(asked: Asked, settings: Settings) -> None:
    """Refuse a page that can't be served."""
    if asked.page is None:
        return
    from pytest_flowhealth.web.settings import Secrets, read_address, served_of

    absent = [name for name in ("starlette", "uvicorn", "websockets") if find_spec(name) is None]
    if absent:
        raise UsageError(
            f"--health-dashboard needs {' and '.join(absent)}: pip install 'pytest-flowhealth[web]'"
        )
    served_of(read_address(asked.page), settings.target, Secrets.taken({**os.environ}))


def _require_no_output(options: argparse.Namespace) -> None:
    """Refuse what each round would overwrite: it may be of some components only."""
    if options.health_output:
        raise UsageError(
            "--health-output is of one run; of a monitor, name the file in the configuration: "
            "[monitor] openmetrics"
        )
    if options.health_submit is not None:
        raise UsageError("--health-submit is of one run: leave it out here")


def asked_of(config: pytest.Config) -> Asked:
    """Return what the command line asks of the monitor."""
    options: argparse.Namespace = config.option
    params = config.invocation_params
    report = None if options.health_report == "-" else report_path(options, params.dir)
    return Asked(
        folder=str(params.dir),
        project=options.health_project,
        interval=options.health_monitor or None,
        components=tuple(options.health_component),
        every=options.health_all,
        arguments=tuple(without(params.args)),
        report=None if report is None else str(report),
        history=options.health_history,
        page=options.health_dashboard,
    )


def without(arguments: Sequence[str]) -> list[str]:
    """Return what a round is given of the command line: not what the monitor itself says."""
    kept: list[str] = []
    rest = iter(map(str, arguments))
    for word in rest:
        name, equals, _ = word.partition("=")
        if name in _WITH_VALUE:
            if not equals:
                after = next(rest, None)
                # Its value may be left out, as argparse has it.
                if name in (MONITOR, DASHBOARD) and after is not None and after.startswith("-"):
                    kept += without([after, *rest])
        elif word not in _ALONE:
            kept.append(word)
    return kept


def _claim(asked: Asked) -> None:
    """Replace an old report: it says nothing of what the monitor will find."""
    if asked.report is None:
        return
    path = Path(asked.report)
    try:
        write_report(path, unfinished(path.parent, ("the monitor's first round did not finish",)))
    except OSError as error:
        raise pytest.UsageError(
            f"can't write the report {path}: {error.strerror or error}; "
            "name another place with --health-report FILE"
        ) from None
