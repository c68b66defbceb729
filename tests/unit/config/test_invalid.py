"""An invalid configuration is a usage error with its causes, and no message contains a password."""

import contextlib
import os
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_flowhealth.config.decode import Decoder
from pytest_flowhealth.config.environment import read_environment
from pytest_flowhealth.config.fields import known_fields
from pytest_flowhealth.config.limits import parse_threshold_option
from pytest_flowhealth.config.load import load_target
from pytest_flowhealth.config.problems import PROBLEMS, shorten, usage_error
from pytest_flowhealth.config.target import Target
from pytest_flowhealth.errors import UsageError
from tests.kit.projects import write

LONG = "9" * 5_000
PASSWORD = "gehe1m-s3cret"


def load(folder: Path, toml: str | bytes = "", env: dict[str, str] | None = None) -> Target:
    write(folder, {"flowhealth.toml": toml}, name="app")
    return load_target(None, env or {}, folder)


def refused(folder: Path, toml: str | bytes = "", env: dict[str, str] | None = None) -> str:
    with pytest.raises(UsageError) as caught:
        load(folder, toml, env)
    message = str(caught.value)
    assert message.replace("\n", "").isprintable()
    assert len(message) < 60_000
    return message


@pytest.mark.parametrize(
    ("toml", "says"),
    [
        (f"[thresholds]\nx = {{ warn = {LONG} }}\n", "integer string conversion"),
        (f"[thresholds]\nx = {{ warn = {'9' * 400} }}\n", "thresholds.x"),
        (f"checks = ['{LONG}']\n", "does not exist"),
        ('checks = ["a\\u0000b"]\n', "does not exist"),
        ("redis = " + "[" * 100_000, "nested too deeply"),
        ("[redis\n", "flowhealth.toml"),
        ('[history]\nurl = "postgres://h"\n', "history.url: the value is not a valid address"),
        ('[history]\nurl = "http://"\n', "or the URL of a server"),
        ("a = '''\n", "at end of document"),
        (b"preset = '\x00'", "byte 0x00 in line 1"),
        (b"a = 1\n\xff", "byte 0xff in line 2"),
        ("preset = 'nothing'\n", "there is no preset 'nothing'"),
        ("[redis]\ntimeout = '\\u001b[2J'\n", r"is not a valid duration"),
        ('"\\u001b[2J" = 1\n', r"unknown key '\x1b[2J'"),
        ('[fleet]\nurl = "http://:x"', "fleet.url"),
        ("[fleet.spawn]\ncommand = []", "fleet.spawn.command"),
        ('[fleet.spawn]\nready = "stdout:x"', "fleet.spawn.command is not set"),
        ('[fleet.spawn]\ncommand = ["x"]\nready = "port:99999"', "fleet.spawn.ready"),
        ('[fleet.spawn]\ncommand = ["x"]\nready = "stdout: "', "fleet.spawn.ready"),
        ('[fleet.spawn]\ncommand = ["x"]\nready = "file:x"', "fleet.spawn.ready"),
        ('[fleet.spawn]\ncommand = ["x"]\ncount = 0', "fleet.spawn.count"),
    ],
    ids=range(21),
)
def test_a_file_that_can_not_be_used_is_refused_with_the_cause(
    tmp_path: Path, toml: str | bytes, says: str
) -> None:
    assert says in refused(tmp_path, toml)


def test_an_invalid_pyproject_matters_only_if_it_may_be_the_configuration(tmp_path: Path) -> None:
    write(tmp_path, {"pyproject.toml": "a = \n", "package.json": "{}"})
    assert load_target(None, {}, tmp_path).sources == {}

    write(tmp_path, {"pyproject.toml": "a = \n[tool.flowhealth]\n"})
    with pytest.raises(UsageError, match=r"pyproject\.toml: Invalid value \(at line 1"):
        load_target(None, {}, tmp_path)


@pytest.mark.parametrize("name", ["x" * 300, "nul\0", "ring", "file"])
def test_a_project_that_cannot_be_looked_at_is_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / "ring").symlink_to("ring")
    (tmp_path / "file").touch()
    with pytest.raises(UsageError, match="the project "):
        load_target(Path(name), {}, tmp_path)


def test_a_link_to_itself_and_a_pipe_are_refused_instead_of_waited_for(tmp_path: Path) -> None:
    file = write(tmp_path, {"package.json": "{}"}) / "flowhealth.toml"
    file.symlink_to(file.name)
    with pytest.raises(UsageError, match=r"flowhealth\.toml can't be read"):
        load_target(None, {}, tmp_path)
    file.unlink()
    os.mkfifo(file)
    with pytest.raises(UsageError, match="no regular file"):
        load_target(None, {}, tmp_path)


def test_of_thousands_of_problems_the_first_are_listed(tmp_path: Path) -> None:
    thresholds = ",".join(f"x{number}=1" for number in range(1_000))
    message = refused(tmp_path, env={"FLOWHEALTH_THRESHOLDS": thresholds})
    assert f"and {1_000 - PROBLEMS:,} more" in message


@pytest.mark.parametrize(
    "address",
    [
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
    decoder = Decoder("flowhealth.toml")
    for key in known_fields():
        decoder.set(key, address)
        decoder.set(key, [address])
    problems = [*decoder.problems, *read_environment(variables)[1]]
    messages = [str(usage_error(problem)) for problem in problems]
    messages.append(refused(tmp_path, env=variables | {"FLOWHEALTH_THRESHOLDS": address}))
    for toml in (
        f'[redis]\nurl = ["{text}"]\nurl2 = "{text}"\n',
        f'preset = "{text}"\n',
        f'checks = ["{text}"]\n',
        f'"{text}" = 1\n[redis]\n"{text}" = 1\n',
        f'[thresholds]\n"{text}" = {{ unit = "{text}", warn = 1 }}\n',
        f'[thresholds."x"]\n"{text}" = 1\n',
    ):
        messages.append(refused(tmp_path, toml))
    for option in (address, f"{address}=1:x", f"x={address}", f"x=1:2{address}"):
        with pytest.raises(UsageError) as caught:
            parse_threshold_option(option)
        messages.append(str(caught.value))
    with pytest.raises(UsageError) as caught:
        load_target(Path(address), {}, tmp_path)
    messages.append(str(caught.value))

    assert len(messages) > 100
    assert not [message for message in messages if PASSWORD in message or "\x1b" in message]


def test_a_value_is_shown_in_part_and_without_a_password() -> None:
    assert shorten("@scope/name") == "@scope/name"
    assert shorten("redis://user:pw@host:1") == "redis:***@host:1"
    assert len(shorten("x" * 1_000)) < 210


SCALARS = ["1", "-1", LONG, "nan", "true", "1979-05-27", "1979-05-27T00:32:00", "''", "'5 s'", "'>=20'", "'redis://[h'", '"\\u0000"', "[]", "{}"]  # fmt: skip
KEYS = st.sampled_from([*known_fields(), "thresholds", "thresholds.'x.y'.warn", "redis", "x", "''"])
VALUES = st.sampled_from([*SCALARS, *(f"{{ warn = {value} }}" for value in SCALARS)])
LINES = st.tuples(KEYS, VALUES).map(" = ".join) | KEYS.map("[{}]".format) | st.text(max_size=20)
CONTENT = st.lists(LINES, max_size=6).map(
    lambda lines: "\n".join(lines).encode("utf-8", "surrogatepass")
)
NAMES = [field.variable for field in known_fields().values() if field.variable]
VARIABLES = st.dictionaries(
    st.sampled_from([*NAMES, "FLOWHEALTH_THRESHOLDS", "REDIS_URL", "FLOWHEALTH_X"]),
    st.text(max_size=20) | VALUES | st.lists(st.sampled_from("x=:1_.e ms-+%")).map("".join),
    max_size=3,
)


@settings(deadline=None, max_examples=40)
@given(content=CONTENT | st.binary(), env=VARIABLES)
def test_any_configuration_is_read_or_refused(content: bytes, env: dict[str, str]) -> None:
    with TemporaryDirectory() as name, contextlib.suppress(UsageError):
        assert load(Path(name), content, env).root.is_dir()
