"""What the registry's document of a package amounts to."""

from datetime import UTC, datetime
from typing import Any

import pytest

from pytest_flowhealth.errors import CheckFailed, MeasurementUnavailable
from pytest_flowhealth.probes.registry.packument import Release, is_older, read_release
from pytest_flowhealth.probes.registry.transport import Answer
from tests.kit.registry import Replies, reply

DOCUMENT: dict[str, Any] = {
    "name": "@slack/client",
    "dist-tags": {"latest": "2.0.0", "next": "3.0.0-beta.1"},
    "versions": {
        "1.0.0": {"deprecated": "use 2"},
        "1.1.0": {"deprecated": ""},
        "1.2.0": {"deprecated": False},
        "2.0.0": {
            "dist": {
                "integrity": "sha512-x",
                "signatures": [{"keyid": "a", "sig": "b"}],
                "attestations": {"url": "https://example.invalid/", "provenance": {}},
            }
        },
        "3.0.0-beta.1": {"dist": {}},
    },
    "time": {
        "created": "2020-01-02T03:04:05.000Z",
        "modified": "2026-01-01T00:00:00.000Z",
        "2.0.0": "2026-01-01T00:00:00+00:00",
    },
}


def read(answer: Answer) -> Release:
    return read_release(Replies(answer).client(), "@slack/client")[0]


def document(**changes: Any) -> Answer:
    return reply(DOCUMENT | changes)


def test_the_document_is_read() -> None:
    replies = Replies(document())
    found, _ = read_release(replies.client(), "@slack/client")

    assert replies.requests[0].path == "@slack%2Fclient"
    assert (found.latest, found.tags["next"]) == ("2.0.0", "3.0.0-beta.1")
    assert len(found.versions) == 5
    assert found.deprecated == {"1.0.0": "use 2"}
    assert found.created == datetime(2020, 1, 2, 3, 4, 5, tzinfo=UTC)
    assert found.released == datetime(2026, 1, 1, tzinfo=UTC)
    assert (found.signatures, found.provenance, found.integrity) == (1, True, True)


def test_a_document_of_versions_and_dates_only_is_enough() -> None:
    """A mirror may tell nothing else; without a date of creation the oldest version counts."""
    bare = read(document(name=None, time={}, versions={"2.0.0": {}}))
    assert (bare.created, bare.released) == (None, None)
    assert (bare.signatures, bare.provenance, bare.integrity) == (0, False, False)

    times = dict.fromkeys(DOCUMENT["versions"], "2026-01-01T00:00:00Z")
    dated = read(document(time=times | {"1.0.0": "2019-05-05T00:00:00Z"}))
    assert dated.created == datetime(2019, 5, 5, tzinfo=UTC)


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        (reply({"error": "Not found"}, 404), "@slack/client is not published"),
        (document(versions={}), "every version of @slack/client was unpublished"),
        (document(**{"dist-tags": {}}), "no dist-tag `latest`"),
        (document(**{"dist-tags": {"latest": "9.9.9"}}), "9.9.9 as `latest`, which is not there"),
    ],
)
def test_an_unpublished_or_tagless_package_fails(answer: Answer, says: str) -> None:
    with pytest.raises(CheckFailed, match=says) as caught:
        read(answer)
    assert caught.value.remedy


@pytest.mark.parametrize(
    "answer",
    [
        document(name="express"),
        document(versions={"2.0.0": 5}),
        document(**{"dist-tags": {"latest": 2}}),
        document(time=None),
    ],
)
def test_an_invalid_document_is_unknown(answer: Answer) -> None:
    with pytest.raises(MeasurementUnavailable):
        read(answer)


@pytest.mark.parametrize("odd", [7, None, "yesterday", "2026-13-01"])
def test_invalid_dates_are_unknown(odd: object) -> None:
    found = read(document(time={"created": odd, "2.0.0": odd}))

    assert (found.created, found.released) == (None, None)


@pytest.mark.parametrize(
    ("version", "other", "older"),
    [
        ("1.0.0", "1.0.1", True),
        ("1.0.0", "1.0.0", False),
        ("2.0.0-beta.1", "2.0.0", True),
        ("2.0.0-beta.1", "2.0.0-beta.2", True),
        ("1.9.9", "2.0.0-beta.1", True),
        ("9.0.0", "10.0.0", True),
        ("nonsense", "1.0.0", False),
    ],
)
def test_versions_are_compared_as_semver(version: str, other: str, *, older: bool) -> None:
    assert is_older(version, other) is older
