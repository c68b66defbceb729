"""The sections of the configuration.

The types say how each value is decoded (see notation.py), and the text below an attribute describes it: the
reference in docs/ and the JSON Schema are generated from both.
"""

from __future__ import annotations

import math
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from pytest_flowhealth.config.alerts import (
    Alerts,
    MaintenanceWindow,
    MonitorSection,
    Receiver,
    Rule,
)
from pytest_flowhealth.config.dashboard import Dashboard
from pytest_flowhealth.config.feedback import Feedback
from pytest_flowhealth.config.github import GitHub
from pytest_flowhealth.config.history import History
from pytest_flowhealth.config.notation import (
    HOUR,
    MIB,
    MINUTE,
    Duration,
    FleetAddress,
    FleetSource,
    NonEmpty,
    NpmRange,
    PackageName,
    ReadySignal,
    RedisAddress,
    Size,
    Unit,
    WebAddress,
)
from pytest_flowhealth.config.web import Web

Program = Annotated[tuple[str, ...], Meta(min_length=1)]
"""A program and its arguments."""


class Limits(msgspec.Struct, frozen=True):
    """The limits of a threshold, instead of those in its marker."""

    warn: float | None = None
    """The check warns beyond it."""
    fail: float | None = None
    """The check fails beyond it."""
    unit: Unit | None = None
    """The unit of both; default: the marker's."""

    def __post_init__(self) -> None:
        """Raise ValueError if there is no limit."""
        limits = [limit for limit in (self.warn, self.fail) if limit is not None]
        if not limits:
            raise ValueError("needs 'warn' or 'fail', such as { warn = 5, fail = 50 }")
        if not all(map(math.isfinite, limits)):
            raise ValueError("limits must be finite numbers")


class System(msgspec.Struct, frozen=True):
    """The machine and its runtimes."""

    node: NpmRange | None = None
    """The npm range of Node's version; default: package.json's `engines.node`, otherwise `>=20`.
    Example: `">=20"`."""
    npm: NpmRange | None = None
    """The npm range of npm's version; default: `engines.npm`, otherwise `>=9`. Example: `">=9"`."""
    memory: Size = 512 * MIB
    """The memory that must be available."""


class PackageSection(msgspec.Struct, frozen=True):
    """The package and its dependencies."""

    critical: tuple[str, ...] | None = None
    """The dependencies that must be installed, within their range and intact; default: package.json's
    `dependencies`. Example: `["redis", "express"]`."""


class Build(msgspec.Struct, frozen=True):
    """The output of the build."""

    artifacts: tuple[str, ...] | None = None
    """Files that the build must have written, relative to the project, as paths and glob patterns;
    default: what the start scripts, `main`, `bin` and `exports` need. Example: `["dist/index.js"]`."""


class Dependencies(msgspec.Struct, frozen=True):
    """What the registry knows about the dependencies."""

    audit: bool = True
    """Whether to query known vulnerabilities."""
    outdated: bool = True
    """Whether to query newer versions."""


class ConfigurationFiles(msgspec.Struct, frozen=True):
    """The project's own configuration files."""

    files: tuple[str, ...] | None = None
    """Files that must exist and parse, relative to the project; default: the well-known ones that exist.
    Example: `[".swcrc", "jest.config.js"]`."""


class Redis(msgspec.Struct, frozen=True):
    """The Redis that the application uses."""

    url: RedisAddress | None = None
    """The address: `redis://`, `rediss://` (TLS), `unix://`, `redis+sentinel://`, `redis+cluster://`
    (`rediss+` with TLS), or a form that the application's client accepts; default: the address in the
    application's variables (`REDIS_URL`, `REDIS_HOST`, ..., `.env`), see redis.md.
    Example: `"redis://localhost:6379/0"`."""
    prefix: NonEmpty = "flowhealth:"
    """The prefix of every key that the checks write."""
    timeout: Duration = 5.0
    """The time limit of a reply."""
    ca: NonEmpty | None = None
    """A file with the certificate authority of the server's certificate, relative to the project, in
    addition to those that the system trusts. Example: `"config/redis-ca.pem"`."""
    replica: bool = False
    """Whether the server is a read-only replica, so that nothing is written to it."""


class WasmBuild(msgspec.Struct, frozen=True):
    """How the module is built, to check that the committed module is built from its source."""

    command: tuple[str, ...]
    """The command, run in the project; `{output}` is replaced by the file that it has to write.
    Example: `["node", "scripts/build-wasm.js", "{output}"]`."""
    level: str | None = None
    """The optimisation level that the command requests, reported if the rebuilt module is identical.
    Example: `"O3"`."""


class Wasm(msgspec.Struct, frozen=True):
    """The WebAssembly module that is compared with JavaScript."""

    module: NonEmpty | None = None
    """The binary, relative to the project; `sample` is the module that comes with this plugin, which
    measures what WebAssembly reaches on this machine. Example: `"build/engine.wasm"`."""
    export: NonEmpty = "run"
    """The exported function: (iterations, seed) -> checksum."""
    baseline: str | None = None
    """A JavaScript module that exports a function with the same name and result.
    Example: `"bench/baseline.mjs"`."""
    adapter: str | None = None
    """Instead of `export` and `baseline`: a JavaScript module with `inputs`, `wasm` and `js`, see wasm.md.
    Example: `"bench/adapter.mjs"`."""
    against: Literal["idiomatic", "tuned"] = "idiomatic"
    """The kind of baseline whose multiplier the threshold evaluates."""
    iterations: Annotated[int, Meta(gt=0, le=10**12)] = 1_000_000
    """The least number of iterations, over all samples."""
    n: Annotated[int, Meta(gt=0, le=2**31 - 1)] | None = None
    """Iterations of one call; default: chosen by calibration."""
    simd: bool = False
    """Whether the export must use SIMD in a loop."""
    build: WasmBuild | None = None


class Npm(msgspec.Struct, frozen=True):
    """The package in the npm registry."""

    package: PackageName | None = None
    """The package's name; default: package.json's, unless it is `private`.
    Example: `"claude-flow-novice"`."""
    registry: WebAddress | None = None
    """The registry's address; default: `npm config get registry`, or the registry of the package's scope.
    Example: `"https://registry.example.org/"`."""
    downloads: WebAddress | None = None
    """The address of the downloads API; default: the registry's, with `api.` in place of a leading
    `registry.`. Example: `"https://api.example.org/"`."""
    timeout: Duration = 20.0
    """The time limit of a request, with its retries."""
    install: Literal["published", "packed"] = "published"
    """What is installed: the `published` version, or the working tree, `packed` as `npm publish` does
    it."""
    install_timeout: Duration = 5 * MINUTE
    """The time limit of the installation, at most 10 min."""
    scripts: bool = True
    """Whether the packages' lifecycle scripts run during the installation."""


class FleetSpawn(msgspec.Struct, frozen=True):
    """How an agent is started, to measure the time until it is ready."""

    command: Program
    """The command, run in the project without a shell; it is terminated with all its descendants as soon
    as it is ready. Example: `["node", "agent.js"]`."""
    ready: ReadySignal = "stdout:ready"
    """The ready signal: `stdout:TEXT` (a line with that text), `redis:KEY` (the key is created or
    changed), `event:CHANNEL` (a message is published), `port:NUMBER` (it listens). `{spawn}` is replaced
    by the id of the spawn, which the command finds in FLOWHEALTH_SPAWN."""
    count: Annotated[int, Meta(ge=1, le=50)] = 5
    """How many times the command is started."""
    timeout: Duration = 30.0
    """The time limit until it is ready, at most 2 min."""


class FleetSection(msgspec.Struct, frozen=True):
    """The application's agents, tasks and swarms, and where they are recorded."""

    source: FleetSource | None = None
    """The source of the records, see fleet.md: `bee-queue`, `bull`, `bullmq`, `command`, `http`,
    `prometheus`, `redis-swarm`, or one that an installed distribution provides (extending.md).
    Example: `"bullmq"`."""
    url: FleetAddress | None = None
    """The address of the source. `redis-swarm`, `bullmq`, `bull`, `bee-queue`: that of a Redis, default
    `redis.url`; `prometheus`, `http`: a web address. Example: `"http://localhost:3001/api/fleet"`."""
    queue: NonEmpty | None = None
    """The queue of `bullmq`, `bull` or `bee-queue`; default: the only one. Example: `"tasks"`."""
    prefix: NonEmpty | None = None
    """The prefix of the queue's keys; default: `bull`, for bee-queue `bq`."""
    keys: dict[str, str] = {}
    """Other keys of `redis-swarm` by their role, see fleet.md.
    Example: `{ index = "swarm:index", swarm = "swarm:{id}" }`."""
    command: tuple[str, ...] = ()
    """For `command`: a program that prints the records as JSON.
    Example: `["node", "scripts/fleet.js"]`."""
    fields: dict[str, str] = {}
    """Where a value is found: a path in the JSON of `http` and `command`, a metric or a query for
    `prometheus`. Example: `{ completed = "stats.completed" }`."""
    promql: bool = False
    """Whether `url` is a server that is queried in PromQL; otherwise it is a page of metrics in the text
    format."""
    token_env: NonEmpty | None = None
    """The environment variable with the token (`Authorization: Bearer`) for `prometheus` and `http`.
    Example: `"FLEET_TOKEN"`."""
    timeout: Duration = 5.0
    """The time limit of a response."""
    window: Duration = HOUR
    """The period in which finished tasks and swarms count."""
    tasks: Annotated[int, Meta(ge=1)] = 20
    """The number of finished tasks below which completion is not evaluated."""
    stuck: Duration = 10 * MINUTE
    """A task that is active for longer is stuck."""
    heartbeat: Duration = 5 * MINUTE
    """An agent without a heartbeat for longer is silent."""
    listen: Duration = 1.0
    """How long the events of `redis-swarm` are observed, at most 10 s."""
    spawn: FleetSpawn | None = None


class Configuration(msgspec.Struct, frozen=True):
    """The whole configuration."""

    preset: str | None = None
    """The preset on which the configuration is based; default: the one with the package's name, if there
    is one. Example: `"claude-flow-novice"`."""
    checks: tuple[str, ...] = ()
    """Files and folders with the project's own checks, relative to it. Example: `["health/"]`."""
    system: System = System()
    package: PackageSection = PackageSection()
    build: Build = Build()
    dependencies: Dependencies = Dependencies()
    configuration: ConfigurationFiles = ConfigurationFiles()
    redis: Redis = Redis()
    fleet: FleetSection = FleetSection()
    dashboard: Dashboard = Dashboard()
    wasm: Wasm = Wasm()
    npm: Npm = Npm()
    github: GitHub = GitHub()
    monitor: MonitorSection = MonitorSection()
    history: History = History()
    alerts: Alerts = Alerts()
    web: Web = Web()
    feedback: Feedback = Feedback()
    rules: tuple[Rule, ...] = ()
    """Conditions that raise alerts, in addition to the built-in rules, see alerts.md."""
    receivers: tuple[Receiver, ...] = ()
    """Who is notified of alerts, see alerts.md."""
    silences: tuple[MaintenanceWindow, ...] = ()
    """Periods without notifications of some alerts."""
    thresholds: dict[str, Limits] = {}
    """Limits of thresholds by name, such as `redis.connect.p95`."""
