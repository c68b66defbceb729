"""The client of a registry: when it asks again, what it accepts, and that nothing old passes as new."""

import email.utils
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pytest_flowhealth.errors import MeasurementUnavailable
from pytest_flowhealth.probes.registry.client import Client, NotThere
from pytest_flowhealth.probes.registry.downloads import Range
from pytest_flowhealth.probes.registry.npmrc import Credential
from pytest_flowhealth.probes.registry.transport import Again, Answer
from tests.kit.clock import FakeClock
from tests.kit.registry import Replies

START = 1_800_000_000.0
KIND = dict[str, Any]
SECRET = "npm_geheim4711"

MakeClient = Callable[..., Client]


def answer(status: int = 200, body: bytes = b"{}", **headers: str) -> Answer:
    named = {name.replace("_", "-"): text for name, text in headers.items()}
    return Answer(status, named, body)


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock(START)


@pytest.fixture
def make(tmp_path: Path, clock: FakeClock) -> MakeClient:
    """Return a function that makes a client with a store, which gets these answers."""

    def make(replies: Replies, credential: Credential = Credential()) -> Client:  # noqa: B008  # frozen
        return replies.client(clock, tmp_path / "cache", credential)

    return make


def test_an_answer_comes_with_its_date(make: MakeClient) -> None:
    replies = Replies(answer(body=b'{"a": 1}'))
    found, reply = make(replies).get("express", KIND)

    assert found == {"a": 1}
    assert (reply.age, reply.confirmed, reply.attempts) == (0, False, 1)
    assert reply.fetched == "2027-01-15T08:00:00+00:00"
    assert replies.requests[0].path == "express"


@pytest.mark.parametrize(
    "failure",
    [*(answer(status) for status in (429, 500, 502, 503, 504)), Again("broke off its answer")],
)
def test_a_failure_that_may_pass_is_repeated_up_to_four_times_after_growing_pauses(
    make: MakeClient, clock: FakeClock, failure: Any
) -> None:
    found, reply = make(Replies(failure, failure, answer(body=b'{"a": 1}'))).get("x", KIND)

    assert (found, reply.attempts) == ({"a": 1}, 3)
    assert clock.waited == [0.5, 1.0]
    replies = Replies(failure)
    with pytest.raises(MeasurementUnavailable, match=r"\(4 attempts\)"):
        make(replies).post("bulk", {"a": ["1.0.0"]}, KIND)
    assert [request.body for request in replies.requests] == [b'{"a":["1.0.0"]}'] * 4
    assert clock.waited == [0.5, 1.0, 0.5, 1.0, 2.0]


@pytest.mark.parametrize(
    ("status", "retry_after", "wait"),
    [
        (429, "7", 7.0),
        (503, "7", 7.0),
        (429, email.utils.formatdate(START + 9, usegmt=True), 9.0),
        *((429, text, 0.5) for text in ("soon", "-5", "nan", "²", "Thu, 99 Foo 2026")),
    ],
)
def test_retry_after_is_obeyed_if_it_is_valid(
    make: MakeClient, clock: FakeClock, status: int, retry_after: str, wait: float
) -> None:
    make(Replies(answer(status, retry_after=retry_after), answer())).get("x", KIND)

    assert clock.waited == [wait]


def test_a_wait_that_is_too_long_is_not_begun(make: MakeClient, clock: FakeClock) -> None:
    replies = Replies(answer(429, retry_after="3600"))
    with pytest.raises(MeasurementUnavailable, match=r"status 429, and asks to wait 3,600 s$"):
        make(replies).get("x", KIND)

    assert clock.waited == []
    assert len(replies.requests) == 1


@pytest.mark.parametrize(
    ("status", "error", "says"),
    [
        (404, NotThere, "registry"),
        *(
            (status, MeasurementUnavailable, f"status {status}")
            for status in (400, 405, 410, 204, 304)
        ),
        *(
            (status, MeasurementUnavailable, f"status {status}: it does not let us in")
            for status in (401, 403)
        ),
    ],
)
def test_any_other_status_is_an_error_at_once(
    make: MakeClient, status: int, error: type[Exception], says: str
) -> None:
    replies = Replies(answer(status, b""))
    with pytest.raises(error, match=says) as caught:
        make(replies).get("x", KIND)
    assert len(replies.requests) == 1
    assert ("npm login" in str(getattr(caught.value, "remedy", ""))) == (status in (401, 403))


DAYS = b'{"package": "x", "downloads": %b}'


@pytest.mark.parametrize(
    ("body", "says"),
    [
        (b"<!doctype html>", "no JSON"),
        (b"", "no JSON that can be read \\(0 bytes"),
        (b'{"package": ' + b"[" * 200_000, "no JSON|not as documented"),
        (b"null", "not as documented"),
        (b'{"package": "x"}', "missing required field 'downloads'"),
        (DAYS % b"5", "Expected 'array', got 'int'"),
        (DAYS % b'[{"day": "2026-01-01", "downloads": NaN}]', "no JSON"),
        (DAYS % b'[{"day": "2026-01-01", "downloads": "7"}]', "'int'"),
        (DAYS % b'[{"day": "2026-01-01", "downloads": -7}]', ">= 0"),
        (DAYS % b'[{"day": "2026-01-01", "downloads": 1.5}]', "'int'"),
        (
            DAYS % (b'[{"day": "2026-01-01", "downloads": 1%b}]' % (b"0" * 400)),
            "not as documented|no JSON",
        ),
        (DAYS % b'[{"day": "2026-02-30", "downloads": 7}]', "date"),
    ],
    ids=range(12),
)
def test_an_answer_that_is_not_as_documented_is_unknown(
    make: MakeClient, body: bytes, says: str
) -> None:
    with pytest.raises(MeasurementUnavailable, match=says):
        make(Replies(answer(body=body))).get("x", Range)


def test_a_stored_answer_is_used_if_the_server_confirms_it(
    make: MakeClient, clock: FakeClock
) -> None:
    replies = Replies(
        answer(body=b"<html>", etag='"v0"'),  # garbage is not stored
        answer(body=b'{"a": 1}', etag='"v1"'),
        answer(304),
        answer(body=b'{"a": 2}', etag='"v2"'),  # a newer answer takes its place
        answer(304),
    )
    client = make(replies)
    with pytest.raises(MeasurementUnavailable):
        client.get("x", KIND)
    client.get("x", KIND)
    clock.sleep(3_600)
    found, reply = client.get("x", KIND)

    assert found == {"a": 1}
    assert (reply.age, reply.confirmed) == (3_600, True)
    assert reply.fetched == "2027-01-15T08:00:00+00:00"
    assert [client.get("x", KIND)[0] for _ in range(2)] == [{"a": 2}, {"a": 2}]
    assert [request.etag for request in replies.requests] == [None, None, '"v1"', '"v1"', '"v2"']


@pytest.mark.parametrize(
    "failure",
    [answer(500), answer(405), answer(body=b"<html>"), Again("broke off its answer")],
)
def test_a_stored_answer_is_not_used_after_a_failure(
    make: MakeClient, clock: FakeClock, failure: Any
) -> None:
    client = make(Replies(answer(body=b'{"a": 1}', etag='"v1"'), failure))
    client.get("x", KIND)
    clock.sleep(7_200)
    with pytest.raises(MeasurementUnavailable) as caught:
        client.get("x", KIND)
    if not (isinstance(failure, Answer) and failure.status == 200):
        assert "2 h old, is not passed off as new" in str(caught.value)


def test_a_credential_is_neither_shown_nor_stored(make: MakeClient, tmp_path: Path) -> None:
    credential = Credential(f"Bearer {SECRET}", "//127.0.0.1/")
    client = make(Replies(answer(etag='"v1"'), answer(401)), credential)
    _, reply = client.get("x", KIND)
    with pytest.raises(MeasurementUnavailable) as caught:
        client.get("x", KIND)

    assert SECRET not in f"{client.server!r}{reply!r}{caught.value!r}{caught.value.remedy}"
    stored = list((tmp_path / "cache").iterdir())
    assert stored
    for path in stored:
        assert SECRET.encode() not in path.read_bytes()
        assert path.stat().st_mode & 0o077 == 0


def test_all_attempts_together_keep_the_time_limit(make: MakeClient, clock: FakeClock) -> None:
    def slow(seconds: float) -> Again:
        clock.sleep(seconds)
        return Again("gave no whole answer in time")

    replies = Replies(slow)
    with pytest.raises(MeasurementUnavailable, match=r"gave no whole answer in time$"):
        make(replies).get("x", KIND)
    assert len(replies.requests) == 1
