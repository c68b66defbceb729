"""Scripts are added to package.json; every byte that was there stays."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_flowhealth.errors import UsageError
from pytest_flowhealth.scaffold.package_scripts import add_scripts

OURS = {"monitor:a": "pytest --health", "monitor:b": "pytest --health --health-all"}


def added(text: str) -> str:
    return add_scripts(text, OURS).text


CASES = {
    "two spaces": (
        '{\n  "name": "a",\n  "scripts": {\n    "test": "t"\n  },\n  "z": 1\n}\n',
        '{\n  "name": "a",\n  "scripts": {\n    "test": "t",\n    "monitor:a": "pytest --health",\n'
        '    "monitor:b": "pytest --health --health-all"\n  },\n  "z": 1\n}\n',
    ),
    "tabs, no scripts, no final newline": (
        '{\n\t"name": "a"\n}',
        '{\n\t"name": "a",\n\t"scripts": {\n\t\t"monitor:a": "pytest --health",\n'
        '\t\t"monitor:b": "pytest --health --health-all"\n\t}\n}',
    ),
    "empty scripts": (
        '{\n    "scripts": {},\n    "b": 1\n}\n',
        '{\n    "scripts": {\n        "monitor:a": "pytest --health",\n'
        '        "monitor:b": "pytest --health --health-all"\n    },\n    "b": 1\n}\n',
    ),
    "one line, tight": (
        '{"name":"a","scripts":{"t":"x"}}',
        '{"name":"a","scripts":{"t":"x","monitor:a":"pytest --health",'
        '"monitor:b":"pytest --health --health-all"}}',
    ),
    "one line, loose": (
        '{ "name": "a" }',
        '{ "name": "a", "scripts": {"monitor:a": "pytest --health", '
        '"monitor:b": "pytest --health --health-all"} }',
    ),
    "comma first": (
        '{ "name": "a"\n, "scripts":\n  { "x": "y"\n  , "z": "w"\n  }\n}\n',
        '{ "name": "a"\n, "scripts":\n  { "x": "y"\n  , "z": "w"\n  , "monitor:a": "pytest --health"\n'
        '  , "monitor:b": "pytest --health --health-all"\n  }\n}\n',
    ),
    "nothing": (
        "{}",
        '{"scripts": {"monitor:a": "pytest --health", "monitor:b": "pytest --health --health-all"}}',
    ),
}


@pytest.mark.parametrize(("before", "after"), CASES.values(), ids=CASES)
def test_scripts_are_added_in_the_style_of_the_file(before: str, after: str) -> None:
    assert added(before) == after


def test_scripts_are_added_to_the_object_that_json_uses() -> None:
    text = '{"scripts": {"a": "1"}, "scr\\u0069pts": {"b": "2"}, "x": {"scripts": {}}, "y": "\\"scripts\\": {"}'

    assert json.loads(added(text)) == {
        "scripts": {"b": "2", **OURS},
        "x": {"scripts": {}},
        "y": '"scripts": {',
    }
    assert '"a": "1"}' in added(text)


def test_an_existing_script_is_kept() -> None:
    text = '{"scripts": {"monitor:a": "mine"}}'
    done = add_scripts(text, OURS)

    assert done.conflicts == {"monitor:a": "mine"}
    again = add_scripts(done.text, OURS)
    assert (again.text, again.names) == (done.text, ())
    assert done.names == ("monitor:b",)
    assert json.loads(done.text)["scripts"]["monitor:a"] == "mine"


@pytest.mark.parametrize(
    "text", ["", "[]", "{", '{"scripts": null}', '{"scripts": {"a": 1}}', "[" * 5000]
)
def test_an_unusable_package_json_is_a_usage_error(text: str) -> None:
    with pytest.raises(UsageError):
        added(text)


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@settings(max_examples=60, deadline=None)
@given(
    others=st.dictionaries(st.text(), VALUES, max_size=5),
    scripts=st.none() | st.dictionaries(st.text(), st.text(), max_size=3),
    indent=st.sampled_from([None, 0, 1, 2, 4, "\t"]),
    separators=st.sampled_from([(",", ":"), (", ", ": "), (" , ", " : ")]),
    newline=st.sampled_from(["\n", "\r\n", "\r"]),
    escaped=st.booleans(),
    ends=st.tuples(st.sampled_from(["", "\n", "  "]), st.sampled_from(["", "\n", " \n\n"])),
)
def test_every_byte_that_was_there_stays(
    others: dict[str, Any],
    scripts: dict[str, str] | None,
    indent: Any,
    separators: tuple[str, str],
    newline: str,
    escaped: bool,
    ends: tuple[str, str],
) -> None:
    others.pop("scripts", None)
    raw = others if scripts is None else {**others, "scripts": scripts}
    text = json.dumps(raw, indent=indent, separators=separators, ensure_ascii=escaped)
    text = ends[0] + text.replace("\n", newline) + ends[1]

    after = added(text)

    assert json.loads(after) == {**raw, "scripts": {**raw.get("scripts", {}), **OURS}}
    assert list(json.loads(after)["scripts"])[-2:] == list(OURS)
    grown = len(after) - len(text)
    assert any(after[:at] + after[at + grown :] == text for at in range(len(text) + 1))
