"""Values of records that anyone may have written."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_flowhealth.probes.fleet.parsing import LARGEST, ProblemNotes, RecordParser

NOW = 1_790_000_000.0

HOSTILE = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20) | st.binary(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
)


@settings(max_examples=50)
@given(HOSTILE)
def test_any_value_is_taken_or_left_out(value: object) -> None:
    notes = ProblemNotes()
    take = RecordParser(NOW, notes)
    number = take.number(value, "n")
    assert number is None or 0 <= number <= LARGEST
    count = take.count(value, "c")
    assert count is None or count >= 0
    moment = take.moment(value, "m")
    assert moment is None or 9e8 < moment <= NOW + 86_400
    text = take.text(value, "t")
    assert text is None or (text.isprintable() and len(text) < 300)
    take.state(value, "s")
    take.share(value, "p")


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (1_789_999_999, 1_789_999_999.0),
        (1_789_999_999_500, 1_789_999_999.5),
        ("1789999999250", 1_789_999_999.25),
        ("2026-09-21T16:53:19Z", 1_790_009_599.0),
        ("2026-09-21T16:53:19.250", 1_790_009_599.25),
        (0, None),
        ("", None),
        (-5, None),
        ("yesterday", None),
        (True, None),
        (1e300, None),
    ],
)
def test_a_moment_is_read_in_s_in_ms_and_as_iso_8601(value: object, expected: float | None) -> None:
    assert RecordParser(NOW + 10_000, ProblemNotes()).moment(value, "m") == expected


@pytest.mark.parametrize("text", [b"", b"{", b"\xff", b"NaN", b"[" * 100_000, b'{"a": 1e999}'])
def test_what_is_no_json_object_is_told(text: bytes) -> None:
    notes = ProblemNotes()
    assert RecordParser(NOW, notes).table(text, "it") is None
    assert len(notes.list_problems()) == 1


def test_of_many_problems_ten_are_named_and_the_others_counted() -> None:
    notes = ProblemNotes()
    for number in range(1_000):
        notes.add(f"bad {number}\x1b[31m")
    assert len(notes.list_problems()) == 11
    assert notes.list_problems()[-1] == "and 990 more"
    assert "\x1b" not in "".join(notes.list_problems())
