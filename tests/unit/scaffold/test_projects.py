"""Five unlike projects: every byte that was there stays, what is written is valid, once is enough."""

import json
import tomllib
from pathlib import Path

import pytest
import yaml

from pytest_flowhealth.config.decode import Decoder
from pytest_flowhealth.config.reference import SCHEMA
from pytest_flowhealth.scaffold.files import write
from pytest_flowhealth.scaffold.plan import (
    CHECK,
    FORMS,
    MANIFEST,
    SCRIPTS,
    UNIT,
    WORKFLOW,
    plan,
)
from tests.kit.projects import write as write_files
from tests.kit.scaffold import PROJECTS, listing, problems_of


@pytest.mark.parametrize("name", PROJECTS)
def test_what_was_there_stays_and_what_is_written_is_valid_and_written_once(
    tmp_path: Path, name: str
) -> None:
    before = listing(write_files(tmp_path, PROJECTS[name]))
    write(plan(tmp_path))
    files = listing(tmp_path)

    assert [path for path in before if files[path] != before[path]] == [MANIFEST]
    old, new = before[MANIFEST], files[MANIFEST]
    grown = len(new) - len(old)
    assert any(new[:at] + new[at + grown :] == old for at in range(len(old) + 1))
    own = json.loads(old.decode("utf-8-sig")).get("scripts", {})
    assert json.loads(new.decode("utf-8-sig"))["scripts"] == {**own, **SCRIPTS, **own}

    expected = {CHECK, WORKFLOW, UNIT, *FORMS, "flowhealth.toml", SCHEMA}
    if name == "own .github":
        expected -= {"flowhealth.toml", SCHEMA, FORMS[0], FORMS[1]}
    created = {path for path, content in files.items() if content and path not in before}
    assert created == expected
    decoder = Decoder("flowhealth.toml")
    decoder.table(tomllib.loads(files["flowhealth.toml"].decode()))
    assert decoder.problems == []
    for path in created & {*FORMS}:
        assert problems_of(yaml.safe_load(files[path])) == []
    assert yaml.safe_load(files[WORKFLOW])["jobs"]["health"]["steps"]
    compile(files[CHECK], CHECK, "exec")
    assert plan(tmp_path).changes == ()
