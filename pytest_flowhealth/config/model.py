"""What can be configured, section by section; the reference in docs/ is made from here."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import Meta


class Limits(msgspec.Struct, frozen=True):
    """Other limits for one threshold."""

    warn: Annotated[float | None, Meta(description="Past it the check warns.")] = None
    fail: Annotated[float | None, Meta(description="Past it the check fails.")] = None
    unit: Annotated[str | None, Meta(description="The unit of both; else the declared one.")] = None


class System(msgspec.Struct, frozen=True):
    """The machine and its runtimes."""

    node: Annotated[
        str | None,
        Meta(
            description="The npm range that Node's version must lie in; else package.json's "
            "`engines.node`, else `>=20`.",
            examples=[">=20"],
        ),
    ] = None
    npm: Annotated[
        str | None,
        Meta(
            description="The npm range for npm's own version; else `engines.npm`, else `>=9`.",
            examples=[">=9"],
        ),
    ] = None
    memory: Annotated[
        str, Meta(description="The memory that must be available.", examples=["512 MiB"])
    ] = "512 MiB"


class PackageSection(msgspec.Struct, frozen=True):
    """The package and its dependencies."""

    critical: Annotated[
        tuple[str, ...] | None,
        Meta(
            description="The dependencies that must be there, within their range and loadable; "
            "else all of package.json's `dependencies`.",
            examples=[["redis", "express"]],
        ),
    ] = None


class Build(msgspec.Struct, frozen=True):
    """What the build makes."""

    artifacts: Annotated[
        tuple[str, ...] | None,
        Meta(
            description="Files that the build must have made, relative to the project; else what "
            "package.json's `main`, `bin`, `exports`, `module` and `types` promise.",
            examples=[["dist/index.js"]],
        ),
    ] = None


class Dependencies(msgspec.Struct, frozen=True):
    """What the registry knows of the dependencies."""

    audit: Annotated[bool, Meta(description="Whether to ask for known vulnerabilities.")] = True
    outdated: Annotated[bool, Meta(description="Whether to ask for newer versions.")] = True


class ConfigurationFiles(msgspec.Struct, frozen=True):
    """The project's own configuration files."""

    files: Annotated[
        tuple[str, ...] | None,
        Meta(
            description="Files that must be there and parse, relative to the project; else the "
            "well-known ones that are there.",
            examples=[[".swcrc", "jest.config.js"]],
        ),
    ] = None


class Redis(msgspec.Struct, frozen=True):
    """The Redis that the application uses."""

    url: Annotated[
        str | None,
        Meta(
            description="Its address: `redis://`, `rediss://` (TLS), `unix://`, "
            "`redis+sentinel://` or `redis+cluster://` (`rediss+` with TLS), see redis.md; else "
            "the environment's `REDIS_URL`, else the default port of this machine where a Redis "
            "client is among the dependencies.",
            examples=["redis://localhost:6379/0"],
        ),
    ] = None
    prefix: Annotated[str, Meta(description="What every key of ours begins with.")] = "flowhealth:"
    timeout: Annotated[str, Meta(description="How long an answer may take.")] = "5 s"
    ca: Annotated[
        str | None,
        Meta(
            description="A file with the authority that signed the server's certificate, relative "
            "to the project; besides those that the system trusts.",
            examples=["config/redis-ca.pem"],
        ),
    ] = None
    replica: Annotated[
        bool,
        Meta(description="Whether a read-only replica is meant: then nothing is written to it."),
    ] = False


class Npm(msgspec.Struct, frozen=True):
    """The package in the npm registry."""

    package: Annotated[
        str | None,
        Meta(
            description="The package's name; else package.json's, unless that says `private`.",
            examples=["claude-flow-novice"],
        ),
    ] = None
    registry: Annotated[
        str | None,
        Meta(
            description="The registry's address; else `npm config get registry`, or the one of the "
            "package's scope.",
            examples=["https://registry.example.org/"],
        ),
    ] = None
    downloads: Annotated[
        str | None,
        Meta(
            description="The downloads API's address; else the registry's with `api.` in the place "
            "of a leading `registry.`.",
            examples=["https://api.example.org/"],
        ),
    ] = None
    timeout: Annotated[
        str, Meta(description="How long an answer may take, all attempts together.")
    ] = "20 s"
    install: Annotated[
        Literal["published", "packed"],
        Meta(
            description="What is installed: the `published` version, or the working tree, `packed` "
            "as `npm publish` would."
        ),
    ] = "published"
    install_timeout: Annotated[
        str, Meta(description="How long installing may take, ten minutes at the most.")
    ] = "5 min"
    scripts: Annotated[
        bool,
        Meta(description="Whether the packages' lifecycle scripts run when they are installed."),
    ] = True


class Configuration(msgspec.Struct, frozen=True):
    """The whole configuration."""

    preset: Annotated[
        str | None,
        Meta(
            description="The preset to start from; one with the name of the package is chosen by itself.",
            examples=["claude-flow-novice"],
        ),
    ] = None
    checks: Annotated[
        tuple[str, ...],
        Meta(
            description="Files and folders with checks of the project's own, relative to it.",
            examples=[["health/"]],
        ),
    ] = ()
    system: System = System()
    package: PackageSection = PackageSection()
    build: Build = Build()
    dependencies: Dependencies = Dependencies()
    configuration: ConfigurationFiles = ConfigurationFiles()
    redis: Redis = Redis()
    npm: Npm = Npm()
    thresholds: Annotated[
        dict[str, Limits],
        Meta(description="Other limits by the threshold's name, such as `redis.connect.p95`."),
    ] = {}
