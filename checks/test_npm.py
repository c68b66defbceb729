"""The package in the npm registry: published, installable, downloaded, and in which versions.

What is asked of whom, and what each figure is: docs/npm.md.
"""

from collections.abc import Callable
from concurrent.futures import Future
from datetime import UTC, datetime

import pytest

from pytest_flowhealth import (
    CheckFailed,
    Health,
    MeasurementUnavailable,
    NotApplicable,
    Target,
    prefetch,
)
from pytest_flowhealth.probes import list_findings
from pytest_flowhealth.probes.project import NpmProject
from pytest_flowhealth.probes.registry import (
    Advisory,
    Downloads,
    Installed,
    InstallReports,
    MissingPart,
    PackageRegistry,
    Release,
    Score,
    compute_adoption,
    compute_growth,
    compute_score,
    exposed_share,
    install_packed,
    install_published,
)

LONGEST = 60.0
"""Seconds of npm.timeout that a check waits for at most."""

LONGEST_INSTALL = 600.0
"""Seconds of npm.install_timeout that a check waits for at most."""

UNANSWERED = "try again later; [npm] downloads in flowhealth.toml names the downloads API"
"""What may help where the downloads API does not answer."""

GRAVE = ("high", "critical")
"""Severities of an advisory that make a newcomer's installation a risk."""


def package_of(target: Target, npm_project: NpmProject) -> str:
    """Return the name of the package: the configured one, else package.json's."""
    if target.config.npm.package:
        return target.config.npm.package
    manifest = npm_project.layout().packages[0].manifest
    if manifest.get("private") in (True, "true"):
        raise NotApplicable('package.json says "private": true, so it is in no registry')
    if not manifest.get("name"):
        raise NotApplicable("package.json has no name, so it is in no registry")
    return str(manifest["name"])


def make_registry(target: Target, npm_project: NpmProject) -> PackageRegistry:
    """Return the registry that the configuration names, else npm's."""
    ours = target.config.npm
    return PackageRegistry(
        npm_project,
        package_of(target, npm_project),
        registry=ours.registry,
        downloads=ours.downloads,
        seconds=min(LONGEST, ours.timeout),
    )


@prefetch
def npm_release(target: Target, npm_project: NpmProject) -> Release:
    """What the registry has of the package."""
    registry = make_registry(target, npm_project)
    return registry.read_release(target.version if target.name == registry.package else None)


@prefetch
def npm_installed(target: Target, npm_project: NpmProject) -> Installed:
    """How the package installs into an empty folder."""
    registry, ours = make_registry(target, npm_project), target.config.npm
    seconds = min(LONGEST_INSTALL, ours.install_timeout)
    npmrc = registry.read_npmrc()
    if ours.install == "packed":
        return install_packed(target.root, npmrc, scripts=ours.scripts, seconds=seconds)
    return install_published(registry.package, npmrc, scripts=ours.scripts, seconds=seconds)


@prefetch
def npm_days(target: Target, npm_project: NpmProject) -> Downloads:
    """The downloads of the last weeks, by day."""
    return make_registry(target, npm_project).read_downloads(datetime.now(UTC).date())


@prefetch
def npm_versions(target: Target, npm_project: NpmProject) -> dict[str, int]:
    """The downloads of the last week, by version."""
    return make_registry(target, npm_project).read_version_downloads()


@prefetch
def npm_advisories(target: Target, npm_project: NpmProject) -> list[Advisory]:
    """The advisories that the registry knows of any version."""
    registry = make_registry(target, npm_project)
    return registry.read_advisories(registry.read_release().versions)


@pytest.mark.health("npm", requires=("package.manifest", "system.npm"), timeout=100)
def test_published(health: Health, target: Target, npm_release: Future[Release]) -> None:
    """The registry has it, `npm install NAME` finds a version, and that one is not deprecated."""
    release = npm_release.result()
    health.detail(
        package=release.name,
        registry=release.registry,
        latest=release.latest,
        tags=release.tags,
        versions=len(release.versions),
        deprecated_versions=len(release.deprecated),
        released=release.released,
        released_days=None if release.released is None else days_since(release.released),
        signatures=release.signatures,
        provenance=release.provenance,
        integrity=release.integrity,
    )
    if release.latest in release.deprecated:
        health.warn(f"{release.latest} is deprecated: {release.deprecated[release.latest]}")
        health.remedy(f"npm deprecate {release.name}@{release.latest} ''")
    compare_with_manifest(health, target, release)


def compare_with_manifest(health: Health, target: Target, release: Release) -> None:
    """Tell how package.json's version stands to the published ones, where it is that package."""
    if target.name != release.name or target.version is None:
        return
    here = target.version
    health.detail(version_here=here, version_here_is_published=here in release.versions)
    if release.is_older:
        health.warn(f"package.json has version {here}, and {release.latest} is published")
        health.remedy("git pull")


@pytest.mark.health("npm", requires=("npm.published", "system.node"), timeout=720)
def test_installable(health: Health, npm_installed: Future[Installed]) -> None:
    """It installs into an empty folder with an empty cache, and its entry points load."""
    found = npm_installed.result()
    health.detail(package=found.package, notes=list(found.notes))
    health.measure("install_time", found.seconds, unit="s")
    if found.failure is not None:
        health.detail(failure=found.failure)
        raise CheckFailed(
            f"{found.package} can't be installed: {found.failure.why}",
        )
    health.measure("install_size", found.size / 1e6, unit="MB")
    health.measure("install_packages", found.packages, unit="1")
    if found.broken:
        raise CheckFailed(
            f"{found.package} installs, and does not work: {list_findings(found.broken, 'entry points')}"
        )


@pytest.mark.health("npm", critical=False, requires="npm.published", timeout=100)
@pytest.mark.threshold("downloads_day", warn=0, better="higher", unit="1")
@pytest.mark.threshold("downloads_week", warn=0, better="higher", unit="1")
@pytest.mark.threshold("downloads_month", warn=0, better="higher", unit="1")
def test_downloads(health: Health, npm_days: Future[Downloads]) -> None:
    """The downloads API tells how often it is downloaded; how few are too few is yours to say."""
    health.remedy(UNANSWERED)
    found = npm_days.result()
    health.measure("downloads_day", found.day, unit="1")
    health.measure("downloads_week", found.week, unit="1")
    health.measure("downloads_month", found.month, unit="1")
    health.detail(
        last_day=found.last,
        lag_days=found.lag,
        weeks=found.weeks,
        trend_percent_a_week=found.trend,
        days_without_data=found.gaps,
    )


@pytest.mark.health("npm", critical=False, requires="npm.downloads", timeout=100)
@pytest.mark.threshold("growth", warn=-20, better="higher", unit="%")
def test_growth(
    health: Health,
    npm_release: Future[Release],
    npm_days: Future[Downloads],
) -> None:
    """The last week's downloads against those of the week before, weekday by weekday."""
    found = compute_growth(npm_days.result(), npm_release.result().created)
    health.measure("growth", found.percent, unit="%")
    health.detail(week=found.after, week_before=found.before, days_compared=found.days)
    if found.few:
        health.not_applicable(
            f"{found.percent:+.0f} %, not judged: of {found.before} downloads a week that may be chance"
        )


@pytest.mark.health("npm", critical=False, requires="npm.published", timeout=100)
@pytest.mark.threshold("adoption", warn=0, better="higher", unit="%")
@pytest.mark.threshold("adoption_major", warn=0, better="higher", unit="%")
@pytest.mark.threshold("adoption_deprecated", warn=100, better="lower", unit="%")
def test_adoption(
    health: Health,
    npm_release: Future[Release],
    npm_versions: Future[dict[str, int]],
) -> None:
    """Which versions the last week's downloads were of; which share is too small is yours to say."""
    health.remedy(UNANSWERED)
    counts = npm_versions.result()
    health.remedy("npm deprecate tells the users of an old version to go on")
    found = compute_adoption(counts, npm_release.result())
    health.measure("adoption", found.latest, unit="%")
    health.measure("adoption_major", found.major, unit="%")
    health.measure("adoption_deprecated", found.deprecated, unit="%")
    health.detail(downloads=found.total, top=found.top, unpublished_percent=found.gone)


@pytest.mark.health("npm", critical=False, requires="npm.published", timeout=160)
@pytest.mark.threshold("adoption_vulnerable", warn=100, better="lower", unit="%")
def test_advisories(
    health: Health,
    npm_release: Future[Release],
    npm_versions: Future[dict[str, int]],
    npm_advisories: Future[list[Advisory]],
) -> None:
    """No grave advisory speaks of the latest version; the share of those it speaks of is told."""
    latest = npm_release.result().latest
    known = npm_advisories.result()
    health.remedy("publish a version without the fault: npm version patch && npm publish")
    health.detail(advisories=[f"{one.severity}: {one.title} ({one.range})" for one in known[:100]])
    for one in known:
        if latest in one.versions and one.severity in GRAVE:
            health.warn(f"{latest} has a known vulnerability ({one.severity}): {one.title}")
    found = exposed_share(npm_versions.result(), known)
    health.measure("adoption_vulnerable", found, unit="%")


@pytest.mark.health("npm", requires="npm.published", timeout=60)
@pytest.mark.threshold("install_success", warn=95, fail=80, unit="%")
@pytest.mark.threshold("install_failures", warn=5, fail=20, unit="%")
def test_install_success(
    health: Health,
    target: Target,
    npm_project: NpmProject,
    install_reports: Callable[[str], InstallReports],
) -> None:
    """Most installations that were reported to us went well."""
    found = install_reports(package_of(target, npm_project))
    health.detail(reports=found.total, succeeded=found.succeeded, failed=found.failed)
    health.detail(
        within=found.within,
        versions=found.versions,
        nodes=found.nodes,
        platforms=found.platforms,
    )
    health.measure("install_success", found.success, unit="%")
    health.measure("install_failures", found.failures, unit="%")
    low, high = found.interval
    health.detail(success_between=f"{low:.1f} and {high:.1f} % (95 %, Wilson)")


@pytest.mark.health("npm", critical=False, requires="npm.published", timeout=720)
@pytest.mark.threshold("score", warn=70, fail=40, unit="1")
def test_score(
    health: Health,
    target: Target,
    npm_project: NpmProject,
    npm_release: Future[Release],
    npm_installed: Future[Installed],
    npm_days: Future[Downloads],
    npm_versions: Future[dict[str, int]],
    npm_advisories: Future[list[Advisory]],
    install_reports: Callable[[str], InstallReports],
) -> None:
    """One figure of 0 to 100 for the package, of the parts that could be measured (docs/npm.md)."""
    release = npm_release.result()
    parts: dict[str, Callable[[], float]] = {
        "installable": lambda: float(npm_installed.result().works),
        "install_success": lambda: install_reports(package_of(target, npm_project)).success,
        "growth": lambda: telling_growth(npm_days.result(), release),
        "latest_major": lambda: compute_adoption(npm_versions.result(), release).major,
        "not_deprecated": lambda: 100 - compute_adoption(npm_versions.result(), release).deprecated,
        "not_vulnerable": lambda: (
            100 - exposed_share(npm_versions.result(), npm_advisories.result())
        ),
    }
    found = compute_score({name: measured(ask) for name, ask in parts.items()})
    doubt = None
    if found.missing:
        doubt = f"made of {len(found.parts)} of {len(parts)} parts, {without(found)}"
    health.measure("score", found.value, unit="1", doubt=doubt)
    health.detail(parts=found.parts, not_measured=found.missing, not_applicable=found.inapplicable)


def telling_growth(found: Downloads, release: Release) -> float:
    """Return the growth; of few downloads it is no part of the score."""
    growth = compute_growth(found, release.created)
    if growth.few:
        raise NotApplicable(f"{growth.before} downloads a week are too few to tell growth")
    return growth.percent


def without(score: Score) -> str:
    """Return which parts could not be measured, cause by cause."""
    causes: dict[str, list[str]] = {}
    for name, why in score.missing.items():
        causes.setdefault(why, []).append(name)
    return "; ".join(f"without {', '.join(names)}: {why}" for why, names in causes.items())


def measured(ask: Callable[[], float]) -> float | MissingPart:
    """Return a part of the score, or why it is none."""
    try:
        return ask()
    except NotApplicable as error:
        return MissingPart(error.message, applicable=False)
    except (CheckFailed, MeasurementUnavailable) as error:
        return MissingPart(error.message)


def days_since(date: datetime) -> int:
    """Return whole days since then."""
    return (datetime.now(UTC) - date).days
