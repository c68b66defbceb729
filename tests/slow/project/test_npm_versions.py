"""The project agent with each npm that is supported, also behind a shim that hides where npm is."""

import shutil
from pathlib import Path

import pytest

from pytest_flowhealth.probes.project import NpmProject
from tests.kit.projects import install_small, npm, write_package

pytestmark = pytest.mark.skipif(not shutil.which("npm"), reason="npm is not installed")


@pytest.mark.parametrize("shim", [False, True], ids=["link", "shim"])
@pytest.mark.parametrize("version", ["9", "10", "11", "latest"])
def test_every_npm_answers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, version: str, shim: bool
) -> None:
    tool = tmp_path / "tool"
    write_package(tool)
    npm(tool, "install", f"npm@{version}")
    programs = tool / "node_modules/.bin"
    if shim:
        script = programs / "npm-cli"
        (programs / "npm").rename(script)
        (programs / "npm").write_text(f'#!/bin/sh\nexec "{script.resolve()}" "$@"\n')
        (programs / "npm").chmod(0o755)
    app = tmp_path / "app"
    app.mkdir()
    install_small(app)
    monkeypatch.setenv("PATH", str(programs), prepend=":")

    project = NpmProject(app)
    try:
        found = project.versions().npm
        assert version == "latest" or str(found.version).startswith(f"{version}.")
        installation = project.installation()
        assert (installation.faults, installation.lock_error) == ([], None)
        assert {one.state for one in project.load()} == {"works"}
        comparison = project.compare_files(app / "node_modules/ms")
        assert (comparison.missing, comparison.changed) == ([], [])
        assert project.outdated().unread == []
    finally:
        project.close()
