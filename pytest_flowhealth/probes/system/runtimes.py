"""The programs that run the target: Node and npm, their versions, and the platform as Node tells it."""

from __future__ import annotations

import json
import platform
import re
import sys

import msgspec

from pytest_flowhealth.errors import CheckFailed, FlowHealthError
from pytest_flowhealth.probes import command

SECONDS = 15.0
"""What a program may take to tell its version."""

_VERSION = re.compile(r"v?(\d+\.\d+\.\d+)(?:[-+][\w.+-]*)?\s*\Z", re.ASCII)

_PLATFORMS = {"win32": "win32", "cygwin": "win32", "aix": "aix", "sunos5": "sunos"}
_ARCHITECTURES = {
    "aarch64": "arm64",
    "amd64": "x64",
    "armv7l": "arm",
    "i386": "ia32",
    "i686": "ia32",
    "loongarch64": "loong64",
    "ppc64le": "ppc64",
    "x86_64": "x64",
}

_PLATFORM_PROGRAM = "JSON.stringify([process.platform, process.arch])"


class Host(msgspec.Struct, frozen=True):
    """What the target runs on.

    Attributes:
        platform: As Node's `process.platform`: "linux", "darwin", "win32".
        architecture: As Node's `process.arch`: "x64", "arm64".
        release: Of the operating system's kernel.
        told_by: "node", or "python" where Node is not there to ask. They differ
            where one of them runs in emulation.
    """

    platform: str
    architecture: str
    release: str
    told_by: str


def version(program: str, timeout: float = SECONDS) -> str:
    """Return the version that `PROGRAM --version` tells, without a pre-release tag.

    Raises:
        CheckFailed: The program is not there, fails, or tells no version.
        MeasurementUnavailable: It gave no answer in time.
    """
    done = command.run([program, "--version"], timeout=timeout, max_output=1 << 16)
    return parse_version(program, done)


def parse_version(program: str, done: command.Completed) -> str:
    """Return the version that `PROGRAM --version` has printed; as `version`."""
    lines = done.stdout.strip().splitlines()
    found = _VERSION.match(lines[-1].strip()) if lines else None
    if done.returncode == 0 and found:
        return found[1]
    output = (lines or done.stderr.strip().splitlines() or ["nothing"])[-1]
    raise CheckFailed(f"`{program} --version` told no version: {output[:200]}")


def host(timeout: float = SECONDS) -> Host:
    """Return the platform, by Node's own word where Node is there."""
    try:
        done = command.run(["node", "-p", _PLATFORM_PROGRAM], timeout=timeout, max_output=1 << 16)
        system, architecture = msgspec.convert(json.loads(done.stdout), tuple[str, str])
    except (FlowHealthError, ValueError):
        return _host_by_python()
    return Host(system, architecture, platform.release(), "node")


def _host_by_python() -> Host:
    machine = platform.machine().lower()
    return Host(
        platform=_PLATFORMS.get(sys.platform, sys.platform),
        architecture=_ARCHITECTURES.get(machine, machine),
        release=platform.release(),
        told_by="python",
    )
