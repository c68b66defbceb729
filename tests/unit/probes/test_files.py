"""Configuration files of every kind that needs no Node: whole, broken and hostile."""

import os
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from pytest_flowhealth.errors import CheckFailed, MeasurementUnavailable
from pytest_flowhealth.probes import files
from pytest_flowhealth.probes.files import Looked
from tests.kit.projects import write


def look(root: Path, name: str, content: str | bytes | None = None) -> Looked:
    """Write a file, and look at it."""
    write(root, {} if content is None else {name: content})
    (found,) = files.look(files.configured(root, [name]), root)
    assert found.label == name
    return found


def broken(found: Looked) -> str:
    """Return the message of a file that is broken, and names it."""
    assert isinstance(found.error, CheckFailed), found.error
    assert found.error.message.startswith(found.label)
    return found.error.message


WHOLE = [
    *(("a.json", '{"a": 1}', "json"), ("a.json", '\ufeff{"a": 1}', "json")),
    *(
        ("tsconfig.build.json", '{"a": 1, /* c */ } // c', "jsonc"),
        (".swcrc", '{"jsc": {},}', "jsonc"),
    ),
    *((".eslintrc", '{"a": 1} // c', "rc"), (".prettierrc", "semi: false", "rc")),
    (".babelrc", "{presets: ['a'],}", "json5"),
    ("config/a.yaml", "a: &x [1]\nb: *x\n---\nc: !Ref d\n", "yaml"),
    ("docker-compose.yml", "services: {}\n", "yaml"),
    ("a.toml", "[a]\nb = 1\n", "toml"),
    *((".env", "A=1\nexport B='x\ny'\n\n# c\n", "env"), (".env", "", "env")),
    *((".npmrc", "a=b\n[c]\nd\n", "ini"), ("notes.txt", "whatever {", "text")),
]


@pytest.mark.parametrize(("name", "content", "kind"), WHOLE)
def test_a_whole_file_parses_as_its_name_says(
    tmp_path: Path, name: str, content: str, kind: str
) -> None:
    found = look(tmp_path, name, content)
    assert (found.error, found.kind) == (None, kind)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.json", '{\n "a": 1\n "b": 2}', "line 3, column 2"), ("a.json", '{"a": 1,}', "line 1, column "),
        ("a.json", "{} // c", "line 1, column 4"), ("a.json", '{"a": NaN}', "line 1, column 7: NaN"),
        ("a.json", "", "is empty"), ("a.json", " \n\t\n", "is empty"),
        ("a.json", b'{"a": "\xff"}', "not UTF-8 text: byte 0xff in line 1"),
        ("a.json", b"{\n\0}", "byte 0x00 in line 2"), ("a.json", "[" * 1_000_000, "line 1"),
        ("a.json", b"\x89PNG\r\n\x1a\n\0\0", "not UTF-8"), ("a.json", '"' + "x" * (6 << 20) + '"', "more than 5 MiB"),
        ("a.json", '{"a": ' + "9" * 10_000 + "}x", "line 1, column 10008"),
        ("tsconfig.json", '{"a": 1', "line 1, column 8"), (".swcrc", "{'a': 1}", "line 1, column 2"),
        (".eslintrc", '{"a" 1}', "line 1, column 6"), (".eslintrc", "a: [1\n", "line 2, column 1"),
        ("a.yaml", "a: *b\n", "line 1, column 4: an alias"), ("a.yaml", "a: 1\n\tb: 2\n", "line 2"),
        ("a.yaml", "a: \x07\n", "line 1"), ("a.yaml", "[" * 1_000_000, "line 1, column 1001: "),
        ("a.toml", "a = 1\na = 2\n", "line 2"), ("a.toml", "a = " + "[" * 100_000, "line 1"),
        (".env", "A=1\ns3cret\n", "line 2"), (".env", "A=1\nB='s3cret\n", "line 2, column 1: the quote"),
        (".npmrc", "[a\n", "line 1"), ("notes.txt", b"\xff\xfe", "not UTF-8"), ("notes.txt", " ", "is empty"),
    ],
)  # fmt: skip
def test_a_broken_file_is_named_with_the_place_and_no_value(
    tmp_path: Path, name: str, content: str | bytes, message: str
) -> None:
    found = look(tmp_path, name, content)
    assert message in broken(found)
    assert "s3cret" not in broken(found)
    assert len(broken(found)) < 300


def test_an_alias_bomb_is_read_without_following_aliases(tmp_path: Path) -> None:
    bomb = "a0: &a0 [x]\n" + "".join(
        f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]\n" for n in range(1, 60)
    )
    assert look(tmp_path, "bomb.yaml", bomb).error is None


@pytest.mark.parametrize("content", ["a." * 50_000 + "a = 1", "[" + "a." * 50_000 + "a]"])
def test_toml_that_would_take_minutes_is_unmeasured(tmp_path: Path, content: str) -> None:
    assert isinstance(look(tmp_path, "a.toml", content).error, MeasurementUnavailable)


def test_without_pyyaml_yaml_is_unmeasured_with_the_extra_as_remedy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "yaml", None)
    error = look(tmp_path, "a.yaml", "a: 1").error
    assert isinstance(error, MeasurementUnavailable)
    assert error.remedy == "pip install pytest-flowhealth[yaml]"


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
    assert says in broken(look(tmp_path, name))


def test_without_node_a_script_is_unmeasured_and_json_is_still_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    for name in ("a.js", "a.ts"):
        error = look(tmp_path, name, "const a = 1;").error
        assert isinstance(error, MeasurementUnavailable)
        assert "no `node`" in error.message
    assert "line 1" in broken(look(tmp_path, "a.json", "{"))


def test_well_known_files_are_found_in_the_packages_and_in_config(tmp_path: Path) -> None:
    found = [
        ".swcrc",
        "jest.config.js",
        "tsconfig.json",
        "config/default.yaml",
        "packages/a/tsconfig.json",
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
    assert [source.label for source in files.well_known(tmp_path, packages)] == found


def test_each_file_has_one_answer_in_order(tmp_path: Path) -> None:
    names = ["b.json", "a.toml", "absent.json", "c.txt", "a.toml"]
    write(tmp_path, {"b.json": "{", "a.toml": "a = 1", "c.txt": "x"})

    found = files.look(files.configured(tmp_path, names), tmp_path)

    assert [one.label for one in found] == names[:4]
    assert [one.error is None for one in found] == [False, True, False, True]
