"""A real npm application that tests break, and what a run of the real command on it told."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import msgspec

MANIFEST: dict[str, Any] = {
    "name": "shop",
    "version": "1.0.0",
    "private": True,
    "main": "src/index.js",
    "engines": {"node": ">=20"},
}

SERVER = """\
const { readFileSync } = require("node:fs");
const { join } = require("node:path");
const express = require("express");
const { createClient } = require("redis");

const settings = JSON.parse(readFileSync(join(__dirname, "../config/app.json"), "utf8"));
const client = createClient({ url: process.env.REDIS_URL });
const app = express();
app.get("/", async (_request, response) => response.json(await client.hGetAll(settings.orders)));
client.connect().then(() => app.listen(settings.port));
"""

FILES = {
    "src/index.js": SERVER,
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
        file = self.folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(data.encode() if isinstance(data, str) else data)

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
        """Change fields of package.json; None removes one."""
        changed = json.loads(self.read("package.json")) | fields
        told = {name: value for name, value in changed.items() if value is not None}
        self.write("package.json", json.dumps(told, indent=2))

    def configure(self, text: str) -> None:
        """Append to flowhealth.toml."""
        self.write("flowhealth.toml", self.read("flowhealth.toml") + text)


def install(folder: Path) -> App:
    """Make the application, and install its dependencies from the registry."""
    app = App(folder)
    app.write("package.json", json.dumps(MANIFEST, indent=2))
    for path, text in FILES.items():
        app.write(path, text)
    subprocess.run(
        ["npm", "install", "--ignore-scripts", "express", "redis"],
        cwd=folder,
        check=True,
        capture_output=True,
        timeout=300,
    )
    return app


def copy(app: App, folder: Path) -> App:
    """Return a copy of `app` in `folder`, made of hard links."""
    shutil.copytree(app.folder, folder, copy_function=os.link, symlinks=True)
    return App(folder)
