"""`flowhealth monitor`: run the checks continuously."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

import click
import msgspec

from pytest_flowhealth.cli.common import Duration, history_option, project_option
from pytest_flowhealth.config.atomic import FOLDER
from pytest_flowhealth.errors import UsageError
from pytest_flowhealth.monitor.settings import MonitorOptions, Settings, find_history, load_settings

_NOT_FOR_ROUNDS = {
    "health_output": "--health-output belongs to one run; a monitor writes [monitor] openmetrics",
    "health_submit": "--health-submit belongs to one run",
    "health_compare": "--health-compare belongs to one run",
}


@click.command("monitor", short_help="Run the checks continuously.")
@click.option(
    "--interval",
    type=Duration(),
    help="How often each component is checked, as in 60s, unless `[monitor] intervals` names it.",
)
@click.option(
    "--web",
    metavar="[HOST:]PORT",
    is_flag=False,
    flag_value="",
    default=None,
    help="Serve the web page (without a value: 127.0.0.1:3001).",
)
@project_option
@history_option
@click.argument("pytest_options", nargs=-1, type=click.UNPROCESSED, metavar="[-- PYTEST OPTIONS]")
def command(
    interval: float | None,
    web: str | None,
    project: str | None,
    history: str | None,
    pytest_options: tuple[str, ...],
) -> None:
    """Run the checks continuously, with history, alerts and a web page.

    Options of pytest after `--` are given to each round: --health-component NAME to choose the
    components, paths, -k and others.
    """
    options, others = split_options(pytest_options)
    asked = MonitorOptions(
        folder=str(Path.cwd()),
        project=project or options.health_project,
        interval=interval,
        components=tuple(options.health_component),
        every=options.health_all,
        arguments=tuple(others),
        report=None,
        history=options.health_history or history,
        page=web,
    )
    settings = load_settings(asked)
    asked = msgspec.structs.replace(asked, report=_find_report(options.health_report, settings))
    find_history(asked, settings)
    _require_web(asked, settings)
    _replace_report(asked)
    sys.stdout.flush()
    module = "pytest_flowhealth.monitor" if web is None else "pytest_flowhealth.web"
    words = [sys.executable, "-m", module, msgspec.json.encode(asked).decode()]
    os.execv(sys.executable, words)  # noqa: S606  # our own program; it needs nothing of this one


def split_options(arguments: Sequence[str]) -> tuple[argparse.Namespace, list[str]]:
    """Return the options of a health run that the monitor itself decides on, and all others.

    Raises:
        UsageError: An option makes no sense for a monitor, or its value is missing.
    """
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False, exit_on_error=False)
    parser.add_argument("--health", action="store_true")
    parser.add_argument("--health-all", action="store_true")
    parser.add_argument("--health-component", action="append", default=[])
    for name in ("project", "history", "report", "output", "submit", "compare"):
        parser.add_argument(f"--health-{name}")
    try:
        options, others = parser.parse_known_args(list(arguments))
    except argparse.ArgumentError as error:
        raise UsageError(str(error)) from None
    for name, reason in _NOT_FOR_ROUNDS.items():
        if getattr(options, name) is not None:
            raise UsageError(f"{reason}; leave it out")
    return options, others


def _find_report(option: str | None, settings: Settings) -> str | None:
    if option == "-":
        return None
    default = settings.target.root / FOLDER / "report.json"
    return str(Path.cwd() / option if option else default)


def _require_web(asked: MonitorOptions, settings: Settings) -> None:
    """Refuse a web page that can't be served."""
    if asked.page is None:
        return
    from pytest_flowhealth.web.settings import Secrets, make_server_settings, read_address

    absent = [name for name in ("starlette", "uvicorn", "websockets") if find_spec(name) is None]
    if absent:
        names = " and ".join(absent)
        raise UsageError(f"--web needs {names}: pip install 'pytest-flowhealth[web]'")
    make_server_settings(
        read_address(asked.page), settings.target, Secrets.from_environ({**os.environ})
    )


def _replace_report(asked: MonitorOptions) -> None:
    """Replace an old report: it says nothing of what the monitor will find."""
    if asked.report is None:
        return
    from pytest_flowhealth.plugin.reporting.report_builder import build_unfinished
    from pytest_flowhealth.plugin.reporting.report_file import write_report

    path = Path(asked.report)
    try:
        write_report(
            path, build_unfinished(path.parent, ("the monitor's first round did not finish",))
        )
    except OSError as error:
        raise UsageError(
            f"can't write the report {path}: {error.strerror or error}; "
            "name another place with -- --health-report FILE"
        ) from None
