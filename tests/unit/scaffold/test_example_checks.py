"""The example checks that look at files only."""

from pathlib import Path

import pytest

from tests.kit.checks import run_check
from tests.kit.scaffold import example_check


@pytest.mark.parametrize(
    ("first", "outcome", "says"),
    [
        ("#!/usr/bin/env node\n", "pass", ""),
        ("#!/usr/bin/env node\r\n", "fail", "ends with a carriage return"),
        ("", "fail", "must begin with #!/usr/bin/env node"),
    ],
)
def test_a_command_begins_with_a_line_that_names_node(
    tmp_path: Path, first: str, outcome: str, says: str
) -> None:
    (tmp_path / "package.json").write_text('{"name": "a", "bin": {"a": "cli.js"}}')
    (tmp_path / "cli.js").write_bytes(f"{first}console.log(1)\n".encode())

    found = run_check(example_check("command").test_commands, tmp_path)

    assert (found.outcome, says in found.message) == (outcome, True)


def test_a_file_that_a_script_runs_must_exist(tmp_path: Path) -> None:
    (tmp_path / "package.json").write_text(
        '{"scripts": {"seed": "FAST=1 node tools/seed.js --all"}}'
    )
    check = example_check("scripts").test_scripts

    absent = run_check(check, tmp_path)
    (tmp_path / "tools").mkdir()
    (tmp_path / "tools/seed.js").write_text("")

    assert (absent.outcome, run_check(check, tmp_path).outcome) == ("fail", "pass")
    assert "tools/seed.js, which is not there" in absent.message
