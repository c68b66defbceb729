"""A real npm application, installed once, whose copies tests break."""

import json
import os
import shutil
from pathlib import Path
from typing import Any

import msgspec

from tests.kit.projects import npm, write

MANIFEST: dict[str, Any] = {
    "name": "shop",
    "version": "1.0.0",
    "private": True,
    "main": "src/index.js",
    "engines": {"node": ">=20"},
}


FILES = {
    "src/index.js": 'const express = require("express");\nconst redis = require("redis");\n',
    "config/app.json": '{"port": 3000, "orders": "shop:orders"}\n',
    "flowhealth.toml": '[configuration]\nfiles = ["config/app.json"]\n',
    ".npmrc": "omit-lockfile-registry-resolved=true\naudit=false\nfund=false\n",
}


class App(msgspec.Struct, frozen=True):
    """A copy of the application, whose files are hard links: they are replaced, never edited."""

    folder: Path

    def write(self, path: str, data: str | bytes) -> None:
        """Replace the file, or the folder, at `path`."""
        self.remove(path)
        write(self.folder, {path: data})

    def remove(self, path: str) -> None:
        """Remove what is at `path`, if anything is."""
        file = self.folder / path
        if file.is_dir() and not file.is_symlink():
            shutil.rmtree(file)
        else:
            file.unlink(missing_ok=True)

    def read(self, path: str) -> str:
        """Return the text of a file."""
        return (self.folder / path).read_text()

    def manifest(self, **fields: Any) -> None:
        """Set fields of package.json."""
        self.write("package.json", json.dumps(json.loads(self.read("package.json")) | fields))

    def configure(self, text: str) -> None:
        """Append to flowhealth.toml."""
        self.write("flowhealth.toml", self.read("flowhealth.toml") + text)


def write_app(folder: Path) -> App:
    """Make the application without any dependency: for checks that do not look at them."""
    write(folder, FILES, **MANIFEST)
    return App(folder)


def install(folder: Path) -> App:
    """Make the application, and install its dependencies from the registry."""
    app = write_app(folder)
    npm(folder, "install", "--ignore-scripts", "express", "redis")
    return app


def copy(app: App, folder: Path, *, linked: bool = True) -> App:
    """Return a copy of `app` in `folder`, made of hard links; not `linked`: npm may write into it."""
    copy_file = os.link if linked else shutil.copy2
    shutil.copytree(app.folder, folder, copy_function=copy_file, symlinks=True)
    return App(folder)
