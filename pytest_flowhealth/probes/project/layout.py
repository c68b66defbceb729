"""Where a project's packages are, and which manager installed them."""

from __future__ import annotations

from typing import Any, Literal

import msgspec

Manager = Literal["npm", "pnpm", "yarn", "bun"]


class ProjectPackage(msgspec.Struct, frozen=True):
    """A folder with a package.json.

    Attributes:
        label: The path from the checked folder; "." for itself.
        folder: The absolute path, links resolved.
        manifest: package.json as JSON decodes it; nothing of it is verified.
    """

    label: str
    folder: str
    manifest: dict[str, Any]


class Layout(msgspec.Struct, frozen=True):
    """A project's folders and its package manager.

    Attributes:
        folder: The checked folder.
        root: The root of the workspaces that it is one of, otherwise `folder`.
        manager: The package manager, None where nothing names one.
        evidence: The file or field that names the manager.
        lock: The path of the manager's lock file, None where there is none.
        packages: The folder's own package and, if it is a root, its workspaces.
        installed: Whether the folder lies in another project's node_modules.
        unlisted: Why the workspaces could not be listed, otherwise None.
        note: Why the installed packages are not judged, otherwise None.
    """

    folder: str
    root: str
    manager: Manager | None
    evidence: str | None
    lock: str | None
    packages: list[ProjectPackage]
    installed: bool = False
    unlisted: str | None = None
    note: str | None = None
