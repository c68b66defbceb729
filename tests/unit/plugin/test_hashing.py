"""`--health-hash`: which passwords it takes."""

import getpass
import io
from types import SimpleNamespace
from typing import Any

import pytest

from pytest_flowhealth.plugin.hashing import HashCommand

CONFIG: Any = SimpleNamespace(pluginmanager=SimpleNamespace(getplugin=lambda _: None))


def test_an_empty_password_is_a_usage_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("\n"))
    with pytest.raises(pytest.UsageError, match="there is no password"):
        HashCommand().pytest_cmdline_main(CONFIG)


def test_at_a_terminal_a_password_is_typed_twice(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    terminal = io.StringIO()
    monkeypatch.setattr(terminal, "isatty", lambda: True)
    monkeypatch.setattr("sys.stdin", terminal)
    typed = iter(["geheim", "Geheim", "geheim", "geheim"])
    monkeypatch.setattr(getpass, "getpass", lambda _: next(typed))
    with pytest.raises(pytest.UsageError, match="not the same"):
        HashCommand().pytest_cmdline_main(CONFIG)
    assert HashCommand().pytest_cmdline_main(CONFIG) == 0
    assert capsys.readouterr().out.startswith("$argon2id$")
