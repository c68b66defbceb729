"""The machine, or the part of it that a container may use, and the programs that run the target."""

from concurrent.futures import Future

import pytest

from pytest_flowhealth import CheckFailed, Health, Target, prefetch
from pytest_flowhealth.config import semver
from pytest_flowhealth.probes import runtimes, system

DEFAULT_RANGES = {"node": ">=20", "npm": ">=9"}
"""What is asked for where neither the configuration nor `engines` says."""

NODE_RELEASES = (22, 24, 20, 18, 16)
"""Releases of Node to recommend: the first that is in the range."""


@prefetch(quiet=True)
def system_cpu(target: Target) -> system.Cpu:
    """CPU in use, before anything of ours runs."""
    return system.cpu(0.25)


@prefetch
def node_version(target: Target) -> str:
    """The version of the Node on the PATH."""
    return runtimes.version("node")


@prefetch
def npm_version(target: Target) -> str:
    """The version of the npm on the PATH."""
    return runtimes.version("npm")


@prefetch
def host(target: Target) -> runtimes.Host:
    """The platform, as Node tells it."""
    return runtimes.host()


def range_for(target: Target, program: str) -> tuple[str, str]:
    """Return the range that a program's version must be in, and who says so."""
    configured = getattr(target.config.system, program)
    if configured:
        key = f"system.{program}"
        return configured, f"{key} from {target.sources.get(key, 'the configuration')}"
    try:
        wanted = target.manifest.engines.get(program)
    except CheckFailed as error:
        return DEFAULT_RANGES[program], f"the default: {error.message}"
    return (
        (wanted, f"engines.{program} in package.json")
        if wanted
        else (DEFAULT_RANGES[program], "the default")
    )


def judge_version(health: Health, target: Target, program: str, version: str) -> None:
    """Fail where `version` is not in the range."""
    wanted, origin = range_for(target, program)
    health.detail(version=version, range=wanted, range_from=origin)
    try:
        fits = semver.satisfies(version, wanted)
    except ValueError:
        raise CheckFailed(
            f"{origin} is no range that npm understands: {wanted[:80]!r}",
            remedy=f"npm pkg set engines.{program}='{DEFAULT_RANGES[program]}'",
        ) from None
    if not fits:
        raise CheckFailed(
            f"{program} is {version}, and must be {wanted} ({origin})",
            remedy=install(program, wanted),
        )


def install(program: str, wanted: str) -> str:
    """Return the command that installs a version in the range."""
    if program == "npm":
        return f"npm install --global 'npm@{wanted}'"
    fitting = (number for number in NODE_RELEASES if semver.satisfies(f"{number}.999.0", wanted))
    number = next(fitting, None)
    return f"nvm install {number}" if number else f"install Node {wanted}"


@pytest.mark.health("system", timeout=20, remedy="nvm install 22")
def test_node(health: Health, target: Target, node_version: Future[str]) -> None:
    """Node is there, and its version in system.node, else engines.node, else >=20."""
    judge_version(health, target, "node", node_version.result())


@pytest.mark.health("system", requires="system.node", timeout=20, remedy="nvm install-latest-npm")
def test_npm(health: Health, target: Target, npm_version: Future[str]) -> None:
    """The same of npm: system.npm, else engines.npm, else >=9."""
    judge_version(health, target, "npm", npm_version.result())


@pytest.mark.health("system", timeout=10, remedy="see what holds memory: ps aux --sort=-rss | head")
@pytest.mark.threshold("memory_available", fail=512, better="higher", unit="MiB")
@pytest.mark.threshold("memory", warn=85, fail=95, unit="%")
def test_memory(health: Health) -> None:
    """Memory that can still be had, and the share in use; a container's limits count."""
    found = system.memory()
    health.detail(total_mib=round(found.total), scope=found.available_in, fullest=found.used_in)
    health.measure("memory_available", found.available, unit="MiB")
    health.measure("memory", found.used, unit="%")


@pytest.mark.health("system", timeout=10)
@pytest.mark.threshold("disk", warn=85, fail=95, unit="%")
def test_disk(health: Health, target: Target) -> None:
    """The target's file system, as `df` tells it."""
    found = system.disk(target.root)
    health.detail(free_mib=round(found.free), inodes_used=found.inodes_used)
    health.remedy("see what takes the space: du -xh --max-depth=2 . | sort -h | tail")
    health.measure("disk", found.used, unit="%")


@pytest.mark.health("system", timeout=10, remedy="see what takes it: top -o %CPU")
@pytest.mark.threshold("cpu", warn=85, better="lower", unit="%")
def test_cpu(health: Health, system_cpu: Future[system.Cpu]) -> None:
    """CPU in use over a quarter of a second, before the checks begin; never fails."""
    found = system_cpu.result()
    health.detail(scope=found.scope)
    health.measure("cpu", found.used, unit="%")


@pytest.mark.health("system", timeout=10, remedy="see what takes it: top -o %CPU")
@pytest.mark.threshold("load", warn=2, better="lower", unit="1")
def test_load(health: Health) -> None:
    """The load average of one minute, for each CPU of the machine; never fails."""
    found = system.load()
    health.detail(load_average=round(found.average, 2), cpus=found.cpus)
    health.measure("load", found.per_cpu, unit="1")


@pytest.mark.health("system", requires="package.manifest", timeout=20)
def test_platform(health: Health, target: Target, host: Future[runtimes.Host]) -> None:
    """What the target runs on; package.json's `os` and `cpu` may exclude it."""
    found = host.result()
    health.detail(
        platform=found.platform,
        architecture=found.architecture,
        release=found.release,
        told_by=found.told_by,
    )
    for field, name in (("os", found.platform), ("cpu", found.architecture)):
        allowed = getattr(target.manifest, field)
        if runtimes.excluding(name, allowed):
            raise CheckFailed(
                f"package.json's {field} excludes {name}: {', '.join(allowed)[:200]}",
                remedy=f"run it where {field} allows, or widen it: npm pkg set '{field}[]={name}'",
            )
