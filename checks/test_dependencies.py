"""What the registry knows of the dependencies: vulnerabilities, newer versions, deprecations."""

from concurrent.futures import Future

import pytest

from pytest_flowhealth import Health, MeasurementUnavailable, NotApplicable, Target, prefetch
from pytest_flowhealth.probes import list_findings
from pytest_flowhealth.probes.project import Audit, Deprecated, Installation, NpmProject, Outdated

SHOWN = 100


def require_dependencies(npm_project: NpmProject) -> None:
    """Raise NotApplicable if no package names a dependency."""
    fields = ("dependencies", "devDependencies", "optionalDependencies")
    packages = npm_project.layout().packages
    if not any(package.manifest.get(field) for package in packages for field in fields):
        raise NotApplicable("package.json names no dependencies")


@prefetch
def npm_audit(target: Target, npm_project: NpmProject) -> Audit:
    """The known vulnerabilities."""
    if not target.config.dependencies.audit:
        raise NotApplicable("switched off: [dependencies] audit = false")
    require_dependencies(npm_project)
    return npm_project.audit()


@prefetch
def npm_outdated(target: Target, npm_project: NpmProject) -> Outdated:
    """The direct dependencies that are behind or deprecated."""
    if not target.config.dependencies.outdated:
        raise NotApplicable("switched off: [dependencies] outdated = false")
    require_dependencies(npm_project)
    note = npm_project.layout().note
    if note:
        raise NotApplicable(note)
    return npm_project.outdated()


@prefetch
def locked_packages(npm_project: NpmProject) -> Installation:
    """The lock file, which notes deprecations."""
    require_dependencies(npm_project)
    return npm_project.installation()


@pytest.mark.health(
    "dependencies", critical=False, requires=("package.manifest", "system.npm"), timeout=60
)
def test_audit(health: Health, npm_audit: Future[Audit]) -> None:
    """The registry's audit endpoint answers; without it nothing is known of vulnerabilities."""
    health.detail(counts=npm_audit.result().counts)


@pytest.mark.health("dependencies", requires="dependencies.audit", timeout=60)
@pytest.mark.threshold("critical", fail=0, better="lower", unit="1")
@pytest.mark.threshold("high", fail=0, better="lower", unit="1")
@pytest.mark.threshold("moderate", warn=0, better="lower", unit="1")
def test_vulnerabilities(health: Health, npm_audit: Future[Audit]) -> None:
    """No installed package has a critical or a high vulnerability; a moderate one warns."""
    found = npm_audit.result()
    for severity in ("critical", "high", "moderate", "low"):
        health.measure(severity, found.counts[severity], "1")
    health.detail(
        packages=[
            f"{package.name} {package.range}: {package.severity}: {'; '.join(package.titles) or 'by a dependency'}"
            for package in found.packages[:SHOWN]
        ]
    )
    fixes = [package.fix for package in found.packages if package.fix]
    health.remedy("npm audit fix" if "npm audit fix" in fixes else next(iter(fixes), ""))


@pytest.mark.health(
    "dependencies", critical=False, requires=("package.node_modules", "system.npm"), timeout=60
)
@pytest.mark.threshold("outdated_major", warn=0, better="lower", unit="1")
def test_outdated(health: Health, npm_outdated: Future[Outdated]) -> None:
    """No direct dependency is a major version behind."""
    found = npm_outdated.result()
    health.detail(
        outdated=[
            f"{package.name} {package.current} -> {package.latest}"
            for package in found.behind[:SHOWN]
        ]
    )
    if found.unread:
        raise MeasurementUnavailable(
            f"the registry tells nothing of {', '.join(found.unread[:10])}"
        )
    major = [package for package in found.behind if package.major]
    health.measure("outdated_major", len(major), "1")
    health.remedy(found.remedy or "")


@pytest.mark.health(
    "dependencies", critical=False, requires=("package.manifest", "system.npm"), timeout=80
)
def test_deprecated(
    health: Health,
    target: Target,
    locked_packages: Future[Installation],
    npm_outdated: Future[Outdated],
) -> None:
    """No direct dependency is deprecated, by the registry, else as the lock file notes it."""
    lock = locked_packages.result().lock
    noted = lock.deprecated if lock else []
    asked = npm_outdated.result().deprecated if target.config.dependencies.outdated else []
    health.detail(deprecated=[describe(package) for package in noted[:SHOWN]])
    direct = {describe(package): package for package in [*asked, *noted] if package.direct}
    if direct:
        health.warn(list_findings(list(direct), "dependencies are deprecated"))
    elif lock is None and not target.config.dependencies.outdated:
        health.not_applicable("there is no lock file of npm's, which notes deprecations")


def describe(package: Deprecated) -> str:
    """Return a package with its author's message."""
    return f"{package.name}@{package.version}: {package.message}"
