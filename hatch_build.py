"""Takes uPlot, which draws the page's charts, out of its npm package when this one is built or installed editable."""

from __future__ import annotations

import base64
import hashlib
import subprocess
import tarfile
import tempfile
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

PACKAGE = "uplot@1.6.32"
INTEGRITY = (
    "KIMVnG68zvu5XXUbC4LQEPnhwOxBuLyW1AHtpm6IKTXImkbLgkMy+jabjLgSLMasNuGGzQm/ep3tOkyTxpiQIw=="
)
"""The SHA-512 of the package's archive, as every registry has it."""

FILES = ("dist/uPlot.esm.js", "dist/uPlot.min.css", "LICENSE")
FOLDER = Path("pytest_flowhealth/web/static/vendor")


class UPlot(BuildHookInterface):  # type: ignore[type-arg]
    """The build hook."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Fetch the files that are not there yet; an editable install can do without them."""
        folder = Path(self.root) / FOLDER
        build_data["artifacts"].append(f"/{FOLDER}/**")
        if all((folder / Path(name).name).is_file() for name in FILES):
            return
        try:
            _fetch(folder)
        except (OSError, subprocess.SubprocessError, ValueError) as error:
            if version != "editable":
                raise
            self.app.display_warning(f"no charts on the web page: {PACKAGE} can't be had: {error}")


def _fetch(folder: Path) -> None:
    with tempfile.TemporaryDirectory() as place:
        command = ["npm", "pack", "--silent", "--pack-destination", place, PACKAGE]
        subprocess.run(command, check=True, timeout=120, stdout=subprocess.DEVNULL, cwd=place)  # noqa: S603  # npm
        (archive,) = Path(place).glob("*.tgz")
        found = hashlib.sha512(archive.read_bytes()).digest()
        if base64.b64encode(found).decode() != INTEGRITY:
            raise ValueError(f"{PACKAGE} is not the one that is known")
        folder.mkdir(parents=True, exist_ok=True)
        with tarfile.open(archive) as packed:
            for name in FILES:
                content = packed.extractfile(f"package/{name}")
                if content is None:
                    raise ValueError(f"{PACKAGE} has no {name}")
                (folder / Path(name).name).write_bytes(content.read())
