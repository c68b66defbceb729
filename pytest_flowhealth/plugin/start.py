"""The beginning of a run: claim the report, choose what to collect, take over the terminal."""

from __future__ import annotations

import contextlib
import os
import sys

import pytest

from pytest_flowhealth.config.target import Target
from pytest_flowhealth.plugin import bundled
from pytest_flowhealth.plugin.begin import begin
from pytest_flowhealth.plugin.guard import guard_exit
from pytest_flowhealth.plugin.report_file import report_path, write_report
from pytest_flowhealth.plugin.state import Mode, is_worker
from pytest_flowhealth.plugin.stdout import Stdout, ensure_open
from pytest_flowhealth.plugin.written import unfinished

CLAIMED: pytest.StashKey[bool] = pytest.StashKey()


def before_conftests(config: pytest.Config) -> None:
    """Claim the report before a conftest.py of the target can end the run."""
    ensure_open()
    guard_exit()
    if _may_be_worker():
        return
    _claim(config, config.known_args_namespace)


def start_health(config: pytest.Config) -> None:
    """Begin a run that was asked for with --health.

    Raises:
        pytest.UsageError: An option or the configuration can't be meant.
    """
    if not is_worker(config) and CLAIMED not in config.stash:
        _claim(config, config.option)
    _require_timeouts(config)
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


def _claim(config: pytest.Config, options: object) -> None:
    namespace = options if options is not None else config.option
    path = report_path(namespace, config.invocation_params.dir)  # type: ignore[arg-type]
    config.stash[CLAIMED] = True
    if path is None:
        config.stash[Stdout.KEY] = Stdout()
        return
    try:
        write_report(path, unfinished(path.parent, ("run did not finish",)))
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


def _require_timeouts(config: pytest.Config) -> None:
    if not config.pluginmanager.hasplugin("timeout"):
        raise pytest.UsageError(
            "pytest-timeout is switched off, and without it a check that hangs never ends; "
            "leave out -p no:timeout"
        )


def _may_be_worker() -> bool:
    """Tell whether this looks like xdist's worker, which must not touch the report.

    A worker is known for sure only later; the variable alone does not tell, for
    what a worker starts inherits it.
    """
    return "PYTEST_XDIST_WORKER" in os.environ and sys.argv[:1] == ["-c"]
