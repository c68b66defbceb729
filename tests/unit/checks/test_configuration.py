"""The check of configuration files; tests/unit/probes/test_files.py has what parses."""

from pathlib import Path

from checks import test_configuration as checks
from tests.kit.checks import assert_outcome, run_check
from tests.kit.projects import write, write_package


def configure(root: Path, *names: str) -> None:
    write_package(root)
    write(root, {"flowhealth.toml": f"[configuration]\nfiles = {list(names)!r}\n"})


def test_one_broken_file_of_several_fails_with_its_name(tmp_path: Path) -> None:
    configure(tmp_path, "a.json", "b.json", "notes.txt", "absent.yaml")
    write(tmp_path, {"a.json": "{}", "b.json": "{", "notes.txt": "x"})

    result = run_check(checks.test_files, tmp_path)

    assert_outcome(result, "fail", "2 configuration files are broken: b.json", "absent.yaml")
    assert result.details["parsed"] == ["a.json"]
    assert result.details["not_parsed"] == ["notes.txt"]


def test_a_well_known_file_is_checked_where_none_is_configured(tmp_path: Path) -> None:
    write_package(tmp_path)
    assert_outcome(run_check(checks.test_files, tmp_path), "skip", "no configuration file")
    write(tmp_path, {"config/x.yaml": "a: [1\n"})
    assert_outcome(run_check(checks.test_files, tmp_path), "fail", "config/x.yaml")
