"""What can be configured, section by section; the reference in docs/ is made from here."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from pytest_flowhealth.config.alerts import Alerts, MaintenanceWindow, Monitor, Receiver, Rule
from pytest_flowhealth.config.dashboard import Dashboard
from pytest_flowhealth.config.feedback import Feedback
from pytest_flowhealth.config.github import GitHub
from pytest_flowhealth.config.history import History
from pytest_flowhealth.config.web import Web


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
            description="Files that the build must have made, relative to the project, as paths and glob "
            "patterns; otherwise what the start scripts, `main`, `bin` and `exports` need.",
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
            description="Files that must exist and parse, relative to the project; otherwise the "
            "well-known ones that exist.",
            examples=[[".swcrc", "jest.config.js"]],
        ),
    ] = None


class Redis(msgspec.Struct, frozen=True):
    """The Redis that the application uses."""

    url: Annotated[
        str | None,
        Meta(
            description="Its address: `redis://`, `rediss://` (TLS), `unix://`, "
            "`redis+sentinel://` or `redis+cluster://` (`rediss+` with TLS), or a form that the "
            "application's client accepts; otherwise the one that the application's variables "
            "name (`REDIS_URL`, `REDIS_HOST`, ..., `.env`), see redis.md.",
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


class WasmBuild(msgspec.Struct, frozen=True):
    """How the module is built, for a check that the committed one is what its source gives."""

    command: Annotated[
        tuple[str, ...],
        Meta(
            description="The command, run in the project; `{output}` in it stands for the file "
            "that it has to write.",
            examples=[["node", "scripts/build-wasm.js", "{output}"]],
        ),
    ]
    level: Annotated[
        str | None,
        Meta(
            description="The optimisation level that the command asks for: told as fact where the "
            "rebuilt module is the same.",
            examples=["O3"],
        ),
    ] = None


class Wasm(msgspec.Struct, frozen=True):
    """The WebAssembly module that is measured against JavaScript."""

    module: Annotated[
        str | None,
        Meta(
            description="The binary, relative to the project; `sample` is the one that comes with "
            "this plugin, which tells what WebAssembly reaches on this machine.",
            examples=["build/engine.wasm"],
        ),
    ] = None
    export: Annotated[
        str, Meta(description="The exported function: (iterations, seed) -> checksum.")
    ] = "run"
    baseline: Annotated[
        str | None,
        Meta(
            description="A JavaScript module that exports a function of the same name and result.",
            examples=["bench/baseline.mjs"],
        ),
    ] = None
    adapter: Annotated[
        str | None,
        Meta(
            description="In place of `export` and `baseline`: a JavaScript module with `inputs`, "
            "`wasm` and `js`, see wasm.md.",
            examples=["bench/adapter.mjs"],
        ),
    ] = None
    against: Annotated[
        Literal["idiomatic", "tuned"],
        Meta(description="The kind of baseline whose multiplier the threshold judges."),
    ] = "idiomatic"
    iterations: Annotated[
        int, Meta(description="Iterations over all samples at the least.", gt=0, le=10**12)
    ] = 1_000_000
    n: Annotated[
        Annotated[int, Meta(gt=0, le=2**31 - 1)] | None,
        Meta(description="Iterations of one call; else what fits."),
    ] = None
    simd: Annotated[
        bool, Meta(description="Whether the export must compute with SIMD in a loop.")
    ] = False
    build: WasmBuild | None = None


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


class FleetSpawn(msgspec.Struct, frozen=True):
    """How an agent is started, to measure how long it takes until it is ready."""

    command: Annotated[
        tuple[str, ...],
        Meta(
            description="The command, run in the project without a shell; it is ended with all its "
            "descendants as soon as it is ready.",
            examples=[["node", "agent.js"]],
        ),
    ]
    ready: Annotated[
        str,
        Meta(
            description="The sign that it is ready: `stdout:TEXT` (a line with that text), "
            "`redis:KEY` (the key appears or changes), `event:CHANNEL` (a message there), "
            "`port:NUMBER` (it listens); `{spawn}` in it stands for the spawn's own word, which "
            "the command finds in FLOWHEALTH_SPAWN.",
        ),
    ] = "stdout:ready"
    count: Annotated[int, Meta(description="How many times it is started.", ge=1, le=50)] = 5
    timeout: Annotated[
        str, Meta(description="How long one may take to get ready, two minutes at the most.")
    ] = "30 s"


class Fleet(msgspec.Struct, frozen=True):
    """The application's agents, their tasks and swarms, and where they are recorded."""

    source: Annotated[
        str | None,
        Meta(
            description="What the records are read from, see fleet.md: `bee-queue`, `bull`, `bullmq`, "
            "`command`, `http`, `prometheus`, `redis-swarm`, or one that an installed package provides "
            "(extending.md).",
            examples=["bullmq"],
        ),
    ] = None
    url: Annotated[
        str | None,
        Meta(
            description="The address of the source: for `redis-swarm`, `bullmq`, `bull` and "
            "`bee-queue` that of the Redis, otherwise `redis.url`; for `prometheus` and `http` a web address.",
            examples=["http://localhost:3001/api/fleet"],
        ),
    ] = None
    queue: Annotated[
        str | None,
        Meta(
            description="The queue of `bullmq`, `bull` or `bee-queue`; otherwise the only one.",
            examples=["tasks"],
        ),
    ] = None
    prefix: Annotated[
        str | None,
        Meta(description="Prefix of the queue's keys, by default `bull`, for bee-queue `bq`."),
    ] = None
    keys: Annotated[
        dict[str, str],
        Meta(
            description="Other keys of `redis-swarm` by their role, see fleet.md.",
            examples=[{"index": "swarm:index", "swarm": "swarm:{id}"}],
        ),
    ] = {}
    command: Annotated[
        tuple[str, ...],
        Meta(
            description="For `command`: a program that prints the records as JSON.",
            examples=[["node", "scripts/fleet.js"]],
        ),
    ] = ()
    fields: Annotated[
        dict[str, str],
        Meta(
            description="Where a figure is found: for `http` and `command` a path in the JSON, for "
            "`prometheus` a metric or a query.",
            examples=[{"completed": "stats.completed"}],
        ),
    ] = {}
    promql: Annotated[
        bool,
        Meta(
            description="Whether `url` is a server that is asked in PromQL; else it is a page of "
            "metrics in the text format."
        ),
    ] = False
    token_env: Annotated[
        str | None,
        Meta(
            description="The environment variable with the token (`Authorization: Bearer`) for "
            "`prometheus` and `http`.",
            examples=["FLEET_TOKEN"],
        ),
    ] = None
    timeout: Annotated[str, Meta(description="How long an answer may take.")] = "5 s"
    window: Annotated[str, Meta(description="How far back finished tasks and swarms count.")] = (
        "1 h"
    )
    tasks: Annotated[
        int,
        Meta(description="Finished tasks without which completion is not judged.", ge=1),
    ] = 20
    stuck: Annotated[str, Meta(description="A task that is active for longer is stuck.")] = "10 min"
    heartbeat: Annotated[
        str, Meta(description="An agent that gave no sign of life for longer is silent.")
    ] = "5 min"
    listen: Annotated[
        str,
        Meta(description="How long the events of `redis-swarm` are listened to, 10 s at the most."),
    ] = "1 s"
    spawn: FleetSpawn | None = None


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
    fleet: Fleet = Fleet()
    dashboard: Dashboard = Dashboard()
    wasm: Wasm = Wasm()
    npm: Npm = Npm()
    github: GitHub = GitHub()
    monitor: Monitor = Monitor()
    history: History = History()
    alerts: Alerts = Alerts()
    web: Web = Web()
    feedback: Feedback = Feedback()
    rules: Annotated[
        tuple[Rule, ...],
        Meta(description="Conditions that raise alerts, besides the built-in ones, see alerts.md."),
    ] = ()
    receivers: Annotated[
        tuple[Receiver, ...], Meta(description="Who is told of alerts, see alerts.md.")
    ] = ()
    silences: Annotated[
        tuple[MaintenanceWindow, ...],
        Meta(description="Times in which nobody is told of some alerts."),
    ] = ()
    thresholds: Annotated[
        dict[str, Limits],
        Meta(description="Other limits by the threshold's name, such as `redis.connect.p95`."),
    ] = {}
