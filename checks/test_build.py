"""What a build makes: the files that package.json, or build.artifacts, promises.

Looked at are the root package and every workspace.
"""

from concurrent.futures import Future

import pytest

from pytest_flowhealth import CheckFailed, Health, NotApplicable, Target, prefetch
from pytest_flowhealth.probes import artifacts, build, freshness
from pytest_flowhealth.probes.listing import list_findings, raise_worst


def find(target: Target) -> build.Found:
    """Look for the promised files."""
    configured = target.config.build.artifacts
    if configured is not None:
        promised = artifacts.configured(target.root, configured)
    else:
        promised = tuple(
            promise for package in target.packages for promise in artifacts.promises(package)
        )
    if not promised:
        raise NotApplicable(
            "package.json promises no file: it has no main, bin, exports, module or types"
        )
    return build.find(promised, target.root)


@prefetch
def build_artifacts(target: Target) -> build.Found:
    """The promised files that are there, and what is wrong with the others."""
    return find(target)


@prefetch
def build_syntax(target: Target) -> build.Parsed:
    """How many artifacts were parsed, and what is wrong with them."""
    return build.syntax(find(target).files)


def build_command(target: Target) -> str:
    """Return what makes the artifacts, as far as package.json tells."""
    program = (target.manifest.package_manager or "npm").partition("@")[0]
    if "build" in target.manifest.scripts:
        return f"{program} run build"
    if any("build" in package.manifest.scripts for package in target.packages):
        return "npm run build --workspaces --if-present"
    return "create the file, or correct what names it in package.json"


@pytest.mark.health("build", requires="package.manifest", timeout=60)
def test_artifacts(health: Health, target: Target, build_artifacts: Future[build.Found]) -> None:
    """Each is there, inside the target, a regular file and not empty."""
    found = build_artifacts.result()
    health.detail(files=[source.label for source in found.files[:100]], count=len(found.files))
    if found.problems:
        message = list_findings(found.problems, "artifacts are not as promised")
        raise CheckFailed(message, remedy=build_command(target))


@pytest.mark.health("build", requires=("build.artifacts", "system.node"), timeout=120)
def test_syntax(health: Health, target: Target, build_syntax: Future[build.Parsed]) -> None:
    """JavaScript parses (`node --check`), JSON too; add-ons and WebAssembly begin as such."""
    found = build_syntax.result()
    health.detail(parsed=found.count)
    raise_worst(
        found.errors,
        broken="artifacts do not parse",
        unread="artifacts could not be parsed",
        remedy=build_command(target),
    )
    if not found.count:
        health.not_applicable("no artifact is JavaScript, JSON, WebAssembly or a native add-on")


@pytest.mark.health("build", critical=False, requires="build.artifacts", timeout=60)
def test_fresh(health: Health, target: Target, build_artifacts: Future[build.Found]) -> None:
    """No artifact in build, dist, lib or out is older than the newest source in src."""
    folders = [package.path for package in target.packages]
    found = freshness.compare(build_artifacts.result().files, folders, target.root)
    if not found.compared:
        health.not_applicable("no package has both artifacts in dist, build, lib or out, and src")
    health.detail(compared=found.compared)
    health.remedy(build_command(target))
    for stale in found.stale:
        health.warn(f"{stale.artifact} is older than {stale.source}: not built since that changed")
