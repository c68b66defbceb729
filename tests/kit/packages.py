"""Install a distribution into a folder, as `pip install --no-deps --target` does for pure Python."""

import shutil
import tomllib
from collections.abc import Mapping
from pathlib import Path

EXAMPLE = Path(__file__).with_name("third_party")
"""A package that extends this one in every way."""


def install_package(source: Path, site: Path, changes: Mapping[str, str] | None = None) -> None:
    """Copy the packages of the project in `source` to `site`, with its metadata.

    Args:
        source: A folder with a pyproject.toml and packages.
        site: A folder for PYTHONPATH.
        changes: Files of the packages with another content, by their path.
    """
    shutil.copytree(
        source, site, dirs_exist_ok=True, ignore=shutil.ignore_patterns("__pycache__", "*.toml")
    )
    for name, text in (changes or {}).items():
        (site / name).write_text(text)
    project = tomllib.loads((source / "pyproject.toml").read_text())["project"]
    name, version = project["name"], project["version"]
    info = site / f"{name.replace('-', '_')}-{version}.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
    groups = [
        f"[{group}]\n" + "".join(f"{key} = {value}\n" for key, value in entries.items())
        for group, entries in project["entry-points"].items()
    ]
    (info / "entry_points.txt").write_text("\n".join(groups))
