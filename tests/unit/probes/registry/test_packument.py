"""What the registry's document of a package amounts to."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest

from pytest_flowhealth.errors import ProbeError, Unmeasured
from pytest_flowhealth.probes.registry.client import Client
from pytest_flowhealth.probes.registry.packument import Release, is_older, read_release
from pytest_flowhealth.probes.registry.store import Store
from pytest_flowhealth.probes.registry.transport import Server
from tests.probes.registry.scripted import Scripted, Told

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


def asked(*told: Told, package: str = "@slack/client") -> tuple[Release, Scripted]:
    with Scripted(list(told)) as server:
        client = Client(Server("the registry", server.url), Store(None), seconds=1)
        return read_release(client, package)[0], server


def document(**changes: Any) -> Told:
    return Told(body=msgspec.json.encode(DOCUMENT | changes))


def test_release() -> None:
    found, server = asked(document())

    assert server.asked[0].path == "/@slack%2Fclient"
    assert (found.latest, found.tags["next"]) == ("2.0.0", "3.0.0-beta.1")
    assert len(found.versions) == 5
    assert found.deprecated == {"1.0.0": "use 2"}
    assert found.created == datetime(2020, 1, 2, 3, 4, 5, tzinfo=UTC)
    assert found.released == datetime(2026, 1, 1, tzinfo=UTC)
    assert (found.signatures, found.provenance, found.integrity) == (1, True, True)


def test_bare_document() -> None:
    """A mirror may tell nothing but versions."""
    found, _ = asked(document(name=None, time={}, versions={"2.0.0": {}}))

    assert (found.created, found.released) == (None, None)
    assert (found.signatures, found.provenance, found.integrity) == (0, False, False)


def test_created_by_the_oldest_version() -> None:
    times = dict.fromkeys(DOCUMENT["versions"], "2026-01-01T00:00:00Z")
    found, _ = asked(document(time=times | {"1.0.0": "2019-05-05T00:00:00Z"}))

    assert found.created == datetime(2019, 5, 5, tzinfo=UTC)


@pytest.mark.parametrize(
    ("told", "says"),
    [
        (Told(404, b'{"error": "Not found"}'), "@slack/client is not published"),
        (document(versions={}), "every version of @slack/client was unpublished"),
        (document(**{"dist-tags": {}}), "no dist-tag `latest`"),
        (document(**{"dist-tags": {"latest": "9.9.9"}}), "9.9.9 as `latest`, which is not there"),
    ],
)
def test_not_as_it_must_be(told: Told, says: str) -> None:
    with pytest.raises(ProbeError, match=says) as caught:
        asked(told)
    assert caught.value.remedy


@pytest.mark.parametrize(
    "told",
    [
        document(name="express"),
        document(versions=[]),
        document(versions={"2.0.0": 5}),
        document(**{"dist-tags": {"latest": 2}}),
        document(time=None),
        Told(body=b"null"),
        Told(405),
    ],
)
def test_no_document(told: Told) -> None:
    with pytest.raises(Unmeasured):
        asked(told)


@pytest.mark.parametrize("odd", [7, None, "yesterday", "2026-13-01", ["2026"], "0000-00-00"])
def test_odd_dates(odd: object) -> None:
    found, _ = asked(document(time={"created": odd, "2.0.0": odd}))

    assert (found.created, found.released) == (None, None)


@pytest.mark.parametrize(
    ("version", "other", "older"),
    [
        ("1.0.0", "1.0.1", True),
        ("1.0.1", "1.0.0", False),
        ("1.0.0", "1.0.0", False),
        ("2.0.0-beta.1", "2.0.0", True),
        ("2.0.0", "2.0.0-beta.1", False),
        ("2.0.0-beta.1", "2.0.0-beta.2", True),
        ("2.0.0-beta.1", "1.9.9", False),
        ("1.9.9", "2.0.0-beta.1", True),
        ("9.0.0", "10.0.0", True),
        ("nonsense", "1.0.0", False),
    ],
)
def test_is_older(version: str, other: str, *, older: bool) -> None:
    assert is_older(version, other) is older
