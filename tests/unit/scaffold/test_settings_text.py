"""The settings that `flowhealth init` writes: valid TOML that names every key."""

import json
import re
import tomllib
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_flowhealth.config.decode import Decoder
from pytest_flowhealth.config.load import load_target, presets
from pytest_flowhealth.config.reference import SCHEMA, read_schema
from pytest_flowhealth.scaffold.files import write
from pytest_flowhealth.scaffold.plan import plan
from pytest_flowhealth.scaffold.project import inspect_project
from pytest_flowhealth.scaffold.settings_text import settings_text, toml
from tests.kit.scaffold import make


def test_every_commented_setting_is_valid(tmp_path: Path) -> None:
    """Each line that is commented out can be used, but for examples that leave something out."""
    text = settings_text(inspect_project(make(tmp_path)))
    lines = text.splitlines()
    heads = [number for number, line in enumerate(lines) if re.match(r"(# )?\[[a-z.]+\]$", line)]
    tried = 0
    for head, end in zip(heads, [*heads[1:], len(lines)], strict=True):
        table = lines[head].removeprefix("# ")
        keys = [
            line.removeprefix("# ") for line in lines[head:end] if re.match(r'# ["\w.]+ = ', line)
        ]
        for key in [one for one in keys if "..." not in one]:
            tried += 1
            decoder = Decoder("flowhealth.toml")
            decoder.table(tomllib.loads(f"{table}\n{key}"))
            assert decoder.problems == [], (table, key)
    assert tried > 90


def test_the_written_settings_are_in_force(tmp_path: Path) -> None:
    manifest = (
        '{"name": "a", "main": "lib/a.js", "engines": {"node": ">=22"}, '
        '"dependencies": {"ioredis": "5", "it\'s \\"odd\\" \\u007f": "1"}}'
    )
    make(tmp_path, manifest, **{"tsconfig.json": "{}", ".env": "A=1"})
    write(plan(tmp_path))
    config = load_target(None, {}, tmp_path).config

    assert config.checks == ("health/",)
    assert config.system.node is None  # package.json's engines count
    assert config.package.critical == ("ioredis", 'it\'s "odd" \x7f')
    assert config.build.artifacts is None  # package.json, and the start scripts, say it
    assert config.configuration.files == ("tsconfig.json",)
    assert config.redis.url is None  # else it would win over REDIS_URL
    assert (tmp_path / SCHEMA).read_text() == read_schema()
    assert "Found: ioredis" in (tmp_path / "flowhealth.toml").read_text()


def test_the_schema_accepts_the_settings_that_are_written(tmp_path: Path) -> None:
    text = settings_text(inspect_project(make(tmp_path)))
    everything = re.sub(r"^# (?=[a-z_]+ = |\[[a-z.]+\]$)", "", text, flags=re.MULTILINE)
    validator = jsonschema.Draft7Validator(json.loads(read_schema()))

    assert text.startswith(f"#:schema ./{SCHEMA}\n")
    for content in (text, re.sub(r".*\.\.\..*\n", "", everything)):
        assert [error.message for error in validator.iter_errors(tomllib.loads(content))] == []


@pytest.mark.parametrize("name", sorted(presets()))
def test_a_preset_is_not_overridden(tmp_path: Path, name: str) -> None:
    make(
        tmp_path,
        f'{{"name": "{name}", "dependencies": {{"x": "1"}}, "engines": {{"node": ">=18"}}}}',
    )
    before = load_target(None, {}, tmp_path).config
    write(plan(tmp_path))
    after = load_target(None, {}, tmp_path).config

    assert after.checks == ("health/",)
    assert (after.package, after.build, after.system) == (
        before.package,
        before.build,
        before.system,
    )


HOSTILE = st.text(st.characters(codec="utf-8")) | st.sampled_from(
    ["\x1b[31m", "a\nb", "']", "\x7f"]
)


@settings(max_examples=50)
@given(
    value=st.recursive(
        HOSTILE | st.booleans() | st.integers(-(2**63), 2**63 - 1),
        lambda inner: st.lists(inner) | st.dictionaries(HOSTILE, inner),
    )
)
def test_written_toml_reads_back_as_the_same_value(value: Any) -> None:
    assert tomllib.loads(f"x = {toml(value)}") == {"x": value}
