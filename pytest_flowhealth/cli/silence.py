"""`pytest --health-silence` and `--health-acknowledge`: what people tell a monitor that runs."""

from __future__ import annotations

import datetime
import getpass
import sqlite3
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from pytest_flowhealth.alerts import store
from pytest_flowhealth.alerts.routing import matches
from pytest_flowhealth.alerts.store import Hush
from pytest_flowhealth.domain.text import printable
from pytest_flowhealth.domain.units import parse_duration
from pytest_flowhealth.errors import UsageError
from pytest_flowhealth.history.keeping import opened, said
from pytest_flowhealth.monitor.settings import history_of, read
from pytest_flowhealth.plugin.messages import usage_error
from pytest_flowhealth.plugin.monitor import asked_of

_WAIT = 5.0


class SilenceCommand:
    """Takes the place of pytest's own run; the plugin object of --health-silence."""

    @pytest.hookimpl(tryfirst=True)
    def pytest_cmdline_main(self, config: pytest.Config) -> int:
        """Keep the silence and return 0.

        Raises:
            pytest.UsageError: It can't be meant, or there is no monitor's history.
        """
        text = str(config.option.health_silence)
        pattern, equals, length = text.rpartition("=")
        try:
            seconds = parse_duration(length)
        except ValueError as error:
            raise pytest.UsageError(f"--health-silence: {error}") from None
        if not equals or not pattern.strip():
            raise pytest.UsageError(f"--health-silence: {text!r} is not such as 'redis.*=2h'")
        now = time.time()
        hush = Hush("", pattern.strip(), now, now + seconds, "", _author())

        def keep(file: sqlite3.Connection) -> str:
            store.silence(file, hush)
            names = [name for name in store.alerts(file) if matches(name, hush.pattern)]
            end = datetime.datetime.fromtimestamp(hush.ends, datetime.UTC)
            known = f"; of those known: {', '.join(names)}" if names else "; it matches none so far"
            return f"silenced until {end:%Y-%m-%d %H:%M:%S} UTC: {hush.pattern}{known}"

        return _written(config, keep)


class AcknowledgeCommand:
    """Takes the place of pytest's own run; the plugin object of --health-acknowledge."""

    @pytest.hookimpl(tryfirst=True)
    def pytest_cmdline_main(self, config: pytest.Config) -> int:
        """Keep the acknowledgement and return 0.

        Raises:
            pytest.UsageError: No such alert fires, or there is no monitor's history.
        """
        name = str(config.option.health_acknowledge)

        def keep(file: sqlite3.Connection) -> str:
            firing = [
                key
                for key, one in store.alerts(file).items()
                if one.state.fires or one.state.flapping
            ]
            if name not in firing:
                told = f"these fire: {', '.join(sorted(firing))}" if firing else "no alert fires"
                raise UsageError(f"--health-acknowledge: {name!r} does not fire; {told}")
            store.acknowledge(file, name, time.time(), _author())
            return f"acknowledged: {name}"

        return _written(config, keep)


def _written(config: pytest.Config, keep: Callable[[sqlite3.Connection], str]) -> int:
    try:
        command = asked_of(config)
        path = history_of(command, read(command)).path
        told = _kept(path, keep)
    except UsageError as error:
        raise usage_error(str(error)) from None
    except sqlite3.Error as error:
        raise pytest.UsageError(f"the history can't be written: {said(error)}") from None
    sys.stdout.write(f"{printable(told)}\n")
    return 0


def _kept(path: Path, keep: Callable[[sqlite3.Connection], str]) -> str:
    if not path.is_file():
        raise UsageError(f"there is no history {path}: no monitor has begun there")
    with opened(path, _WAIT) as file:
        return keep(file)


def _author() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return ""
