"""Keys of every type: in the file, in the environment, in the reference and in the JSON Schema."""

import json
import tomllib
from pathlib import Path
from typing import Annotated, Any, Literal

import jsonschema
import msgspec
import pytest
from msgspec import Meta

from pytest_flowhealth.config.decode import Decoder, build
from pytest_flowhealth.config.environment import read_environment
from pytest_flowhealth.config.fields import known_fields, write_value
from pytest_flowhealth.config.load import presets
from pytest_flowhealth.config.model import Configuration
from pytest_flowhealth.config.notation import (
    DAY,
    HOUR,
    Delay,
    Duration,
    Secret,
    Size,
    write_duration,
    write_size,
)
from pytest_flowhealth.config.reference import SCHEMA, read_schema, render, render_schema
from pytest_flowhealth.domain.units import parse_duration, parse_size

ROOT = Path(__file__).parents[3]


class Spawn(msgspec.Struct, frozen=True):
    """How an agent is started."""

    command: Annotated[tuple[str, ...], Meta(min_length=1)]
    """The program. Example: `["node", "a.js"]`."""
    ready: str = "stdout:ready"


class Retry(msgspec.Struct, frozen=True):
    """When to try again."""

    times: int = 3
    wait: Duration = 0.5
    """The pause."""


class Token(msgspec.Struct, frozen=True):
    """An entry of a table with free keys."""

    sha256: Secret
    """The digest."""


class Rule(msgspec.Struct, frozen=True, rename={"held": "for"}):
    """An item of a list of tables."""

    name: str
    """The name."""
    held: Delay | None = None
    """How long."""

    def __post_init__(self) -> None:
        if self.name == "forbidden":
            raise ValueError("this name is reserved")


class Fleet(msgspec.Struct, frozen=True):
    """The agents."""

    source: Literal["redis", "http"] = "redis"
    """Where."""
    agents: Annotated[int, Meta(ge=1, le=50)] | None = None
    """How many."""
    load: float = 0.5
    """How much."""
    wanted: bool | None = None
    """Whether."""
    size: Size | None = None
    """How large. Example: `"1 MiB"`."""
    patterns: dict[str, str] = {}
    """Keys."""
    intervals: dict[str, Duration] = {}
    """How often."""
    limits: dict[str, int] = {}
    spawn: Spawn | None = None
    retry: Retry = Retry(times=7)


class Root(msgspec.Struct, frozen=True):
    """A whole configuration."""

    checks: tuple[str, ...] = ()
    fleet: Fleet = Fleet()
    rules: tuple[Rule, ...] = ()
    """Rules."""
    tokens: dict[str, Token] = {}
    """Tokens."""


def decode(raw: dict[str, Any]) -> Decoder:
    decoder = Decoder("file", Root)
    decoder.table(raw)
    return decoder


def environment(**variables: str) -> tuple[Root, list[str]]:
    named = {f"FLOWHEALTH_{name}": text for name, text in variables.items()}
    values, problems = read_environment(named, Root)
    return build(values, Root), problems


def test_a_table_in_a_table_becomes_a_struct_in_a_struct() -> None:
    decoder = decode({"fleet": {"spawn": {"command": ["node"]}, "patterns": {"a": "b:*"}}})

    assert decoder.problems == []
    assert decoder.values["fleet.spawn.command"].source == "file"
    fleet = build(decoder.values, Root).fleet
    assert fleet == Fleet(patterns={"a": "b:*"}, spawn=Spawn(("node",)), retry=Retry(times=7))


def test_values_are_decoded_once_into_seconds_bytes_and_structs() -> None:
    decoder = decode(
        {
            "fleet": {"size": "2 MiB", "retry": {"wait": "250 ms"}, "intervals": {"a": "1 h"}},
            "rules": [{"name": "a", "for": "5 min"}, {"name": "b", "for": "0"}],
            "tokens": {"a.b": {"sha256": "x"}},
        }
    )

    assert decoder.problems == []
    root = build(decoder.values, Root)
    assert root.fleet.retry == Retry(7, 0.25)
    assert (root.fleet.size, root.fleet.intervals) == (2 * 2**20, {"a": 3_600.0})
    assert root.rules == (Rule("a", 300.0), Rule("b", 0.0))
    assert root.tokens == {"a.b": Token("x")}
    assert decoder.values["tokens.a.b"].source == "file"


def test_nearer_sources_win_key_by_key_and_what_is_not_set_stays() -> None:
    far = decode(
        {
            "fleet": {
                "spawn": {"command": ["node"], "ready": "port:1"},
                "retry": {"wait": "2 s"},
            }
        }
    )
    near, _ = read_environment({"FLOWHEALTH_FLEET_SPAWN_READY": "port:2"}, Root)

    fleet = build(far.values | near, Root).fleet

    assert fleet == Fleet(spawn=Spawn(("node",), "port:2"), retry=Retry(times=7, wait=2))


@pytest.mark.parametrize(
    ("raw", "problem"),
    [
        (
            {"fleet": {"spawn": {"comand": []}}},
            "unknown key 'comand' in [fleet.spawn]; did you mean 'command'?",
        ),
        ({"fleet": {"spawn": 5}}, "[fleet.spawn] must be a table; found 5"),
        ({"fleet.spawn": {}}, "unknown key 'fleet.spawn'"),
        ({"fleet": {"spawn": {"ready": 5}}}, "fleet.spawn.ready: 5 is not valid; expected a text"),
        ({"fleet": {"spawn": {"command": []}}}, "fleet.spawn.command: the list must not be empty"),
        ({"fleet": {"spawn": {"command": ["a", 5]}}}, "fleet.spawn.command[1]: 5 is not valid"),
        (
            {"fleet": {"agents": "2"}},
            "fleet.agents: '2' is not valid; expected a whole number from 1 and up to 50",
        ),
        ({"fleet": {"agents": 51}}, "fleet.agents: 51 is not valid; expected a whole number"),
        ({"fleet": {"source": "x"}}, "fleet.source: 'x' is not valid; expected 'redis' or 'http'"),
        ({"fleet": {"load": float("nan")}}, "fleet.load: nan is not valid; expected a number"),
        ({"fleet": {"wanted": []}}, "fleet.wanted: a list is not valid; expected true or false"),
        (
            {"fleet": {"retry": {"wait": "-1 s"}}},
            "fleet.retry.wait: '-1 s' is not a valid duration; expected a number above zero with us,",
        ),
        ({"fleet": {"intervals": {"a": "x"}}}, "fleet.intervals.a: 'x' is not a valid duration"),
        (
            {"fleet": {"size": 5}},
            "fleet.size: 5 is not a valid size; expected a number above zero with B, KiB",
        ),
        ({"rules": [{"nam": "x"}]}, "rules[0]: unknown key 'nam'; did you mean 'name'?"),
        ({"rules": [{}]}, "rules[0]: 'name' is missing"),
        ({"rules": ["x"]}, "rules[0]: 'x' is not valid; expected a table"),
        ({"rules": [{"name": "x", "for": "y"}]}, "rules[x].for: 'y' is not a valid duration"),
        ({"rules": [{"name": "forbidden"}]}, "rules[forbidden]: this name is reserved"),
        (
            {"rules": [{"name": "x"}, {"name": "x"}]},
            "rules[x]: there is more than one with this name",
        ),
        (
            {"tokens": {"a.b": {"sha256": 5}}},
            "tokens.'a.b'.sha256: the value is not a valid secret",
        ),
    ],
)
def test_a_problem_has_the_key_what_was_found_and_what_is_allowed(
    raw: dict[str, Any], problem: str
) -> None:
    decoder = decode(raw)
    assert decoder.values == {}
    assert [line for line in decoder.problems if line.startswith(f"file: {problem}")]


def test_each_type_is_read_from_the_environment() -> None:
    root, problems = environment(
        CHECKS="[ab]*/, x",
        FLEET_SOURCE="http",
        FLEET_AGENTS=" 1_0 ",
        FLEET_LOAD="2.5e-1",
        FLEET_WANTED="No",
        FLEET_SIZE="1 KiB",
        FLEET_PATTERNS="agents = agent:*, keys=a=b",
        FLEET_INTERVALS="a=5 s,b=1 h",
        FLEET_LIMITS='{"a, b": 1}',
        FLEET_SPAWN_COMMAND='["node", "-e", "f(1, 2)"]',
    )
    assert problems == []
    assert root.checks == ("[ab]*/", "x")
    assert root.fleet == Fleet(
        source="http",
        agents=10,
        load=0.25,
        wanted=False,
        size=1_024,
        patterns={"agents": "agent:*", "keys": "a=b"},
        intervals={"a": 5.0, "b": 3_600.0},
        limits={"a, b": 1},
        spawn=Spawn(("node", "-e", "f(1, 2)")),
    )


@pytest.mark.parametrize(
    ("name", "text"),
    [
        *(("FLEET_AGENTS", "many"), ("FLEET_AGENTS", "9" * 5_000), ("FLEET_AGENTS", "1.5")),
        *(("FLEET_LOAD", "nan"), ("FLEET_WANTED", "perhaps"), ("FLEET_PATTERNS", "x")),
        *(("FLEET_PATTERNS", "=x"), ("FLEET_PATTERNS", "{" * 100_000)),
        *(("FLEET_PATTERNS", '{"\udcff'), ("FLEET_SPAWN", "x"), ("FLEET_RETRY_TIME", "1")),
    ],
    ids=range(11),
)
def test_a_variable_of_the_wrong_type_is_named(name: str, text: str) -> None:
    root, problems = environment(**{name: text})
    assert root == Root()
    assert len(problems) == 1
    assert f"FLOWHEALTH_{name}" in problems[0]


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(5.0, "5 s"), (0.25, "250 ms"), (90.0, "90 s"), (300.0, "5 min"), (HOUR, "1 h"), (DAY, "1 d")],
)
def test_a_duration_is_written_as_it_is_read(seconds: float, text: str) -> None:
    assert write_duration(seconds) == text
    assert parse_duration(text) == seconds


@pytest.mark.parametrize("size", [1, 1_000, 1_024, 3 * 2**19, 5 * 2**30])
def test_a_size_is_written_as_it_is_read(size: int) -> None:
    assert parse_size(write_size(size), "B") == size


def test_the_reference_has_tables_in_tables_and_every_type() -> None:
    text = render(Root)
    for line in (
        "## [fleet.spawn]",
        "How an agent is started.",
        '| `command` | list of texts |  | The program. Example: `["node", "a.js"]`. | '
        "`FLOWHEALTH_FLEET_SPAWN_COMMAND` |",
        '| `source` | `redis` or `http` | `"redis"` | Where. | `FLOWHEALTH_FLEET_SOURCE` |',
        "| `agents` | whole number |  | How many. | `FLOWHEALTH_FLEET_AGENTS` |",
        "| `load` | number | `0.5` | How much. | `FLOWHEALTH_FLEET_LOAD` |",
        "| `wanted` | true or false |  | Whether. | `FLOWHEALTH_FLEET_WANTED` |",
        '| `size` | size |  | How large. Example: `"1 MiB"`. | `FLOWHEALTH_FLEET_SIZE` |',
        "| `patterns` | table |  | Keys. | `FLOWHEALTH_FLEET_PATTERNS` |",
        '| `wait` | duration | `"500 ms"` | The pause. | `FLOWHEALTH_FLEET_RETRY_WAIT` |',
        "| `rules` | list of tables | `[]` | Rules. |  |",
        "## [[rules]]",
        "| `for` | duration |  | How long. |  |",
        "## [tokens]",
    ):
        assert f"{line}\n" in text
    assert "| `spawn` |" not in text


def test_each_key_has_a_variable_of_its_own_a_description_and_a_type_that_msgspec_can_read() -> (
    None
):
    variables = [field.variable for field in known_fields().values() if field.variable]
    assert len(variables) == len(set(variables))
    reference = render()
    for field in known_fields().values():
        # msgspec reports it late: bounds belong to the number, not to its union with None.
        msgspec.inspect.type_info(field.type)
        assert f"| `{field.key.rpartition('.')[2]}` | " in reference


def test_the_reference_and_the_schema_are_up_to_date() -> None:
    command = "run: python -m pytest_flowhealth.config.reference"
    assert (ROOT / "docs/configuration.md").read_text() == render(), command
    assert (ROOT / "pytest_flowhealth/config" / SCHEMA).read_text() == render_schema(), command


def validator() -> jsonschema.Draft7Validator:
    schema = json.loads(read_schema())
    jsonschema.Draft7Validator.check_schema(schema)
    return jsonschema.Draft7Validator(schema)


@pytest.mark.parametrize("name", [*presets(), "examples/app"])
def test_the_schema_accepts_the_configurations_that_are_shipped(name: str) -> None:
    text = presets().get(name) or (ROOT / name / "flowhealth.toml").read_text()

    assert [*validator().iter_errors(tomllib.loads(text))] == []


def test_the_schema_accepts_every_default_and_example() -> None:
    schema = json.loads(read_schema())
    sections = [schema, *schema["$defs"].values()]
    tried = 0
    for rules in (rules for each in sections for rules in each["properties"].values()):
        one = jsonschema.Draft7Validator({"$defs": schema["$defs"], **rules})
        for value in [
            *rules.get("examples", ()),
            *([rules["default"]] if "default" in rules else ()),
        ]:
            if "..." not in json.dumps(value):
                tried += 1
                assert [*one.iter_errors(value)] == [], rules
    assert tried > 100


@pytest.mark.parametrize(
    "toml",
    [
        "[redis]\ntimeot = '5 s'\n",
        "[redis]\ntimeout = 'soon'\n",
        "[redis]\ntimeout = 5\n",
        "[github]\nrepository = 'x'\n",
        "[system]\nmemory = '5 parsec'\n",
        "[fleet.spawn]\ncount = 5\n",
        "[dashboard]\nrequests = 5\n",
        "[thresholds]\n'x.y' = { warm = 5 }\n",
        "[[rules]]\nname = 'x'\nfor = 'long'\n",
        "[[silences]]\nmatch = 'x'\nuntill = 2026-12-01T04:00:00Z\n",
    ],
)
def test_the_schema_and_the_decoder_refuse_the_same(toml: str) -> None:
    decoder = Decoder("flowhealth.toml")
    decoder.table(tomllib.loads(toml))
    content = json.loads(json.dumps(tomllib.loads(toml), default=lambda value: value.isoformat()))

    assert decoder.problems or "spawn" in toml
    assert [*validator().iter_errors(content)]


def test_every_default_is_written_as_it_is_decoded() -> None:
    decoder = Decoder("flowhealth.toml")

    def without_none(value: Any) -> Any:
        if not isinstance(value, dict):
            return value
        return {key: without_none(each) for key, each in value.items() if each is not None}

    decoder.table(without_none(write_value(Configuration(), Configuration)))
    assert decoder.problems == []
    assert build(decoder.values, Configuration) == Configuration()
