"""Configuration files whose formats need no Node: whole, broken and hostile."""

import os
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from pytest_flowhealth.errors import CheckFailed, MeasurementUnavailable
from pytest_flowhealth.probes.project.config_files import (
    KNOWN_FILES,
    ConfigFile,
    find_config_files,
    format_of,
    read_config_file,
)
from pytest_flowhealth.probes.project.source_file import SourceFile
from tests.kit.projects import write


def read(
    root: Path, name: str, content: str | bytes | None = None, *, node_config: bool = False
) -> ConfigFile:
    """Write a file, and read it."""
    write(root, {} if content is None else {name: content})
    found = read_config_file(SourceFile(root / name, name), node_config=node_config)
    assert found.label == name
    return found


def broken(found: ConfigFile) -> str:
    """Return the message of a file that is broken, and names it."""
    assert isinstance(found.error, CheckFailed), found.error
    assert found.error.message.startswith(found.label)
    return found.error.message


PLAIN = '{"a": "b"}'
COMMENT = '{\n// c\n"a": "b" /* d */}'
TRAILING = '{"a": "b",}'
SINGLE = "{'a': 'b'}"
UNQUOTED = '{a: "b"}'


@pytest.mark.parametrize(
    ("names", "accepted", "refused"),
    [
        # What the tools' own readers took and refused: see the packages eslint, typescript, nx, turbo,
        # prettier, nyc, @babel/core, @rushstack/node-core-library, @expo/json-file, config, jsonc-parser.
        (("tsconfig.app.json", "nx.json", "turbo.json", "angular.json", ".vscode/launch.json"),
            (PLAIN, COMMENT, TRAILING), (SINGLE, UNQUOTED, "{", "")),
        ((".eslintrc.json", ".mocharc.json", ".jshintrc"),
            (PLAIN, COMMENT), (TRAILING, SINGLE, UNQUOTED, "{")),
        ((".prettierrc.json", ".nycrc", "nest-cli.json", "nodemon.json"),
            (PLAIN,), (COMMENT, TRAILING, SINGLE, UNQUOTED, "")),
        ((".babelrc", "babel.config.json", "api-extractor.json", "app.json", "a.json5"),
            (PLAIN, COMMENT, TRAILING, SINGLE, UNQUOTED), ("{", "")),
        ((".eslintrc", ".prettierrc", ".stylelintrc"),
            (PLAIN, COMMENT, TRAILING, SINGLE, UNQUOTED, "a: b  # c"), ("{", "a: [")),
    ],
)  # fmt: skip
def test_is_read_as_its_own_reader_reads_it(
    tmp_path: Path, names: tuple[str, ...], accepted: tuple[str, ...], refused: tuple[str, ...]
) -> None:
    for name in names:
        for content in accepted:
            found = read(tmp_path, name, content)
            assert (found.error, found.warning) == (None, None), (name, content)
        for content in refused:
            found = read(tmp_path, name, content)
            # TypeScript takes an empty file.
            assert found.error or found.warning == f"{name} is empty", (name, content)


@pytest.mark.parametrize("name", ["config/default.json", "data.json", "biome.json"])
@pytest.mark.parametrize("content", [COMMENT, TRAILING, SINGLE])
def test_of_an_unknown_reader_that_only_a_lenient_format_fits_is_a_warning(
    tmp_path: Path, name: str, content: str
) -> None:
    found = read(tmp_path, name, content)
    assert found.error is None
    assert "it is JSON5, which not every reader takes" in str(found.warning)
    assert "line 1" in broken(read(tmp_path, name, "{"))


def test_is_json5_in_the_folder_that_node_config_reads(tmp_path: Path) -> None:
    found = read(tmp_path, "config/default.json", SINGLE, node_config=True)
    assert (found.error, found.warning) == (None, None)
    assert read(tmp_path, "other/default.json", SINGLE, node_config=True).warning


def test_of_swc_may_have_single_quotes(tmp_path: Path) -> None:
    assert read(tmp_path, ".swcrc", SINGLE).error is None


@pytest.mark.parametrize(
    ("name", "content", "kind"),
    [
        ("a.json", '\ufeff{"a": 1}', "json"), ("config/a.yaml", "a: &x [1]\nb: *x\n---\nc: !Ref d\n", "yaml"),
        ("docker-compose.yml", "services: {}\n", "yaml"), ("a.toml", "[a]\nb = 1\n", "toml"),
        (".prettierrc", "semi: false", "rc"), (".env", "A=1\nNAME_ALONE\nB='x\ny'\n", "env"),
        (".npmrc", "a=b\n[c\nd\n", "text"), ("notes.txt", "whatever {", "text"), ("a.ts", "{{", "javascript"),
    ],
)  # fmt: skip
def test_that_is_whole_has_no_error(tmp_path: Path, name: str, content: str, kind: str) -> None:
    found = read(tmp_path, name, content)
    assert (found.error, found.warning, found.format) == (None, None, kind)


@pytest.mark.parametrize("name", ["a.yaml", "jest.config.js", ".prettierrc", "a.toml", "notes.txt"])
def test_that_is_empty_is_a_warning(tmp_path: Path, name: str) -> None:
    found = read(tmp_path, name, " \n\t\n")
    assert (found.error, found.warning) == (None, f"{name} is empty")


def test_of_variables_may_be_empty(tmp_path: Path) -> None:
    assert read(tmp_path, ".env", "").warning is None


@pytest.mark.parametrize("name", [name for _, names in KNOWN_FILES for name in names])
def test_of_a_known_name_has_one_format(name: str) -> None:
    plain = name.replace("*", "")
    kinds = [kind for kind, names in KNOWN_FILES if name in names]
    assert [format_of(Path("app", plain))] == kinds


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.json", '{\n "a": 1\n "b": 2}', "line 3, column 2"), (".nycrc", '{"a": 1,}', "line 1, column "),
        (".nycrc", "{} // c", "line 1, column 4"), (".nycrc", '{"a": NaN}', "line 1, column 7: NaN"),
        ("a.json", "", "line 1, column 1"), (".swcrc", "", "line 1, column 1"),
        ("a.json", b'{"a": "\xff"}', "not UTF-8 text: byte 0xff in line 1"),
        ("a.json", b"{\n\0}", "byte 0x00 in line 2"), ("a.json", "[" * 1_000_000, "line 1"),
        ("a.json", b"\x89PNG\r\n\x1a\n\0\0", "not UTF-8"), ("a.json", '"' + "x" * (6 << 20) + '"', "more than 5 MiB"),
        ("a.json", '{"a": ' + "9" * 10_000 + "}x", "line 1, column 10008"),
        ("tsconfig.json", '{"a": 1', "line 1, column 8"), ("nx.json", "{'a': 1}", "line 1, column 2"),
        (".eslintrc", '{"a" 1}', "line 1, column "), (".eslintrc", "a: [1\n", "line 2, column 1"),
        ("a.yaml", "a: *b\n", "line 1, column 4: an alias"), ("a.yaml", "a: 1\n\tb: 2\n", "line 2"),
        ("a.yaml", "a: \x07\n", "line 1"), ("a.yaml", "[" * 1_000_000, "line 1, column "),
        ("a.toml", "a = 1\na = 2\n", "line 2"), ("a.toml", "a = " + "[" * 100_000, "line 1"),
        (".babelrc", "{a: s3cret}", "line 1, column "), (".babelrc", "[" * 1_000_000, "too many brackets"),
        ("tsconfig.json", '{\n// c\n"a": tru}', "line 3, column 6"), ("nx.json", "{,}", "line 1, column 2"),
        ("nx.json", "[1,,]", "line 1, column 4"), ("nx.json", "{} /* c", "line 1, column 4"),
        ("notes.txt", b"\xff\xfe", "not UTF-8"), (".env", b"A=\xff", "not UTF-8"),
    ],
)  # fmt: skip
def test_a_broken_file_is_named_with_the_place_and_no_value(
    tmp_path: Path, name: str, content: str | bytes, message: str
) -> None:
    found = read(tmp_path, name, content)
    assert message in broken(found)
    assert "s3cret" not in broken(found)
    assert len(broken(found)) < 300


def test_an_alias_bomb_is_read_without_following_aliases(tmp_path: Path) -> None:
    bomb = "a0: &a0 [x]\n" + "".join(
        f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]\n" for n in range(1, 60)
    )
    assert read(tmp_path, "bomb.yaml", bomb).error is None


@pytest.mark.parametrize("content", ["a." * 50_000 + "a = 1", "[" + "a." * 50_000 + "a]"])
def test_toml_that_would_take_minutes_is_unmeasured(tmp_path: Path, content: str) -> None:
    assert isinstance(read(tmp_path, "a.toml", content).error, MeasurementUnavailable)


def test_without_pyyaml_yaml_is_unmeasured_with_the_extra_as_remedy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "yaml", None)
    error = read(tmp_path, "a.yaml", "a: 1").error
    assert isinstance(error, MeasurementUnavailable)
    assert error.remedy == "pip install 'pytest-flowhealth[yaml]'"


SPECIAL: dict[str, tuple[Callable[[Path], object], str]] = {
    "absent.json": (lambda path: None, "is not there"),
    "folder.json": (Path.mkdir, "is a folder"),
    "pipe.js": (os.mkfifo, "is a pipe"),
    "ring.json": (lambda path: path.symlink_to("ring.json"), "can't be read"),
    "dangling.json": (lambda path: path.symlink_to("nowhere"), "leads nowhere"),
    "endless.json": (lambda path: path.symlink_to("/dev/zero"), "is a device"),
    "x" * 300 + ".json": (lambda path: None, "can't be read"),
    "nul\0.json": (lambda path: None, "can't be read"),
    "file/below.json": (lambda path: path.parent.touch(), "can't be read"),
}


@pytest.mark.parametrize("name", SPECIAL, ids=range(9))
def test_what_is_no_regular_file_is_broken(tmp_path: Path, name: str) -> None:
    make, says = SPECIAL[name]
    make(tmp_path / name)
    assert says in broken(read(tmp_path, name))


def test_well_known_files_are_found_in_the_packages_and_in_config(tmp_path: Path) -> None:
    found = [
        *(".swcrc", "jest.config.js", "tsconfig.json", ".vscode/settings.json"),
        *("config/default.yaml", "packages/a/tsconfig.json"),
    ]
    others = (
        "jest.config.js.bak",
        "README.md",
        "config/notes.txt",
        "src/jest.config.js",
        "data.json",
    )
    write(tmp_path, dict.fromkeys((*found, *others, "packages/b/tsconfig.json"), "{}"))
    (tmp_path / ".prettierrc.json").mkdir()
    packages = [tmp_path, tmp_path / "packages/a", tmp_path / "absent"]
    assert [file.label for file in find_config_files(tmp_path, packages)] == found
