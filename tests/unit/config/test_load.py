"""Sources of the configuration, their order, and every mistake in one go."""

from pathlib import Path

import pytest

from pytest_flowhealth.config.load import load_target, locate, presets
from pytest_flowhealth.config.model import Limits
from pytest_flowhealth.config.target import Target
from pytest_flowhealth.errors import UsageError
from tests.kit.projects import write


def load(
    folder: Path, toml: str = "", env: dict[str, str] | None = None, name: str = "app"
) -> Target:
    write(folder, {"flowhealth.toml": toml} if toml else {}, name=name, version="1.0.0")
    return load_target(None, env or {}, folder)


def test_without_a_configuration_the_defaults_apply(tmp_path: Path) -> None:
    target = load(tmp_path, env={"REDIS_URL": "nonsense of another program's"})

    assert (target.name, target.version, target.root) == ("app", "1.0.0", tmp_path.resolve())
    assert target.config.redis.url is None
    assert target.config.system.memory == 512 * 2**20
    assert target.sources == {}


def test_the_nearest_source_wins(tmp_path: Path) -> None:
    toml = '[redis]\nurl = "redis://file:1"\nprefix = "mine:"\n'
    env = {"FLOWHEALTH_REDIS_URL": "redis://env:2"}
    for preset in presets():
        load(tmp_path, name=preset)

    target = load(tmp_path, toml, env, name="claude-flow-novice")

    assert target.config.redis.url == "redis://env:2"
    assert target.config.package.critical is not None
    assert target.sources["redis.url"] == "environment FLOWHEALTH_REDIS_URL"
    assert target.sources["redis.prefix"] == "flowhealth.toml"
    assert target.sources["package.critical"] == "preset claude-flow-novice"
    assert load(tmp_path, toml).config.redis.url == "redis://file:1"


def test_thresholds_and_other_keys_are_read_from_variables(tmp_path: Path) -> None:
    thresholds = "redis.connect=5:50, system.disk=:90,x.y=1ms:2ms"
    env = {"FLOWHEALTH_SYSTEM_NODE": "", "FLOWHEALTH_THRESHOLDS": thresholds}
    target = load(tmp_path, env=env)

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


def test_every_mistake_is_named_at_once_and_no_password(tmp_path: Path) -> None:
    toml = """
[sytem]
node = ">=20"
[redis]
ca = ""
timeout = "soon"
[thresholds]
"redis.connect" = { warm = 5 }
"a.b" = { warn = inf }
"c.d" = { warn = 1, unit = "parsec" }
"e.f" = {}
"""
    with pytest.raises(UsageError) as caught:
        load(tmp_path, toml, {"FLOWHEALTH_REDIS_URI": "redis://x", "FLOWHEALTH_THRESHOLDS": "x"})

    message = str(caught.value)
    for part in (
        "unknown key 'sytem'; did you mean 'system'?",
        "redis.ca: '' is not a valid text; expected a text that is not empty",
        "redis.timeout: 'soon' is not a valid duration; expected a number above zero with us, ms, s",
        "unknown key 'warm'; did you mean 'warn'?",
        "thresholds.'a.b'.warn: inf is not valid; expected a number",
        "thresholds.'c.d'.unit: 'parsec' is not a valid unit; expected one of s ms us",
        "thresholds.'e.f': needs 'warn' or 'fail'",
        "unknown variable FLOWHEALTH_REDIS_URI; did you mean 'FLOWHEALTH_REDIS_URL'?",
        "FLOWHEALTH_THRESHOLDS: 'x' is not NAME=WARN:FAIL",
    ):
        assert part in message
    assert "geheim" not in message


def test_the_target_is_the_nearest_folder_with_a_package_json(tmp_path: Path) -> None:
    below = tmp_path / "a" / "b"
    below.mkdir(parents=True)
    assert locate(None, below) == below.resolve()
    (tmp_path / "package.json").write_text("broken")

    assert locate(None, below) == locate(Path(), tmp_path) == tmp_path.resolve()
    assert locate(Path("a"), tmp_path) == (tmp_path / "a").resolve()
    with pytest.raises(UsageError, match="is not a folder"):
        locate(Path("nowhere"), tmp_path)
