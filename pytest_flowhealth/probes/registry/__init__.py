"""A package in the npm registry: published, installable, downloaded, and in which versions.

`PackageRegistry` asks with npm's own libraries (`pytest_flowhealth.probes.project`). A name is imported
when it is first used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_flowhealth.lazy_names import make_getattr

if TYPE_CHECKING:
    from pytest_flowhealth.probes.registry.adoption import (
        Adoption,
        compute_adoption,
        exposed_share,
    )
    from pytest_flowhealth.probes.registry.downloads import (
        Day,
        Downloads,
        Growth,
        compute_growth,
    )
    from pytest_flowhealth.probes.registry.failure import (
        Failure,
    )
    from pytest_flowhealth.probes.registry.install import (
        Installed,
        install_packed,
        install_published,
    )
    from pytest_flowhealth.probes.registry.package_registry import (
        Advisory,
        PackageRegistry,
        Release,
    )
    from pytest_flowhealth.probes.registry.reports import (
        InstallReports,
    )
    from pytest_flowhealth.probes.registry.scoring import (
        MissingPart,
        Score,
        compute_score,
    )

__all__ = [
    "Adoption",
    "Advisory",
    "Day",
    "Downloads",
    "Failure",
    "Growth",
    "InstallReports",
    "Installed",
    "MissingPart",
    "PackageRegistry",
    "Release",
    "Score",
    "compute_adoption",
    "compute_growth",
    "compute_score",
    "exposed_share",
    "install_packed",
    "install_published",
]

_MODULES = {
    "Adoption": "adoption",
    "Advisory": "package_registry",
    "Day": "downloads",
    "Downloads": "downloads",
    "Failure": "failure",
    "Growth": "downloads",
    "InstallReports": "reports",
    "Installed": "install",
    "MissingPart": "scoring",
    "PackageRegistry": "package_registry",
    "Release": "package_registry",
    "Score": "scoring",
    "compute_adoption": "adoption",
    "compute_growth": "downloads",
    "compute_score": "scoring",
    "exposed_share": "adoption",
    "install_packed": "install",
    "install_published": "install",
}

__getattr__ = make_getattr(__name__, _MODULES)
