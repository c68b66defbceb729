"""The configured files, and the configuration of the health check itself, broken in every way."""

from __future__ import annotations

import os

import pytest

from tests.kit.app import App
from tests.kit.runs import RunHealth

ONLY = ("--health-component", "configuration")


def test_missing(app: App, run_health: RunHealth) -> None:
    app.remove("config/app.json")

    run = run_health(app)

    run.assert_fault("configuration.files", 2, "config/app.json")
    assert len(run.reasons) == 1


@pytest.mark.parametrize(
    "content",
    ["{", "", b"\xff\xfe\x00", "[" * 1_000_000, '{"port": 3000,}', '{"a": NaN}', "\x1b[2J"],
    ids=["cut", "empty", "binary", "brackets", "comma", "NaN", "escape"],
)
def test_unparseable(app: App, run_health: RunHealth, content: str | bytes) -> None:
    app.write("config/app.json", content)

    run = run_health(app, *ONLY)

    run.assert_fault("configuration.files", 2, "config/app.json")
    assert "\x1b" not in run.text


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("config/x.yaml", "a: [1\n"),
        ("config/x.toml", "a = \n"),
        ("config/x.js", "export default {{\n"),
        ("tsconfig.json", '{"compilerOptions": {,}}'),
        (".swcrc", "{ jsc: "),
        ("jest.config.js", "module.exports = {"),
    ],
)
def test_other_kinds(app: App, run_health: RunHealth, name: str, content: str) -> None:
    app.write(name, content)
    app.write("flowhealth.toml", f'[configuration]\nfiles = ["{name}"]\n')

    run = run_health(app, *ONLY)

    run.assert_fault("configuration.files", 2, name)


@pytest.mark.parametrize("kind", ["folder", "pipe", "loop"])
def test_not_a_file(app: App, run_health: RunHealth, kind: str) -> None:
    app.remove("config/app.json")
    path = app.folder / "config/app.json"
    if kind == "folder":
        path.mkdir()
    elif kind == "pipe":
        os.mkfifo(path)
    else:
        path.symlink_to("app.json")

    run = run_health(app, *ONLY)

    run.assert_fault("configuration.files", 2, "config/app.json")


def test_one_of_several(app: App, run_health: RunHealth) -> None:
    app.write("other.json", "{")
    app.write("flowhealth.toml", '[configuration]\nfiles = ["config/app.json", "other.json"]\n')

    run = run_health(app, *ONLY)

    run.assert_fault("configuration.files", 2, "other.json")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("[redsi]\nurl = 'redis://localhost'\n", ("redsi", "redis")),
        ("[redis]\nulr = 'redis://localhost'\n", ("ulr", "url")),
        ("[redis]\ntimeout = 'soon'\n", ("redis.timeout", "soon")),
        ("[system]\nmemory = '512 apples'\n", ("system.memory", "apples")),
        ("[build]\nartifacts = 'dist'\n", ("build.artifacts",)),
        ("[dependencies]\naudit = 'yes'\n", ("dependencies.audit",)),
        ("preset = 'no-such'\n", ("no-such",)),
        (
            "[thresholds]\n'redis.conect.p95' = { warn = 1 }\n",
            ("redis.conect.p95", "redis.connect.p95"),
        ),
        ("[thresholds]\n'redis.connect.p95' = { warn = 9, fail = 9 }\n", ("redis.connect.p95",)),
        ("[thresholds]\n'redis.connect.p95' = { worn = 1 }\n", ("worn",)),
        ("[redis\n", ("flowhealth.toml",)),
        ("a = " + "[" * 100_000, ("flowhealth.toml",)),
        ("checks = ['no/such']\n", ("no/such",)),
    ],
)
def test_misspelt(app: App, run_health: RunHealth, text: str, says: tuple[str, ...]) -> None:
    app.write("flowhealth.toml", text)

    run = run_health(app)

    assert run.exit_code == 4, run.text
    for words in says:
        assert words in run.text, run.text
    assert run.health["status"] == "unknown"


@pytest.mark.parametrize("content", [b"\xff\xfe", b"\x00" * 99], ids=["UTF-16", "zeros"])
def test_configuration_that_is_no_text(app: App, run_health: RunHealth, content: bytes) -> None:
    app.write("flowhealth.toml", content)

    run = run_health(app)

    assert run.exit_code == 4, run.text
    assert "flowhealth.toml" in run.text


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        ("FLOWHEALTH_REDIS_ULR", "redis://localhost", "FLOWHEALTH_REDIS_ULR"),
        ("FLOWHEALTH_REDIS_TIMEOUT", "soon", "FLOWHEALTH_REDIS_TIMEOUT"),
        ("FLOWHEALTH_DEPENDENCIES_AUDIT", "perhaps", "FLOWHEALTH_DEPENDENCIES_AUDIT"),
        ("FLOWHEALTH_THRESHOLDS", "redis.connect.p95=fast", "redis.connect.p95"),
    ],
)
def test_environment(app: App, run_health: RunHealth, name: str, value: str, says: str) -> None:
    run = run_health(app, env={name: value})

    assert run.exit_code == 4, run.text
    assert says in run.text


@pytest.mark.parametrize(
    ("option", "says"),
    [
        ("--health-threshold=redis.conect.p95=1:2", "redis.connect.p95"),
        ("--health-threshold=redis.connect.p95=2:2", "redis.connect.p95"),
        ("--health-component=rediss", "redis"),
        ("--health-project=no/such", "no/such"),
        ("--health-retry=soon", "soon"),
    ],
)
def test_option(app: App, run_health: RunHealth, option: str, says: str) -> None:
    run = run_health(app, option, calm=False)

    assert run.exit_code == 4, run.text
    assert says in run.text


def test_check_of_the_projects_own_that_can_not_be_imported(
    app: App, run_health: RunHealth
) -> None:
    app.write("health/test_own.py", "import no_such_module\n")
    app.configure("[redis]\ntimeout = '2 s'\n")
    app.write("flowhealth.toml", 'checks = ["health/"]\n' + app.read("flowhealth.toml"))

    run = run_health(app)

    assert run.exit_code == 3, run.text
    assert "no_such_module" in run.text
    assert run.status_of("redis") == "healthy"
