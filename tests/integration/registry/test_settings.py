"""What the real npm says about a package's registry."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from pytest_flowhealth.config.model import Configuration
from pytest_flowhealth.config.target import Target
from pytest_flowhealth.errors import CheckFailed, MeasurementUnavailable
from pytest_flowhealth.probes.registry.settings import read_settings
from pytest_flowhealth.probes.registry.transport import downloads_server


def target(root: Path, name: str, npmrc: str = "") -> Target:
    (root / "package.json").write_text(json.dumps({"name": name}))
    (root / ".npmrc").write_text(npmrc)
    return Target(root, Configuration())


def test_npm_names_registry_scope_credential_and_proxies(tmp_path: Path) -> None:
    npmrc = """\
registry=http://127.0.0.1:9/all
@team:registry=https://registry.team.example/npm/
//registry.team.example/npm/:_authToken=${FLOWHEALTH_TEST_TOKEN}
strict-ssl=false
noproxy=a.example,b.example
"""
    settings = read_settings(target(tmp_path, "@team/a", npmrc))

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
    fake = tmp_path / "bin" / "npm"
    fake.parent.mkdir()
    fake.write_text("#!/bin/sh\necho nonsense\nexit 3\n")
    fake.chmod(0o755)
    there = target(tmp_path, "a")
    monkeypatch.setenv("PATH", f"{fake.parent}:/bin:/usr/bin")
    with pytest.raises(MeasurementUnavailable, match="exit code 3"):
        read_settings(there)

    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(CheckFailed, match="no `npm`"):
        read_settings(there)
