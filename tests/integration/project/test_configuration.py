"""The check of configuration files; tests/unit/probes/project/test_config_files.py has the formats."""

from pathlib import Path

import pytest

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


def test_scripts_are_parsed_as_a_script_or_a_module(tmp_path: Path) -> None:
    write(tmp_path, name="app", type="commonjs")
    write(
        tmp_path, {"vite.config.js": "export default {}", "jest.config.js": "module.exports = {}"}
    )
    result = run_check(checks.test_files, tmp_path)
    assert_outcome(result, "pass")
    assert result.details["parsed"] == ["jest.config.js", "vite.config.js"]
    write(tmp_path, {"jest.config.js": "module.exports = {"})
    assert_outcome(run_check(checks.test_files, tmp_path), "fail", "jest.config.js line 1")


def test_node_config_reads_json5(tmp_path: Path) -> None:
    write(tmp_path, {"config/default.json": "{// c\n port: 3000,}"}, name="app")
    says = "it is JSON5, which not every reader takes"
    assert says in run_check(checks.test_files, tmp_path).message
    write(tmp_path, name="app", dependencies={"config": "3"})
    assert_outcome(run_check(checks.test_files, tmp_path), "pass")


def test_files_of_workspaces_are_read(tmp_path: Path) -> None:
    write(tmp_path, name="root", workspaces=["packages/*"])
    write(tmp_path / "packages/a", {"tsconfig.json": "{"}, name="a")
    assert_outcome(
        run_check(checks.test_files, tmp_path), "fail", "packages/a/tsconfig.json line 1"
    )


def test_files_are_read_beside_a_broken_package_json(tmp_path: Path) -> None:
    write(tmp_path, {"package.json": "{", "tsconfig.json": "{"})
    assert_outcome(run_check(checks.test_files, tmp_path), "fail", "tsconfig.json line 1")


def test_without_node_scripts_are_unknown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path, {"jest.config.js": "1", "tsconfig.json": "{}"}, name="app")
    monkeypatch.setenv("PATH", str(tmp_path))
    assert_outcome(run_check(checks.test_files, tmp_path), "unknown", "no `node` on the PATH")
    write(tmp_path, {"tsconfig.json": "{"})
    assert_outcome(run_check(checks.test_files, tmp_path), "fail", "tsconfig.json line 1")
