"""What the real npm says about a package's registry."""

from pathlib import Path

import pytest

from pytest_flowhealth.config.model import Configuration
from pytest_flowhealth.config.target import Target
from pytest_flowhealth.errors import CheckFailed, MeasurementUnavailable
from pytest_flowhealth.probes.registry.settings import read_settings
from pytest_flowhealth.probes.registry.transport import downloads_server
from tests.kit.projects import write, write_program


def test_npm_names_registry_scope_credential_and_proxies(tmp_path: Path) -> None:
    npmrc = """\
registry=http://127.0.0.1:9/all
@team:registry=https://registry.team.example/npm/
//registry.team.example/npm/:_authToken=${FLOWHEALTH_TEST_TOKEN}
strict-ssl=false
noproxy=a.example,b.example
"""
    target = Target(write(tmp_path, {".npmrc": npmrc}, name="@team/a"), Configuration())
    settings = read_settings(target)

    assert settings.registry == "https://registry.team.example/npm/"
    assert settings.downloads == "https://api.team.example/"
    assert settings.scope == "@team"
    assert settings.credential.header.startswith("Bearer ")
    assert not settings.way.strict
    assert settings.way.noproxy == "a.example,b.example"
    assert downloads_server(settings).credential.header == ""


def test_a_broken_npm_is_unknown_and_a_missing_npm_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = Target(write(tmp_path, name="a"), Configuration())
    monkeypatch.setenv("PATH", write_program(tmp_path / "bin", "npm", "echo nonsense\nexit 3"))
    with pytest.raises(MeasurementUnavailable, match="exit code 3"):
        read_settings(target)

    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(CheckFailed, match="no `npm`"):
        read_settings(target)
