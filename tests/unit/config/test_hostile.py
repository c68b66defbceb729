"""Configuration that is hostile or absurd ends as a usage error, in a bounded time, and leaks nothing."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_flowhealth.config.decode import Decoder
from pytest_flowhealth.config.environment import read_environment
from pytest_flowhealth.config.fields import known_fields
from pytest_flowhealth.config.limits import parse_threshold_option
from pytest_flowhealth.config.load import load_target
from pytest_flowhealth.config.target import Target
from pytest_flowhealth.config.wording import HINTS, PROBLEMS, shown, usage_error
from pytest_flowhealth.errors import UsageError

LONG = "9" * 5_000
DOTTED = ".".join("a" * 60_000)
PASSWORD = "gehe1m-s3cret"


def load(folder: Path, toml: str | bytes = "", env: dict[str, str] | None = None) -> Target:
    (folder / "package.json").write_text('{"name": "app"}')
    (folder / "flowhealth.toml").write_bytes(toml.encode() if isinstance(toml, str) else toml)
    return load_target(None, env or {}, folder)


def refused(folder: Path, toml: str | bytes = "", env: dict[str, str] | None = None) -> str:
    with pytest.raises(UsageError) as caught:
        load(folder, toml, env)
    said = str(caught.value)
    assert said.replace("\n", "").isprintable()
    assert len(said) < 60_000
    return said


@pytest.mark.parametrize(
    ("toml", "said"),
    [
        (f"[thresholds]\nx = {{ warn = {LONG} }}\n", "too many digits"),
        (f"[thresholds]\nx = {{ warn = {'9' * 400} }}\n", "thresholds.'x'"),
        (f"checks = ['{LONG}']\n", "is not there"),
        ("checks = ['a\\u0000b']\n", "flowhealth.toml"),
        ('checks = ["a\\u0000b"]\n', "is not there"),
        (f"{DOTTED} = 1\n", "too large to be read in a bounded time"),
        (f"[{DOTTED}]\n", "too large to be read in a bounded time"),
        (f"[{'.'.join('a' * 400)}]\n{'a.b = 1' * 20_000}", "too large to be read"),
        ("#" * 300_000, "too large to be read"),
        ("redis = " + "[" * 100_000, "too many brackets"),
        (b"preset = '\x00'", "byte 0x00 in line 1"),
        (b"a = 1\n\xff", "byte 0xff in line 2"),
        ("[redis]\ntimeout = '\\u001b[2J'\n", r"expected a duration"),
        ('"\\u001b[2J" = 1\n', r"unknown key '\x1b[2J'"),
    ],
)  # fmt: skip
def test_a_hostile_file(tmp_path: Path, toml: str | bytes, said: str) -> None:
    assert said in refused(tmp_path, toml)


def test_a_hostile_pyproject(tmp_path: Path) -> None:
    pyproject = tmp_path / "pyproject.toml"
    pyproject.write_text(f"{DOTTED} = 1\n")
    (tmp_path / "package.json").write_text("{}")
    assert load_target(None, {}, tmp_path).sources == {}

    pyproject.write_text(f"{DOTTED} = 1\n[tool.flowhealth]\n")
    with pytest.raises(UsageError, match=r"pyproject\.toml: it is too large"):
        load_target(None, {}, tmp_path)


@pytest.mark.parametrize("name", ["x" * 300, "x/" * 5_000, "nul\0", "", "ring", "file"])
def test_a_project_that_cannot_be_looked_at(tmp_path: Path, name: str) -> None:
    (tmp_path / "ring").symlink_to("ring")
    (tmp_path / "file").touch()
    if not name:
        assert load_target(Path(name), {}, tmp_path).root == tmp_path.resolve()
        return
    with pytest.raises(UsageError, match="--health-project: "):
        load_target(Path(name), {}, tmp_path)


def test_a_file_that_cannot_be_looked_at_is_not_taken_as_absent(tmp_path: Path) -> None:
    (tmp_path / "package.json").write_text("{}")
    (tmp_path / "flowhealth.toml").symlink_to("flowhealth.toml")
    with pytest.raises(UsageError, match=r"flowhealth\.toml can't be read"):
        load_target(None, {}, tmp_path)


def test_of_thousands_of_unknown_names_the_first_are_told(tmp_path: Path) -> None:
    toml = "".join(f"redis_url_{number} = 1\n" for number in range(1_000))
    env = {f"FLOWHEALTH_REDIS_URL_{number}": "x" for number in range(1_000)}

    said = refused(tmp_path, toml, env)
    assert said.count("; did you mean") + said.count("known are") == 2 * HINTS
    assert said.count(f"and {1_000 - HINTS - 1:,} more unknown ones") == 2
    thresholds = ",".join(f"x{number}=1" for number in range(1_000))
    said = refused(tmp_path, env={"FLOWHEALTH_THRESHOLDS": thresholds})
    assert f"and {1_000 - PROBLEMS:,} more" in said


@pytest.mark.parametrize(
    "address",
    [
        f"redis://:{PASSWORD}@h",
        f"redis://user:{PASSWORD}@h:6379/0",
        f":{PASSWORD}@h",
        f"redis://:{PASSWORD}{'x' * 300}@h",
        f"redis://:{PASSWORD}@a@h\x1b[2J",
        f"https://h/?token={PASSWORD}",
    ],
)
def test_no_message_holds_a_password(tmp_path: Path, address: str) -> None:
    text = address.replace("\x1b", "\\u001b")
    variables = {field.variable: address for field in known_fields().values() if field.variable}
    problems = problems_of_every_key(address) + read_environment(variables)[1]
    messages = [str(usage_error(problem)) for problem in problems]
    messages.append(refused(tmp_path, env=variables))
    for toml in (
        f'[redis]\nurl = ["{text}"]\nurl2 = "{text}"\n',
        f'preset = "{text}"\n',
        f'checks = ["{text}"]\n',
        f'"{text}" = 1\n[redis]\n"{text}" = 1\n',
        f'[thresholds]\n"{text}" = {{ unit = "{text}", warn = 1 }}\n',
        f'[thresholds."x"]\n"{text}" = 1\n',
    ):
        messages.append(refused(tmp_path, toml))
    calls: list[Callable[[], object]] = [
        *(
            partial(parse_threshold_option, option)
            for option in (address, f"{address}=1:x", f"x={address}", f"x=1:2{address}")
        ),
        partial(load, tmp_path, env={"FLOWHEALTH_THRESHOLDS": address}),
        *(
            partial(load_target, path, {}, tmp_path)
            for path in (Path(address), Path("/") / address)
        ),
    ]
    for call in calls:
        with pytest.raises(UsageError) as caught:
            call()
        messages.append(str(caught.value))

    assert len(messages) > 100
    assert not [message for message in messages if PASSWORD in message or "\x1b" in message]


def problems_of_every_key(address: str) -> list[str]:
    """Return what is said where the address is the value of each key, and in a list there."""
    problems: list[str] = []
    for value in (address, [address]):
        decoder = Decoder("flowhealth.toml")
        raw: dict[str, Any] = {}
        for key in known_fields():
            *names, last = key.split(".")
            table = raw
            for name in names:
                table = table.setdefault(name, {})
            table[last] = value
        decoder.table(raw)
        problems += decoder.problems
    return problems


def test_what_is_shown_of_a_value() -> None:
    assert shown("5 s") == "5 s"
    assert shown("@scope/name") == "@scope/name"
    assert shown("redis://user:pw@host:1") == "redis:***@host:1"
    assert len(shown("x" * 1_000)) < 210


PIECES = st.sampled_from(
    ["x", "=", ":", "1", "_", ".", "e", "9" * 400, " ", "ms", "-", "+", "%", "nan", "1/s", "\n"]
)


KEYS = st.sampled_from(
    [*known_fields(), "thresholds", "thresholds.x", "thresholds.'x.y'.warn", "redis", "x", "''"]
)
SCALARS = st.sampled_from(
    ["1", "-1", "0x" + "f" * 20, LONG, "9" * 400, "nan", "inf", "true", "1979-05-27", "07:32:00", "''", "'5 s'",
     "'512 MiB'", "'>=20'", "'redis://h'", "'redis://[h'", "'redis://h:99999'", "'redis+sentinel://a,b:x'", "'a/b'",
     "'/'", "'~'", '"\\u0000"', '"\\u001b"', '"\\ud7ff"', "'" + "x" * 5_000 + "'", "[]", "{}"]
)  # fmt: skip
VALUES = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=3).map(lambda all_: f"[{', '.join(all_)}]")
        | st.tuples(st.sampled_from(["warn", "fail", "unit", "x", "name"]), inner).map(
            lambda pair: f"{{ {pair[0]} = {pair[1]} }}"
        )
    ),
    max_leaves=4,
)
LINES = (
    st.tuples(KEYS, VALUES).map(" = ".join)
    | KEYS.map(lambda key: f"[{key}]")
    | st.text(max_size=20)
)
VARIABLES = st.dictionaries(
    st.sampled_from([one.variable for one in known_fields().values() if one.variable])
    | st.sampled_from(["FLOWHEALTH_THRESHOLDS", "REDIS_URL", "FLOWHEALTH_", "FLOWHEALTH_X"]),
    SCALARS.map(lambda text: text.strip("'"))
    | st.text(max_size=20)
    | st.lists(PIECES).map("".join),
    max_size=3,
)
CONTENT = st.lists(LINES, max_size=6).map(
    lambda lines: "\n".join(lines).encode("utf-8", "surrogatepass")
)


@settings(deadline=None, max_examples=40)
@given(
    content=CONTENT | st.binary(),
    env=VARIABLES,
    project=st.none() | st.text(max_size=5) | st.just("x" * 5_000),
)
def test_any_configuration_is_read_or_refused(
    content: bytes, env: dict[str, str], project: str | None
) -> None:
    with TemporaryDirectory() as name, contextlib.suppress(UsageError):
        folder = Path(name)
        (folder / "package.json").write_text("{}")
        (folder / "flowhealth.toml").write_bytes(content)
        load_target(None, env, folder)
    with TemporaryDirectory() as name, contextlib.suppress(UsageError):
        assert load_target(project and Path(project), env, Path(name)).root.is_dir()  # type: ignore[arg-type]
