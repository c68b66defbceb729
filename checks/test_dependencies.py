"""What the registry knows of the dependencies: vulnerabilities, newer versions, deprecations."""

from concurrent.futures import Future

import msgspec
import pytest

from pytest_flowhealth import (
    CheckFailed,
    Health,
    MeasurementUnavailable,
    NotApplicable,
    Target,
    prefetch,
)
from pytest_flowhealth.probes import lockfile, npm
from pytest_flowhealth.probes.listing import list_findings
from pytest_flowhealth.probes.outdated import Outdated, outdated

SHOWN = 100
AUDITS = {"pnpm": "pnpm audit", "yarn": "yarn npm audit", "bun": "bun audit"}


def require_dependencies(target: Target) -> None:
    """Raise NotApplicable where no package names a dependency of any kind."""
    manifests = [one.manifest for one in target.packages]
    if not any(
        one.dependencies or one.dev_dependencies or one.optional_dependencies for one in manifests
    ):
        raise NotApplicable("package.json names no dependencies")


def ask_audit(target: Target) -> npm.Audit:
    """Return npm's audit, or raise why it can't be asked."""
    if not target.config.dependencies.audit:
        raise NotApplicable("switched off: [dependencies] audit = false")
    require_dependencies(target)
    manager = lockfile.manager(target.root)
    if manager is None:
        raise MeasurementUnavailable(
            "npm audit needs a lock file", remedy="npm install --package-lock-only"
        )
    if manager != "npm":
        raise MeasurementUnavailable(
            f"{manager}'s lock file is not looked into, only npm's",
            remedy=f"{AUDITS[manager]}; or [dependencies] audit = false",
        )
    return npm.audit(target.root)


@prefetch
def npm_audit(target: Target) -> npm.Audit:
    """What `npm audit` says."""
    return ask_audit(target)


@prefetch
def npm_outdated(target: Target) -> Outdated:
    """What `npm outdated` says."""
    if not target.config.dependencies.outdated:
        raise NotApplicable("switched off: [dependencies] outdated = false")
    require_dependencies(target)
    found = outdated(target.root, target.packages)
    # npm compares a workspace with whatever has its name in the registry.
    own = {one.manifest.name for one in target.packages}
    return msgspec.structs.replace(
        found,
        behind=tuple(one for one in found.behind if one.name not in own),
        untold=tuple(name for name in found.untold if name not in own),
    )


@pytest.mark.health(
    "dependencies",
    critical=False,
    requires=("package.manifest", "system.npm"),
    timeout=60,
    remedy="npm audit; it asks the registry that `npm config get registry` names",
)
def test_audit(health: Health, npm_audit: Future[npm.Audit]) -> None:
    """The registry's audit endpoint answers; without it nothing is known of vulnerabilities."""
    health.detail(counts=npm_audit.result().counts)


@pytest.mark.health("dependencies", requires="dependencies.audit", timeout=60)
@pytest.mark.threshold("critical", fail=0, better="lower", unit="1")
@pytest.mark.threshold("high", fail=0, better="lower", unit="1")
@pytest.mark.threshold("moderate", warn=0, better="lower", unit="1")
def test_vulnerabilities(health: Health, npm_audit: Future[npm.Audit]) -> None:
    """No installed package has a critical or a high vulnerability; a moderate one warns."""
    found = npm_audit.result()
    for severity in ("critical", "high", "moderate", "low"):
        health.measure(severity, found.counts[severity], "1")
    health.detail(
        packages=[
            f"{one.name} {one.range}: {one.severity}: {'; '.join(one.titles) or 'by a dependency'}"
            for one in found.packages[:SHOWN]
        ]
    )
    fixes = [one.fix for one in found.packages if one.fix]
    health.remedy("npm audit fix" if "npm audit fix" in fixes else next(iter(fixes), "npm audit"))


@pytest.mark.health(
    "dependencies", critical=False, requires=("package.node_modules", "system.npm"), timeout=60
)
@pytest.mark.threshold("outdated_major", warn=0, better="lower", unit="1")
def test_outdated(health: Health, npm_outdated: Future[Outdated]) -> None:
    """No direct dependency is a major version behind."""
    found = npm_outdated.result()
    health.detail(
        outdated=[f"{one.name} {one.current} -> {one.latest}" for one in found.behind[:SHOWN]]
    )
    if found.untold:
        names = ", ".join(found.untold[:10])
        first = found.untold[0]
        name = first[: first.find("@", 1)] if "@" in first[1:] else first
        raise MeasurementUnavailable(
            f"the registry tells nothing of {names}",
            remedy=npm.with_names("npm view", [name, "versions"]),
        )
    major = [one for one in found.behind if one.major]
    health.measure("outdated_major", len(major), "1")
    if major:
        health.remedy(npm.with_names("npm install", [one.newest for one in major]))


@pytest.mark.health("dependencies", critical=False, requires="package.manifest", timeout=60)
def test_deprecated(health: Health, target: Target) -> None:
    """No direct dependency is deprecated, as the lock file notes it."""
    require_dependencies(target)
    try:
        lock = lockfile.read_lock(target.root)
    except CheckFailed as error:
        raise NotApplicable(f"{error.message}: see package.lock") from None
    if lock is None:
        raise NotApplicable("there is no lock file of npm's, which notes deprecations")
    found = lockfile.deprecated(lock, target.packages)
    health.detail(deprecated=[f"{one.name}@{one.version}: {one.message}" for one in found[:SHOWN]])
    direct = [f"{one.name}@{one.version}: {one.message}" for one in found if one.direct]
    if direct:
        health.warn(list_findings(direct, "dependencies are deprecated"))
        name = next(one.name for one in found if one.direct)
        health.remedy(npm.with_names("npm view", [name, "deprecated"]))
