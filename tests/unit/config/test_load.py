"""Sources of the configuration, their order, and every mistake in one go."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from pytest_flowhealth.config.load import load_target, locate, presets
from pytest_flowhealth.config.model import Limits
from pytest_flowhealth.config.target import Target
from pytest_flowhealth.errors import UsageError


def load(
    folder: Path, toml: str = "", env: dict[str, str] | None = None, name: str = "app"
) -> Target:
    (folder / "package.json").write_text(json.dumps({"name": name, "version": "1.0.0"}))
    if toml:
        (folder / "flowhealth.toml").write_text(toml)
    return load_target(None, env or {}, folder)


def test_without_a_configuration_the_defaults_apply(tmp_path: Path) -> None:
    target = load(tmp_path)

    assert (target.name, target.version, target.root) == ("app", "1.0.0", tmp_path.resolve())
    assert target.config.redis.url is None
    assert target.config.system.memory == "512 MiB"
    assert target.sources == {}


def test_the_nearest_source_wins(tmp_path: Path) -> None:
    toml = '[redis]\nurl = "redis://file:1"\nprefix = "mine:"\n[system]\nmemory = "1 GiB"\n'
    env = {"FLOWHEALTH_REDIS_URL": "redis://env:2", "REDIS_URL": "redis://last:3"}

    target = load(tmp_path, toml, env, name="claude-flow-novice")

    assert target.config.redis.url == "redis://env:2"
    assert target.sources["redis.url"] == "environment FLOWHEALTH_REDIS_URL"
    assert target.sources["redis.prefix"] == "flowhealth.toml"
    assert target.config.package.critical is not None
    assert target.sources["package.critical"] == "preset claude-flow-novice"
    assert target.config.system.memory == "1 GiB"
    assert (
        load(tmp_path, toml, {"REDIS_URL": "redis://last:3"}).config.redis.url == "redis://file:1"
    )


def test_redis_url_is_used_where_nothing_else_names_an_address(tmp_path: Path) -> None:
    target = load(tmp_path, env={"REDIS_URL": "redis://last:3"})

    assert target.config.redis.url == "redis://last:3"
    assert target.sources["redis.url"] == "environment REDIS_URL"


def test_variables_are_read_by_the_type_of_their_key(tmp_path: Path) -> None:
    env = {
        "FLOWHEALTH_PACKAGE_CRITICAL": "redis, express",
        "FLOWHEALTH_DEPENDENCIES_AUDIT": "no",
        "FLOWHEALTH_SYSTEM_NODE": "",
        "FLOWHEALTH_THRESHOLDS": "redis.connect=5:50, system.disk=:90,x.y=1ms:2ms",
    }
    target = load(tmp_path, env=env)

    assert target.config.package.critical == ("redis", "express")
    assert target.config.dependencies.audit is False
    assert target.config.system.node is None
    assert target.environment_thresholds == {
        "redis.connect": Limits(5, 50),
        "system.disk": Limits(None, 90),
        "x.y": Limits(1, 2, "ms"),
    }


def test_pyproject_is_read_where_there_is_no_file_of_its_own(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text("[tool.flowhealth.dependencies]\naudit = false\n")
    target = load(tmp_path)

    assert target.config.dependencies.audit is False
    assert target.sources["dependencies.audit"] == "pyproject.toml"
    with pytest.raises(UsageError, match="keep one of them"):
        load(tmp_path, "[system]\n")


def test_every_mistake_is_told_at_once_and_no_password(tmp_path: Path) -> None:
    toml = """
[sytem]
node = ">=20"
[redis]
url = "http://user:geheim@host"
timeot = "5 s"
timeout = "soon"
[dependencies]
audit = "yes"
[package]
critical = "redis"
[thresholds]
"redis.connect" = { warm = 5 }
"a.b" = { warn = inf }
"c.d" = { warn = 1, unit = "parsec" }
"e.f" = {}
"""
    with pytest.raises(UsageError) as caught:
        load(tmp_path, toml, {"FLOWHEALTH_REDIS_URI": "redis://x", "FLOWHEALTH_THRESHOLDS": "x"})

    said = str(caught.value)
    for part in (
        "unknown key 'sytem'; did you mean 'system'?",
        "redis.url: must be a Redis address",
        "unknown key 'timeot' in [redis]; did you mean 'timeout'?",
        "redis.timeout: expected a duration",
        "dependencies.audit: Expected 'bool', got 'str'",
        "package.critical",
        "unknown key 'warm'; did you mean 'warn'?",
        "limits must be finite numbers",
        "unknown unit 'parsec'",
        "has neither warn nor fail",
        "unknown variable FLOWHEALTH_REDIS_URI; did you mean 'FLOWHEALTH_REDIS_URL'?",
        "FLOWHEALTH_THRESHOLDS: 'x' is not NAME=WARN:FAIL",
    ):
        assert part in said
    assert "geheim" not in said


@pytest.mark.parametrize(
    "content",
    [
        b"[redis\n",
        b"\xff\xfe",
        b"x = " + b"[" * 100_000,
        b"preset = 'nothing'\n",
        b"checks = ['none/']\n",
        b"redis = 5\n",
    ],
)
def test_a_file_that_cannot_be_used(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "flowhealth.toml").write_bytes(content)
    with pytest.raises(UsageError):
        load(tmp_path)


def test_a_pipe_is_refused_instead_of_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "flowhealth.toml")
    with pytest.raises(UsageError, match="no regular file"):
        load(tmp_path)


def test_the_target_is_the_nearest_folder_with_a_package_json(tmp_path: Path) -> None:
    below = tmp_path / "a" / "b"
    below.mkdir(parents=True)
    (tmp_path / "package.json").write_text("broken")

    assert locate(None, below) == tmp_path.resolve()
    assert locate(Path("a"), tmp_path) == (tmp_path / "a").resolve()
    with pytest.raises(UsageError, match="no folder"):
        locate(Path("nowhere"), tmp_path)


def test_each_preset_is_valid(tmp_path: Path) -> None:
    assert "claude-flow-novice" in presets()
    for name in presets():
        load(tmp_path, name=name)
