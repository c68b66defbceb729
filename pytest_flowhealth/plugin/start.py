"""The beginning of a run: claim the report, choose what to collect, take over the terminal."""

from __future__ import annotations

import argparse
import contextlib
import os
import sys
from functools import partial
from pathlib import Path

import pytest

from pytest_flowhealth.config.target import Target
from pytest_flowhealth.domain.status import Status
from pytest_flowhealth.plugin import bundled
from pytest_flowhealth.plugin.begin import begin
from pytest_flowhealth.plugin.guard import guard_exit
from pytest_flowhealth.plugin.keys import TOLD
from pytest_flowhealth.plugin.options import early_options, wants_health
from pytest_flowhealth.plugin.outputs import (
    outputs_of,
    readable,
    require_own_files,
    to_stdout,
)
from pytest_flowhealth.plugin.report_file import NotOurs, report_path, write_report
from pytest_flowhealth.plugin.state import Mode, is_round, is_worker
from pytest_flowhealth.plugin.stdout import Stdout, ensure_open
from pytest_flowhealth.plugin.written import unfinished

_UNFINISHED = ("run did not finish",)

CLAIMED: pytest.StashKey[pytest.UsageError | None] = pytest.StashKey()
"""Whether the report was claimed: None, or the error that kept it from being."""


def before_options(config: pytest.Config) -> None:
    """Claim the report before an option or a setting that can't be meant ends pytest."""
    options = early_options(config)
    if options is None or options.health_demo or not wants_health(options) or _may_be_worker():
        return
    try:
        _claim(config, options)
    except pytest.UsageError as error:
        # Raised here, pytest would show it with a traceback; before_conftests says it.
        config.stash[CLAIMED] = error


def before_conftests(config: pytest.Config) -> None:
    """Claim the report before a conftest.py of the target can end the run."""
    ensure_open()
    guard_exit(partial(_last_word, config))
    if _may_be_worker():
        return
    error = config.stash.get(CLAIMED, None)
    if error is not None:
        raise error
    if CLAIMED not in config.stash:
        _claim(config, config.known_args_namespace)


def start_health(config: pytest.Config) -> None:
    """Begin a run that was asked for with --health.

    Raises:
        pytest.UsageError: An option or the configuration can't be meant.
    """
    if not is_worker(config) and CLAIMED not in config.stash:
        _claim(config, config.option)
    _require_parts(config)
    _require_receiver(config)
    # Other checks still tell something when one file can't be imported.
    config.option.continue_on_collection_errors = True
    run = begin(config, Mode.HEALTH)
    config.pluginmanager.register(bundled.BundledCollection(), "flowhealth-bundled")
    if implicit(config):
        config.args[:] = _paths(run.target)


def start_watching(config: pytest.Config) -> None:
    """Begin a run in xdist's controller, whose workers will tell whether there are checks."""
    begin(config, Mode.WATCHING)


def implicit(config: pytest.Config) -> bool:
    """Tell whether no path was given, so that the bundled checks are meant."""
    return config.args_source is not pytest.Config.ArgsSource.ARGS


def _claim(config: pytest.Config, options: argparse.Namespace) -> None:
    if is_round(config):
        config.stash[CLAIMED] = None
        return
    _owe(config, options)
    path = report_path(options, config.invocation_params.dir)
    if path is not None:
        _take(path)
    outputs = outputs_of(options, config.invocation_params.dir)
    require_own_files(outputs)
    for one in outputs:
        one.claim(unfinished(config.invocation_params.dir, _UNFINISHED).health)
    alone = path is None or to_stdout(outputs) or options.health_submit == "-"
    if alone and Stdout.KEY not in config.stash:
        ensure_open()
        config.stash[Stdout.KEY] = Stdout()
    config.stash[CLAIMED] = None


def _owe(config: pytest.Config, options: argparse.Namespace) -> None:
    """See to it that the outputs say unknown where pytest ends before our end is reached.

    Until then what is polled stays; pytest refuses an option without asking any plugin.
    """

    def leave_unknown() -> None:
        if TOLD not in config.stash:
            health = unfinished(config.invocation_params.dir, _UNFINISHED).health
            for one in readable(options, config.invocation_params.dir):
                one.write(health)

    config.add_cleanup(leave_unknown)


def _last_word(config: pytest.Config, text: str) -> None:
    """Tell why there is no verdict, where a check ends the whole process."""
    if not is_round(config):
        from pytest_flowhealth.plugin.finish import refuse

        refuse(config, text, Status.UNKNOWN.exit_code)


def _take(path: Path) -> None:
    try:
        write_report(path, unfinished(path.parent, _UNFINISHED))
    except NotOurs as error:
        raise pytest.UsageError(str(error)) from None
    except OSError as error:
        # An old report that can't be replaced must not stand for this run.
        with contextlib.suppress(OSError):
            path.unlink()
        raise pytest.UsageError(
            f"can't write the report {path}: {error.strerror or error}; "
            "name another place with --health-report FILE"
        ) from None


def _paths(target: Target) -> list[str]:
    own = [str(target.root / path) for path in target.config.checks]
    return [*map(str, bundled.files().values()), *own]


_NEEDED = {
    "timeout": "pytest-timeout is switched off, and without it a check that hangs never ends",
    "warnings": "pytest's warnings are switched off, and they tell of bodies that never ran",
    "threadexception": "without it the errors of threads that a check starts are lost",
}


def _require_parts(config: pytest.Config) -> None:
    for name, reason in _NEEDED.items():
        if not config.pluginmanager.hasplugin(name):
            raise pytest.UsageError(f"{reason}; leave out -p no:{name}")


def _require_receiver(config: pytest.Config) -> None:
    if config.option.health_submit is not None:
        from pytest_flowhealth.plugin.submit import require_receiver

        require_receiver(config)


def _may_be_worker() -> bool:
    """Tell whether this looks like xdist's worker, which must not touch the report.

    A worker is known for sure only later; the variable alone does not tell, for
    what a worker starts inherits it.
    """
    return "PYTEST_XDIST_WORKER" in os.environ and sys.argv[:1] == ["-c"]
