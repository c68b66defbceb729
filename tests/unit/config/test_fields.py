"""Tables in tables and keys of every type: in the file, in the environment, in the reference."""

from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec
import pytest
from msgspec import Meta

from pytest_flowhealth.config.decode import Decoder, built
from pytest_flowhealth.config.environment import read_environment
from pytest_flowhealth.config.fields import known_fields
from pytest_flowhealth.config.reference import render


class Spawn(msgspec.Struct, frozen=True):
    """How one is started."""

    command: Annotated[tuple[str, ...], Meta(description="The program.")]
    ready: str = "stdout:ready"


class Retry(msgspec.Struct, frozen=True):
    """When to try again."""

    times: int = 3
    wait: Annotated[float, Meta(ge=0, description="Seconds.")] = 0.5


class Fleet(msgspec.Struct, frozen=True):
    """The agents."""

    source: Annotated[Literal["redis", "http"], Meta(description="Where.")] = "redis"
    agents: Annotated[int | None, Meta(description="How many.")] = None
    load: Annotated[float, Meta(description="How much.")] = 0.5
    wanted: Annotated[bool | None, Meta(description="Whether.")] = None
    patterns: Annotated[dict[str, str], Meta(description="Keys.")] = {}
    limits: dict[str, int] = {}
    spawn: Annotated[Spawn | None, Meta(description="How one is started.")] = None
    retry: Retry = Retry(times=7)


class Rule(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An array of tables."""

    name: str


class Root(msgspec.Struct, frozen=True):
    """A whole configuration."""

    checks: tuple[str, ...] = ()
    fleet: Fleet = Fleet()
    rules: Annotated[tuple[Rule, ...], Meta(description="Rules.")] = ()


def decode(raw: dict[str, Any]) -> Decoder:
    decoder = Decoder("file", Root)
    decoder.table(raw)
    return decoder


def environment(**variables: str) -> tuple[Root, list[str]]:
    named = {f"FLOWHEALTH_{name}": text for name, text in variables.items()}
    values, problems = read_environment(named, Root)
    return built(values, Root), problems


def test_a_table_in_a_table_becomes_a_struct_in_a_struct() -> None:
    decoder = decode({"fleet": {"spawn": {"command": ["node"]}, "patterns": {"a": "b:*"}}})

    assert decoder.problems == []
    assert decoder.values["fleet.spawn.command"].source == "file"
    fleet = built(decoder.values, Root).fleet
    assert fleet == Fleet(patterns={"a": "b:*"}, spawn=Spawn(("node",)), retry=Retry(times=7))


def test_nearer_sources_win_key_by_key_and_what_is_not_set_stays() -> None:
    far = decode(
        {"fleet": {"spawn": {"command": ["node"], "ready": "port:1"}, "retry": {"wait": 2}}}
    )
    near, _ = read_environment({"FLOWHEALTH_FLEET_SPAWN_READY": "port:2"}, Root)

    fleet = built(far.values | near, Root).fleet

    assert fleet == Fleet(spawn=Spawn(("node",), "port:2"), retry=Retry(times=7, wait=2))


@pytest.mark.parametrize(
    ("raw", "problem"),
    [
        (
            {"fleet": {"spawn": {"comand": []}}},
            "unknown key 'comand' in [fleet.spawn]; did you mean 'command'?",
        ),
        ({"fleet": {"spawn": 5}}, "[fleet.spawn] must be a table"),
        ({"fleet.spawn": {}}, "unknown key 'fleet.spawn'"),
        ({"fleet": {"spawn": {"ready": 5}}}, "fleet.spawn.ready: Expected 'str', got 'int'"),
        ({"fleet": {"agents": "2"}}, "fleet.agents: Expected 'int | null', got 'str'"),
        ({"fleet": {"load": float("nan")}}, "fleet.load: must be a finite number"),
        ({"fleet": {"retry": {"wait": -1}}}, "fleet.retry.wait: Expected 'float' >= 0"),
        ({"rules": [{"nam": "x"}]}, "rules: Object contains unknown field 'nam'"),
    ],
)
def test_a_problem_is_named_with_the_whole_key(raw: dict[str, Any], problem: str) -> None:
    decoder = decode(raw)
    assert decoder.values == {}
    assert [line for line in decoder.problems if problem in line]


def test_each_type_is_read_from_the_environment() -> None:
    root, problems = environment(
        CHECKS="[ab]*/, x",
        FLEET_SOURCE="http",
        FLEET_AGENTS=" 1_000 ",
        FLEET_LOAD="2.5e-1",
        FLEET_WANTED="No",
        FLEET_PATTERNS="agents = agent:*, keys=a=b",
        FLEET_LIMITS='{"a, b": 1}',
        FLEET_SPAWN_COMMAND='["node", "-e", "f(1, 2)"]',
    )
    assert problems == []
    assert root.checks == ("[ab]*/", "x")
    assert root.fleet == Fleet(
        source="http",
        agents=1_000,
        load=0.25,
        wanted=False,
        patterns={"agents": "agent:*", "keys": "a=b"},
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


def test_the_reference_has_tables_in_tables_and_every_type() -> None:
    text = render(Root)
    for line in (
        "## [fleet.spawn]",
        "How one is started.",
        "| `command` | list of texts |  | The program. | `FLOWHEALTH_FLEET_SPAWN_COMMAND` |",
        '| `source` | `redis` or `http` | `"redis"` | Where. | `FLOWHEALTH_FLEET_SOURCE` |',
        "| `agents` | whole number |  | How many. | `FLOWHEALTH_FLEET_AGENTS` |",
        "| `load` | number | `0.5` | How much. | `FLOWHEALTH_FLEET_LOAD` |",
        "| `wanted` | true or false |  | Whether. | `FLOWHEALTH_FLEET_WANTED` |",
        "| `patterns` | table |  | Keys. | `FLOWHEALTH_FLEET_PATTERNS` |",
        "| `rules` | list of tables | `[]` | Rules. |  |",
    ):
        assert f"{line}\n" in text
    assert "| `spawn` |" not in text


def test_each_key_has_a_variable_of_its_own_and_a_type_that_msgspec_can_read() -> None:
    variables = [field.variable for field in known_fields().values() if field.variable]
    assert len(variables) == len(set(variables))
    for field in known_fields().values():
        # It finds out late: limits belong on the number, not on its union with None.
        msgspec.inspect.type_info(field.type)


def test_the_reference_in_docs_is_up_to_date() -> None:
    written = (Path(__file__).parents[3] / "docs/configuration.md").read_text()

    command = "python -m pytest_flowhealth.config.reference > docs/configuration.md"
    assert written == render(), f"run: {command}"
