"""JSON, JSON with comments and JSON5, against what is right and what is wrong."""

import json
import re
from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_flowhealth.probes.jsonc import Dialect, SyntaxProblem, check

DIALECTS: tuple[Dialect, ...] = ("json", "jsonc", "json5")


def takes(text: str, dialect: Dialect) -> bool:
    try:
        check(text, dialect)
    except SyntaxProblem:
        return False
    return True


@pytest.mark.parametrize(
    ("text", "in_json", "in_jsonc", "in_json5"),
    [
        ("{}", True, True, True), ("0", True, True, True),
        ('{"a": [1, -2.5e+3, true, null, "\\u00e9\\n"]}', True, True, True), ('{"a": 1,}', False, True, True),
        ("[1, 2,]", False, True, True), ('// a\n{"a": /* b */ 1} // c', False, True, True),
        ("{a: 1, $b_2: 'x', null: +.5, c: [0xF, Infinity, -NaN, 5.]}", False, False, True),
        ("'it''s'", False, False, False), ("{'a': 'b\\\nc'}", False, False, True), ("", False, False, False),
        ("// nothing", False, False, False), ("[,]", False, False, False), ("{,}", False, False, False),
        ("[1,,]", False, False, False), ("[1 2]", False, False, False), ('{"a"}', False, False, False),
        ('{"a":}', False, False, False), ('{"a":1', False, False, False), ("[1}", False, False, False),
        ("{}}", False, False, False), ("/* x", False, False, False), ('"x', False, False, False),
        ('"a\nb"', False, False, False), ("01", False, False, False), ("[NaN]", False, False, True),
        ("tru", False, False, False), ("\x00", False, False, False), ("{a:b}", False, False, False),
    ],
)  # fmt: skip
def test_each_dialect_accepts_its_own_syntax_only(
    text: str, in_json: bool, in_jsonc: bool, in_json5: bool
) -> None:
    assert tuple(takes(text, dialect) for dialect in DIALECTS) == (in_json, in_jsonc, in_json5)


@pytest.mark.parametrize("dialect", DIALECTS)
def test_an_error_names_line_and_column_and_quotes_no_string(dialect: Dialect) -> None:
    with pytest.raises(SyntaxProblem, match="line 3, column 3") as caught:
        check('{\n  "a": 1\n  "hunter2": 2\n}', dialect)
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize(
    "text",
    ["[" * 1_000_000, '{"a":' * 200_000, '"' + "\\" * 999_999, "/*" * 500_000, "9" * 100_000 + "x"],
    ids=["brackets", "objects", "string", "comment", "number"],
)
def test_a_megabyte_that_is_made_to_hurt_is_refused(text: str, dialect: Dialect) -> None:
    assert not takes(text, dialect)


@given(st.text() | st.floats(allow_nan=False, allow_infinity=False))
def test_texts_and_numbers_of_json_are_in_every_dialect(value: object) -> None:
    for text in (json.dumps(value), json.dumps(value, ensure_ascii=False)):
        assert all(takes(text, dialect) for dialect in DIALECTS)


@given(st.lists(st.sampled_from([*"{}[],:\n", '"a"', "1", "-0.5e3", "true", "null"]), max_size=8))
def test_json_with_comments_is_json_but_for_the_last_comma(tokens: Iterable[str]) -> None:
    text = " ".join(tokens)
    without = re.sub(r"(?<=[\]}1a\"el3]) ,((?:\s)*[\]}])", r" \1", text)
    assert takes(text, "jsonc") == takes(without, "json")
