"""The machine, or the part of it that a container may use, and the programs that run the target."""

from concurrent.futures import Future

import pytest

from pytest_flowhealth import CheckFailed, Health, MeasurementUnavailable, Target, prefetch
from pytest_flowhealth.probes.project import NpmProject, ProgramVersion, Versions
from pytest_flowhealth.probes.system import Cpu, measure_cpu, read_disk, read_load, read_memory


@prefetch
def system_cpu(target: Target) -> Cpu:
    """CPU in use by others than this run."""
    return measure_cpu(0.25)


@prefetch
def versions(target: Target, npm_project: NpmProject) -> Versions:
    """Node's and npm's versions against what the configuration, else package.json, requires."""
    configured = {
        program: (
            wanted,
            f"system.{program} from {target.sources.get(f'system.{program}', 'the configuration')}",
        )
        for program in ("node", "npm")
        if (wanted := getattr(target.config.system, program))
    }
    return npm_project.versions(configured)


def judge_version(health: Health, program: str, found: ProgramVersion) -> None:
    """Fail or warn if the version is outside of a range that is required."""
    health.detail(
        version=found.version,
        required=[
            f"{requirement.range} ({requirement.origin})" for requirement in found.requirements
        ],
    )
    wrong = [requirement for requirement in found.requirements if not requirement.satisfied]
    for requirement in sorted(wrong, key=lambda requirement: requirement.warning):
        if requirement.remedy:
            health.remedy(requirement.remedy)
        message = (
            f"{program} is {found.version}, and must be {requirement.range} ({requirement.origin})"
        )
        if requirement.satisfied is None and not requirement.origin.startswith("devEngines"):
            message = f"{requirement.origin} is not a range: {requirement.range[:80]!r}"
        if not requirement.warning:
            raise CheckFailed(message, remedy=requirement.remedy)
        health.warn(message)


@pytest.mark.health("system", timeout=40)
def test_node(health: Health, versions: Future[Versions]) -> None:
    """Node is there, and its version in system.node, else engines and devEngines, else >=20."""
    found = versions.result()
    if not found.node.requirements and found.npm.manager != "npm":
        # What npm's semver would tell; in a project of npm, system.npm fails for the same cause.
        raise MeasurementUnavailable(
            f"Node is {found.node.version}, not compared: {found.npm.problem}"
        )
    judge_version(health, "node", found.node)


@pytest.mark.health(
    "system", requires="system.node", timeout=40, remedy="install npm, which comes with Node"
)
def test_npm(health: Health, versions: Future[Versions]) -> None:
    """The same of npm: system.npm, else engines and devEngines, else >=9.

    A project of pnpm, Yarn or bun requires nothing of npm.
    """
    found = versions.result().npm
    if found.problem and found.manager == "npm":
        raise CheckFailed(found.problem)
    health.detail(manager=found.manager)
    judge_version(health, "npm", found)


@pytest.mark.health("system", timeout=10)
@pytest.mark.threshold("memory_available", fail=512, better="higher", unit="MiB")
@pytest.mark.threshold("memory", warn=85, fail=95, unit="%")
def test_memory(health: Health) -> None:
    """Memory that can still be had, and the share in use; a container's limits count."""
    found = read_memory()
    health.detail(diagnosis="ps aux --sort=-rss | head")
    health.detail(total_mib=round(found.total), scope=found.available_in, fullest=found.used_in)
    health.measure("memory_available", found.available, unit="MiB")
    health.measure("memory", found.used, unit="%")


@pytest.mark.health("system", timeout=10)
@pytest.mark.threshold("disk", warn=85, fail=95, unit="%")
def test_disk(health: Health, target: Target) -> None:
    """The target's file system, as `df` tells it."""
    found = read_disk(target.root)
    health.detail(free_mib=round(found.free), inodes_used=found.inodes_used)
    health.detail(diagnosis="du -xh --max-depth=2 . | sort -h | tail")
    health.measure("disk", found.used, unit="%")


@pytest.mark.health("system", timeout=10)
@pytest.mark.threshold("cpu", warn=85, better="lower", unit="%")
def test_cpu(health: Health, system_cpu: Future[Cpu]) -> None:
    """CPU in use over a quarter of a second, by other processes than this run; never fails."""
    found = system_cpu.result()
    health.detail(scope=found.scope, diagnosis="top -o %CPU")
    health.measure("cpu", found.used, unit="%")


@pytest.mark.health("system", timeout=10)
@pytest.mark.threshold("load", warn=2, better="lower", unit="1")
def test_load(health: Health) -> None:
    """The load average of one minute, for each CPU of the machine; never fails."""
    found = read_load()
    health.detail(load_average=round(found.average, 2), cpus=found.cpus, diagnosis="top -o %CPU")
    health.measure("load", found.per_cpu, unit="1")


@pytest.mark.health("system", requires=("package.manifest", "system.node"), timeout=40)
def test_platform(health: Health, versions: Future[Versions]) -> None:
    """What the target runs on; package.json's `os`, `cpu` and `libc` may exclude it."""
    found = versions.result()
    health.detail(platform=found.platform, architecture=found.architecture, release=found.release)
    for excluded in found.excluded:
        raise CheckFailed(
            f"package.json's {excluded.field} excludes {excluded.name}: "
            f"{', '.join(excluded.allowed)[:200]}",
            remedy=f"run it where {excluded.field} allows, or widen it: "
            f"npm pkg set '{excluded.field}[]={excluded.name}'",
        )
