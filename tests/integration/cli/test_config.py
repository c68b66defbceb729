"""`flowhealth config`: every value with its source, what is assumed, and no password."""

import json
import tomllib
from pathlib import Path

from tests.kit.runs import PASSWORD, run_flowhealth

ROOT = Path(__file__).parents[3]


def read(text: str) -> dict[str, str]:
    """Return the comment at the end of each line by the line's key."""
    rows = [line.partition("  # ") for line in text.splitlines()]
    return {row.partition(" = ")[0]: source for row, _, source in rows if " = " in row}


def test_every_value_has_its_source_and_the_output_is_toml(tmp_path: Path) -> None:
    (tmp_path / "package.json").write_text('{"name": "shop", "engines": {"node": ">=22"}}')
    (tmp_path / "package-lock.json").write_text("{}")
    (tmp_path / "flowhealth.toml").write_text(
        '[redis]\ntimeout = "2 s"\n[thresholds]\n"redis.connect.p95" = { warn = 5 }\n'
    )
    env = {
        "FLOWHEALTH_REDIS_URL": f"redis://me:{PASSWORD}@db:6379/0",
        "FLOWHEALTH_THRESHOLDS": "system.disk=80:90",
    }
    run = run_flowhealth(tmp_path, "config", env=env)

    sources = read(run.out)
    assert run.exit_code == 0, run.err
    assert sources["redis.timeout"] == "flowhealth.toml"
    assert sources["redis.url"] == "environment FLOWHEALTH_REDIS_URL"
    assert sources['thresholds."redis.connect.p95"'] == "flowhealth.toml"
    assert sources['thresholds."system.disk"'] == "environment FLOWHEALTH_THRESHOLDS"
    assert sources["system.memory"] == "default"
    assert "# system.node is not set" in run.out
    assert "# system.node: >=22 (package.json: engines.node)" in run.out
    assert "# package manager: npm (package-lock.json)" in run.out
    assert PASSWORD not in run.text
    decoded = tomllib.loads(run.out)
    assert decoded["redis"]["timeout"] == "2 s"
    assert decoded["thresholds"]["redis.connect.p95"] == {"warn": 5.0}


def test_secrets_of_the_configuration_are_not_shown(tmp_path: Path) -> None:
    (tmp_path / "flowhealth.toml").write_text(
        f'[dashboard.login]\nmethod = "bearer"\nsecret = "{PASSWORD}"\n'
        f'[[receivers]]\nname = "x"\ntype = "webhook"\nurl = "http://me:{PASSWORD}@localhost/"\n'
        f'[web.tokens]\nscraper = {{ sha256 = "{"a" * 64}", scopes = ["read"] }}\n'
    )
    run = run_flowhealth(tmp_path, "config", "--changed")

    assert run.exit_code == 0, run.err
    assert PASSWORD not in run.text
    assert "a" * 64 not in run.text
    tomllib.loads(run.out)
    assert 'dashboard.login.secret = "***"' in run.out


def test_the_output_has_values_of_every_kind_as_they_are_written(tmp_path: Path) -> None:
    settings = """checks = []
[monitor]
intervals = { redis = "60 s" }
[fleet.spawn]
command = ["node", "agent.js"]
[[rules]]
name = "own"
metric = "app.size"
above = 5
for = "5 min"
[[silences]]
match = "redis.*"
until = 2026-12-01T04:00:00Z
[thresholds]
"a.b" = { warn = 5, unit = "ms" }
"""
    (tmp_path / "flowhealth.toml").write_text(settings)
    run = run_flowhealth(tmp_path, "config", "--changed")

    assert run.exit_code == 0, run.text
    shown = tomllib.loads(run.out)
    assert shown["monitor"]["intervals"] == {"redis": "1 min"}
    assert shown["fleet"]["spawn"]["command"] == ["node", "agent.js"]
    assert shown["rules"] == [{"name": "own", "metric": "app.size", "above": 5.0, "for": "5 min"}]
    assert shown["silences"][0]["until"].isoformat() == "2026-12-01T04:00:00+00:00"
    assert shown["thresholds"] == {"a.b": {"warn": 5.0, "unit": "ms"}}
    (tmp_path / "flowhealth.toml").write_text(run.out)
    assert run_flowhealth(tmp_path, "config", "--changed").out.splitlines() == run.out.splitlines()


def test_the_schema_is_printed(tmp_path: Path) -> None:
    run = run_flowhealth(tmp_path, "config", "--schema")

    assert run.exit_code == 0
    assert json.loads(run.out)["properties"]["redis"]


def test_an_empty_project_says_what_is_assumed_and_why(tmp_path: Path) -> None:
    run = run_flowhealth(tmp_path, "config", "--changed")

    assert run.exit_code == 0
    assert [line for line in run.out.splitlines()[1:] if line and not line.startswith("#")] == []
    for text in (
        "package.json is not there",
        "package manager: unknown: there is no package.json",
        "system.node: >=20",
    ):
        assert text in run.out


def test_what_is_assumed_is_named_with_its_origin(tmp_path: Path) -> None:
    manifest = {"name": "x", "main": "dist/x.js", "bin": "cli.js", "dependencies": {"redis": "5"}}
    (tmp_path / "package.json").write_text(json.dumps(manifest))
    for name in ("package-lock.json", "yarn.lock", "tsconfig.json"):
        (tmp_path / name).write_text("{}")
    (tmp_path / "cli.js").write_text("console.log(1)\n")
    run = run_flowhealth(tmp_path, "config")

    assert "# build.artifacts: cli.js (" in run.out
    assert "# package manager: npm (package-lock.json)" in run.out
    assert "# configuration.files: tsconfig.json (the well-known files that exist)" in run.out
    assert "# redis.url: redis://" in run.out
    assert "# package.critical: redis (package.json: dependencies)" in run.out
