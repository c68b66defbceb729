"""The entry file of a package, where it is empty."""

from pathlib import Path
from typing import Any

import pytest

from pytest_flowhealth.probes import entries
from tests.kit.projects import write

ENTRIES: dict[str, tuple[dict[str, Any], str | None]] = {
    "index": ({}, "index.js"),
    "main without its end": ({"main": "lib/a"}, "lib/a.js"),
    "a main folder": ({"main": "lib"}, "lib/index.js"),
    "a main that is not there": ({"main": "gone.js"}, "index.js"),
    "exports": ({"exports": "./lib/a.js", "main": "full.js"}, "lib/a.js"),
    "a dot": ({"exports": {".": {"import": "./full.js", "require": "./lib/a.js"}}}, "lib/a.js"),
    "conditions": (
        {"exports": {"types": "./a.d.ts", "browser": "./lib/a.js", "default": "./full.js"}},
        None,
    ),
    "deep conditions": ({"exports": {".": {"node": [{"import": "./lib/a.js"}]}}}, "lib/a.js"),
    "no dot": ({"exports": {"./a": "./lib/a.js"}}, None),
    "types": ({"main": "a.d.ts"}, None),
    "out of the package": ({"main": "../../../etc/hostname"}, "index.js"),
    "for one platform": ({"os": ["linux"]}, None),
    "no text": ({"main": 5, "exports": 5}, None),
}


@pytest.mark.parametrize("row", ENTRIES)
def test_the_entry_file_is_the_one_that_node_would_load(tmp_path: Path, row: str) -> None:
    manifest, empty = ENTRIES[row]
    empties = dict.fromkeys(("index.js", "lib/a.js", "lib/index.js", "a.d.ts"), "")
    write(tmp_path, {**empties, "full.js": "1"}, name="thing", **manifest)
    assert entries.empty_entry(tmp_path) == empty


def test_an_empty_manifest_is_an_empty_entry(tmp_path: Path) -> None:
    (tmp_path / "package.json").write_text("")
    assert entries.empty_entry(tmp_path) == "package.json"
    assert entries.empty_entry(tmp_path / "nowhere") is None
