"""Adds what the package needs besides its own files, when it is built or installed editable.

uPlot, which draws the page's charts, comes from its npm package. The .pth file lets Python guard a
health run from its start on (pytest_flowhealth/plugin/startup.py).
"""

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


STARTUP = "pytest_flowhealth/plugin/startup.pth"


class AdditionalFiles(BuildHookInterface):  # type: ignore[type-arg]
    """The build hook."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Add the .pth file; fetch uPlot if it is not there yet: an editable install can do without."""
        included = {str(Path(self.root) / STARTUP): "pytest_flowhealth_startup.pth"}
        build_data["force_include_editable" if version == "editable" else "force_include"].update(
            included
        )
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
