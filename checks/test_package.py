"""The package: package.json, what is installed, whether it works, and the lock file.

The root package and every workspace are checked, with npm's own libraries (docs/runbook.md).
"""

from collections.abc import Sequence
from concurrent.futures import Future

import pytest

from pytest_flowhealth import CheckFailed, Health, MeasurementUnavailable, Target, prefetch
from pytest_flowhealth.probes import list_findings
from pytest_flowhealth.probes.project import (
    Fault,
    Installation,
    Layout,
    LoadedPackage,
    NpmProject,
)


@prefetch
def project_layout(npm_project: NpmProject) -> Layout:
    """The packages and the package manager."""
    return npm_project.layout()


@prefetch
def installation(npm_project: NpmProject) -> Installation:
    """What is installed."""
    return npm_project.installation()


@prefetch
def loaded_packages(target: Target, npm_project: NpmProject) -> list[LoadedPackage]:
    """How the critical dependencies load."""
    return npm_project.load(target.config.package.critical)


@pytest.mark.health("package", requires="system.node", timeout=30)
def test_manifest(health: Health, project_layout: Future[Layout]) -> None:
    """package.json is there, is JSON, and its fields have the types that npm documents."""
    layout = project_layout.result()
    health.detail(
        packages=[package.label for package in layout.packages][:100],
        manager=layout.manager,
        manager_from=layout.evidence,
        workspace_root=layout.root if layout.root != layout.folder else None,
    )
    if layout.unlisted:
        raise MeasurementUnavailable(
            f"the workspaces can't be listed: {layout.unlisted}", remedy=f"{layout.manager} install"
        )


@pytest.mark.health("package", requires=("package.manifest", "system.npm"), timeout=80)
def test_node_modules(
    health: Health,
    target: Target,
    project_layout: Future[Layout],
    installation: Future[Installation],
) -> None:
    """The dependencies of each package are installed."""
    fields = ("dependencies", "devDependencies", "optionalDependencies")
    layout = project_layout.result()
    if not target.config.package.critical and not any(
        package.manifest.get(field) for package in layout.packages for field in fields
    ):
        health.not_applicable("package.json names no dependencies")
    if layout.note:
        health.detail(note=layout.note)
    found = installation.result()
    if found.nothing_installed:
        raise_faults(found.faults, "packages have no dependencies installed")


@pytest.mark.health("package", requires=("package.node_modules", "system.node"), timeout=150)
def test_dependencies(health: Health, loaded_packages: Future[list[LoadedPackage]]) -> None:
    """The critical dependencies are there, and nothing shows that their installation is broken."""
    packages = loaded_packages.result()
    health.detail(
        versions={package.name: package.version for package in packages if package.version},
        not_judged=[describe(package) for package in packages if package.state == "unjudged"],
    )
    faulty = [package for package in packages if package.state == "faulty"]
    if faulty:
        message = list_findings(list(map(describe, faulty)), "dependencies do not work")
        raise CheckFailed(
            message, remedy=next((package.remedy for package in faulty if package.remedy), None)
        )
    unknown = [package for package in packages if package.state == "unknown"]
    if unknown:
        raise MeasurementUnavailable(
            list_findings(list(map(describe, unknown)), "dependencies could not be judged")
        )
    if not packages:
        health.not_applicable("there is no critical dependency that could be loaded here")


def describe(package: LoadedPackage) -> str:
    """Return what was found of a dependency, with the workspace that needs it."""
    message = package.message or package.name
    return message if package.package == "." else f"{package.package}: {message}"


@pytest.mark.health("package", requires=("package.node_modules", "system.npm"), timeout=80)
def test_tree(
    health: Health, project_layout: Future[Layout], installation: Future[Installation]
) -> None:
    """No installed package is missing, outside of its range, or other than the lock file's."""
    layout, found = project_layout.result(), installation.result()
    health.detail(extraneous=found.extraneous[:100], omitted=found.omitted)
    if layout.note:
        health.not_applicable(layout.note)
    raise_faults(found.faults, "packages are not as they must be")
    for fault in found.warnings[:10]:
        health.warn(fault.message)
    health.remedy(next((fault.remedy for fault in found.warnings if fault.remedy), ""))


@pytest.mark.health("package", requires=("package.manifest", "system.npm"), timeout=80)
def test_lock(
    health: Health, project_layout: Future[Layout], installation: Future[Installation]
) -> None:
    """The lock file lists all that package.json and the packages in it need: its manager accepts it."""
    layout, found = project_layout.result(), installation.result()
    if layout.note:
        health.not_applicable(layout.note)
    if found.lock_error:
        manager = layout.manager or "npm"
        # In CI, they refuse to write a lock file unless they are told.
        option = {"pnpm": " --no-frozen-lockfile", "yarn": " --no-immutable"}.get(manager, "")
        remedy = f"{manager} install{option}"
        raise CheckFailed(found.lock_error, remedy=remedy)
    if layout.manager not in (None, "npm"):
        health.not_applicable(f"the lock file is {layout.manager}'s ({layout.evidence})")
    lock = found.lock
    if lock is None:
        if layout.installed:
            health.not_applicable("this package is installed in a project, which has the lock file")
        if not any(package.manifest.get("dependencies") for package in layout.packages):
            health.not_applicable("package.json names no dependencies")
        health.remedy("npm install")
        health.warn("there is no lock file, so that each installation may get other versions")
        return
    health.detail(file=lock.file, packages=lock.packages)
    raise_faults(lock.faults, f"entries of {lock.file} are missing or wrong")
    if lock.conflicts:
        conflicts = list_findings(lock.conflicts, "peer dependencies disagree")
        health.warn(f"`npm ci` refuses {lock.file}: {conflicts}")
        health.remedy("npm ci --legacy-peer-deps")


def raise_faults(faults: Sequence[Fault], what: str) -> None:
    """Raise CheckFailed with all faults and the first remedy, if there is a fault."""
    if faults:
        message = list_findings([fault.message for fault in faults], what)
        remedy = next((fault.remedy for fault in faults if fault.remedy), None)
        raise CheckFailed(message, remedy=remedy)
