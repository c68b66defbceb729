"""Write npm projects: their files, their package.json, what is installed in them."""

import json
import os
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pytest_flowhealth.config.manifest import Package, read_manifest


def write(folder: Path, files: Mapping[str, str | bytes] = {}, /, **fields: Any) -> Path:
    """Write `files`, and where `fields` are given a package.json of them; return `folder`.

    Folders in between are made. ``write(root, {"index.js": "1"}, name="app", main="index.js")``.
    """
    manifest = {"package.json": json.dumps(fields, indent=2)} if fields else {}
    for name, content in {**manifest, **files}.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
    return folder


def change(folder: Path, **fields: Any) -> None:
    """Change fields of the package.json in `folder`; None removes one."""
    changed = json.loads((folder / "package.json").read_text()) | fields
    write(folder, **{name: value for name, value in changed.items() if value is not None})


def package_in(folder: Path, label: str = ".") -> Package:
    """Return the package in `folder`, read from its package.json."""
    return Package(folder, label, read_manifest(folder / "package.json"))


def write_package(folder: Path, **fields: Any) -> Package:
    """Write a package.json, and return the package; it is called "app" by default."""
    return package_in(write(folder, **{"name": "app", "version": "1.0.0", **fields}))


def write_module(project: Path, name: str, files: Mapping[str, str] = {}, /, **fields: Any) -> Path:
    """Write the package `name`, version 1.0.0 by default, into the node_modules of `project`."""
    folder = project / "node_modules" / name
    return write(folder, files, **{"name": name, "version": "1.0.0", **fields})


def npm(folder: Path, *words: str) -> str:
    """Run npm in `folder` without an audit, and return what it printed."""
    done = subprocess.run(
        ["npm", *words, "--no-audit", "--no-fund"],
        cwd=folder,
        check=True,
        capture_output=True,
        text=True,
        timeout=300,
    )
    return done.stdout


def install_small(root: Path, *options: str) -> None:
    """Make a project with a workspace, an alias and two versions of ms, and install it.

    It has four packages from the registry; `odd`, which is is-number, is a major version behind.
    """
    write(root / "packages/one", name="one", version="1.0.0", dependencies={"ms": "^1.0.0"})
    write(
        root,
        {".npmrc": "omit-lockfile-registry-resolved=true\n"},
        name="app",
        version="1.0.0",
        workspaces=["packages/*"],
        dependencies={"ms": "^2.0.0", "odd": "npm:is-number@^6", "debug": "^4"},
    )
    npm(root, "install", *options)


def write_program(folder: Path, name: str, script: str) -> str:
    """Write a shell script into `folder`; return a PATH with that folder in front."""
    program = write(folder, {name: f"#!/bin/sh\n{script}\n"}) / name
    program.chmod(0o755)
    return f"{folder}{os.pathsep}{os.environ['PATH']}"
