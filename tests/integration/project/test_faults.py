"""Each class of fault once through the whole command; what varies within one is in tests/unit/checks."""

import json
import shutil
from pathlib import Path

import pytest

from tests.kit.app import App
from tests.kit.projects import npm
from tests.kit.registry import RegistryFront
from tests.kit.runs import RunHealth


def only(*components: str) -> list[str]:
    return [f"--health-component={name}" for name in components]


def test_a_broken_package_json_blocks_what_reads_it_and_nothing_else(
    app: App, run_health: RunHealth
) -> None:
    app.write("package.json", '{"name": "\\u001b[2J\\u0000", "dependencies": {"\\u001b]0;x": "1"} ')

    run = run_health(app, *only("package", "build", "redis"))

    run.assert_fault(
        *("package.manifest", 2, "package.json"),
        blocked=("package.node_modules", "package.dependencies", "package.lock", "build.artifacts"),
    )
    assert "\x1b" not in run.text
    assert run.status_of("redis") == "healthy"


def test_a_missing_dependency_of_a_dependency_is_named_with_npm_ci_as_remedy(
    app: App, run_health: RunHealth
) -> None:
    app.remove("node_modules/@redis/client")
    app.remove("node_modules/express/lib/express.js")
    app.write("node_modules/body-parser/package.json", '{"version": "0.0.1"}')

    run = run_health(app, *only("package"))

    run.assert_fault(
        *("package.dependencies", 2, "redis can't be loaded", "@redis/client", "express")
    )
    assert "@redis/client" in run.check("package.tree")["message"]
    assert run.check("package.dependencies")["remedy"] == "npm ci"


def test_a_missing_package_is_unhealthy_where_no_dependency_is_for_running(
    app: App, run_health: RunHealth
) -> None:
    dependencies = json.loads(app.read("package.json"))["dependencies"]
    app.manifest(dependencies={}, devDependencies=dependencies)
    app.remove("package-lock.json")
    app.remove("node_modules/express")

    run = run_health(app, *only("package"))

    run.assert_fault("package.tree", 2, "express")


def test_missing_node_modules_block_the_dependencies(app: App, run_health: RunHealth) -> None:
    app.remove("node_modules")

    run = run_health(app, *only("package"))

    blocked = ("package.dependencies", "package.tree")
    run.assert_fault("package.node_modules", 2, "no dependencies are installed", blocked=blocked)
    assert run.check("package.node_modules")["remedy"] == "npm ci"


def test_a_file_that_was_cut_off_is_not_as_published(app: App, run_health: RunHealth) -> None:
    app.write("node_modules/iconv-lite/lib/index.js", "module.exports = {")  # body-parser's
    cache = {"npm_config_cache": npm(app.folder, "config", "get", "cache").strip()}

    run = run_health(app, *only("package"), env=cache)

    run.assert_fault("package.dependencies", 2, "iconv-lite: lib/index.js is not as published")
    assert run.check("package.dependencies")["remedy"] == "npm ci"


def test_a_critical_advisory_makes_the_run_unhealthy(app: App, run_health: RunHealth) -> None:
    app.configure("[dependencies]\noutdated = false\n")
    with RegistryFront(audit={"express": ["low"], "redis": ["moderate", "critical"]}) as front:
        run = run_health(app, *only("dependencies"), env=front.environment)

    run.assert_fault("dependencies.vulnerabilities", 2, "critical")
    check = run.check("dependencies.vulnerabilities")
    assert {one["name"]: one["value"] for one in check["measurements"]}["critical"] == 1
    assert any("express" in text for text in check["details"]["packages"])


def test_an_audit_endpoint_that_fails_makes_the_run_degraded(
    app: App, run_health: RunHealth
) -> None:
    """Nothing is known, so it is not healthy; but it is not the application's fault either."""
    app.configure("[dependencies]\noutdated = false\n")
    with RegistryFront(audit="500") as front:
        run = run_health(app, *only("dependencies"), env=front.environment)

    run.assert_fault("dependencies.audit", 1, "500", blocked=("dependencies.vulnerabilities",))
    assert run.outcomes["dependencies.audit"] == "unknown"


def test_a_missing_artifact_fails_and_blocks_its_other_checks(
    bare_app: App, run_health: RunHealth
) -> None:
    bare_app.manifest(main="dist/index.js", scripts={"build": "cp -r src dist"})

    run = run_health(bare_app, *only("build"))

    blocked = ("build.syntax", "build.fresh")
    run.assert_fault("build.artifacts", 2, "dist/index.js", blocked=blocked)
    assert run.check("build.artifacts")["remedy"] == "npm run build"


def test_a_file_that_does_not_parse_fails(bare_app: App, run_health: RunHealth) -> None:
    bare_app.manifest(main="dist/index.js", scripts={"build": "cp -r src dist"})
    bare_app.write("dist/index.js", b"\x00\xff\x17\x1b[2J" * 99)

    run = run_health(bare_app, *only("build"))

    run.assert_fault("build.syntax", 2, "dist/index.js line 1: SyntaxError")
    assert "\x1b" not in run.text


def test_a_file_beyond_node_is_unknown(bare_app: App, run_health: RunHealth) -> None:
    bare_app.manifest(main="dist/index.js")
    bare_app.write("dist/index.js", b"(" * 100_000)

    run = run_health(bare_app, *only("build"))

    assert run.exit_code == 3, run.text
    assert "dist/index.js was not parsed: " in run.check("build.syntax")["message"]


def test_a_broken_configuration_file_fails_and_no_name_or_content_acts_on_the_terminal(
    bare_app: App, run_health: RunHealth
) -> None:
    bare_app.write("config/app.json", "\x1b[2J")
    bare_app.manifest(name="\x1b[31m\u202e::error::evil", version="\r1\n::set-output name=x::y")

    run = run_health(bare_app, *only("configuration"))

    run.assert_fault("configuration.files", 2, "config/app.json")
    assert len(run.reasons) == 1
    assert not {"\x1b", "\u202e"} & set(run.text)
    assert not any(line.startswith("::") for line in run.out.splitlines())


@pytest.mark.parametrize(
    ("toml", "env", "says"),
    [
        ("[redsi]\nurl = 'redis://localhost'\n", {}, "redsi"),
        ("[thresholds]\n'redis.conect.p95' = { warn = 1 }\n", {}, "redis.connect.p95"),
        ("", {"FLOWHEALTH_REDIS_ULR": "redis://localhost"}, "FLOWHEALTH_REDIS_ULR"),
    ],
)
def test_a_mistake_of_the_user_is_a_usage_error_that_names_it(
    bare_app: App, run_health: RunHealth, toml: str, env: dict[str, str], says: str
) -> None:
    bare_app.write("flowhealth.toml", toml)

    run = run_health(bare_app, env=env, calm=False)

    assert run.exit_code == 4, run.text
    assert says in run.text
    assert run.health["status"] == "unknown"


@pytest.mark.parametrize(
    ("absent", "present", "blocked"),
    [
        *[
            (
                "node",
                "npm",
                ("system.npm", "build.artifacts", "package.dependencies", "dependencies.audit"),
            )
        ],
        *[("npm", "node", ("dependencies.audit", "dependencies.outdated", "package.tree"))],
    ],
)
def test_without_node_or_npm_what_needs_it_is_blocked(
    app: App,
    run_health: RunHealth,
    tmp_path: Path,
    absent: str,
    present: str,
    blocked: tuple[str, ...],
) -> None:
    programs = tmp_path / "bin"
    programs.mkdir()
    for name in ("sh", "env", "cat", "sleep", "dirname", "uname", "sed", present):
        (programs / name).symlink_to(shutil.which(name) or pytest.fail(name))

    run = run_health(app, env={"PATH": str(programs)})

    run.assert_fault(f"system.{absent}", 2, f"there is no `{absent}`", blocked=blocked)
    assert run.status_of("redis") == "healthy"
    assert (run.outcomes["build.syntax"] == "pass") is (present == "node")
