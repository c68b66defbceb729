"""Which package, which registry: from the configuration, else from npm itself."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from pytest_flowhealth.config.model import Configuration, Npm
from pytest_flowhealth.config.target import Target
from pytest_flowhealth.errors import NotApplicable, ProbeError, Unmeasured
from pytest_flowhealth.probes.registry.settings import derived, read_settings, shown
from pytest_flowhealth.probes.registry.transport import downloads_server


def target(root: Path, manifest: dict[str, Any] | None, npmrc: str = "", **npm: Any) -> Target:
    if manifest is not None:
        (root / "package.json").write_text(json.dumps(manifest))
    (root / ".npmrc").write_text(npmrc)
    return Target(root, Configuration(npm=Npm(**npm)))


@pytest.mark.parametrize(
    ("registry", "api"),
    [
        ("https://registry.example.org/", "https://api.example.org/"),
        ("https://Registry.example.org:8443/npm/", "https://api.example.org:8443/"),
        ("http://user:geheim@registry.example.org/", "http://api.example.org/"),
        ("https://npm.registry.example.org/", None),
        ("https://registry/", None),
        ("https://registry.:1/", None),
        ("http://127.0.0.1:4873/", None),
    ],
)
def test_derived(registry: str, api: str | None) -> None:
    assert derived(registry) == api


def test_shown() -> None:
    assert shown("https://a:geheim@registry.example.org/npm/?x=1") == "registry.example.org/npm"


@pytest.mark.parametrize(
    ("manifest", "says"),
    [({"name": "a", "private": True}, "private"), ({"version": "1.0.0"}, "no name")],
)
def test_not_applicable(tmp_path: Path, manifest: dict[str, Any], says: str) -> None:
    with pytest.raises(NotApplicable, match=says):
        read_settings(target(tmp_path, manifest))


@pytest.mark.parametrize(
    "name", ["../x", "a b", "file:/etc", "git+ssh://a/b", "-g", "a@latest", "@a", ".x", "a" * 215]
)
def test_name_that_is_none(tmp_path: Path, name: str) -> None:
    """To npm it would mean something else."""
    with pytest.raises(ProbeError, match="must be a package's name"):
        read_settings(target(tmp_path, {"name": name}))


def test_configured_package_of_a_private_project(tmp_path: Path) -> None:
    there = target(tmp_path, {"name": "a", "private": True}, package="express")

    assert read_settings(there).package == "express"


def test_no_manifest(tmp_path: Path) -> None:
    with pytest.raises(ProbeError, match=r"package\.json"):
        read_settings(target(tmp_path, None))


def test_what_npm_says(tmp_path: Path) -> None:
    npmrc = """\
registry=http://127.0.0.1:9/all
@team:registry=https://registry.team.example/npm/
//registry.team.example/npm/:_authToken=${FLOWHEALTH_TEST_TOKEN}
strict-ssl=false
noproxy=a.example,b.example
"""
    settings = read_settings(target(tmp_path, {"name": "@team/a"}, npmrc))

    assert settings.registry == "https://registry.team.example/npm/"
    assert settings.downloads == "https://api.team.example/"
    assert settings.scope == "@team"
    assert settings.credential.header.startswith("Bearer ")
    assert not settings.way.strict
    assert settings.way.noproxy == "a.example,b.example"
    assert downloads_server(settings).credential.header == ""


def test_unscoped(tmp_path: Path) -> None:
    npmrc = "registry=http://127.0.0.1:9/all\n@team:registry=https://registry.team.example/npm/\n"
    settings = read_settings(target(tmp_path, {"name": "a"}, npmrc))

    assert settings.registry == "http://127.0.0.1:9/all/"
    assert settings.downloads is None
    with pytest.raises(
        Unmeasured, match=r"no downloads API is known for the registry 127"
    ) as caught:
        downloads_server(settings)
    assert "downloads" in str(caught.value.remedy)


def test_configuration_wins(tmp_path: Path) -> None:
    there = target(
        tmp_path,
        {"name": "a"},
        "registry=http://127.0.0.1:9/\n",
        registry="https://u:geheim@registry.example.org",
        downloads="https://numbers.example.org/api",
    )

    settings = read_settings(there)

    assert settings.registry == "https://registry.example.org/"
    assert settings.configured
    assert downloads_server(settings).address == "https://numbers.example.org/api/"
    assert settings.credential
    assert "geheim" not in repr(settings)
    assert settings.credential.header not in repr(settings)


def test_npm_breaks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fake = tmp_path / "bin" / "npm"
    fake.parent.mkdir()
    fake.write_text("#!/bin/sh\necho nonsense\nexit 3\n")
    fake.chmod(0o755)
    there = target(tmp_path, {"name": "a"})
    monkeypatch.setenv("PATH", f"{fake.parent}:/bin:/usr/bin")
    with pytest.raises(Unmeasured, match="exit code 3"):
        read_settings(there)

    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ProbeError, match="no `npm`"):
        read_settings(there)
