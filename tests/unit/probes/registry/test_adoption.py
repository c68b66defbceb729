"""Shares of downloads by version."""

from __future__ import annotations

from typing import Any

import pytest

from pytest_flowhealth.errors import MeasurementUnavailable, NotApplicable
from pytest_flowhealth.probes.registry import adoption
from pytest_flowhealth.probes.registry.adoption import Advisory
from pytest_flowhealth.probes.registry.packument import Release
from pytest_flowhealth.probes.registry.transport import Answer
from tests.kit.registry import Replies, reply

RELEASE = Release(
    name="express",
    latest="2.1.0",
    tags={"latest": "2.1.0"},
    versions=("1.0.0", "2.0.0", "2.1.0"),
    deprecated={"1.0.0": "old"},
    created=None,
    released=None,
    signatures=0,
    provenance=False,
    integrity=True,
)


def test_adoption_is_the_share_of_downloads_by_version() -> None:
    counts = {"1.0.0": 10, "2.0.0": 30, "2.1.0": 50, "0.9.0": 10}

    found = adoption.adoption(counts, RELEASE)

    assert found.total == 100
    assert (found.latest, found.major, found.deprecated, found.gone) == (50, 80, 10, 10)
    assert list(found.top) == ["2.1.0", "2.0.0", "1.0.0", "0.9.0"]


@pytest.mark.parametrize("counts", [{}, {"2.1.0": 0}])
def test_without_downloads_there_is_no_adoption(counts: dict[str, int]) -> None:
    with pytest.raises(NotApplicable, match="nobody downloaded it"):
        adoption.adoption(counts, RELEASE)


def test_an_unknown_version_is_counted_as_unpublished() -> None:
    found = adoption.adoption({"next": 5, "2.1.0": 5}, RELEASE)

    assert (found.major, found.gone) == (50, 50)


@pytest.mark.parametrize(
    ("ranges", "share"),
    [
        (("<2.0.0",), 25),
        (("<2.1.0",), 50),
        ((">=2.0.0 <2.1.0", "<1.0.1"), 50),
        (("*",), 100),
        (("<0.1.0",), 0),
        (("=2.1.0-beta.1",), 25),
        (("<2.1.0-beta.2",), 75),
        ((), 0),
    ],
)
def test_exposure_is_the_share_of_vulnerable_versions(
    ranges: tuple[str, ...], share: float
) -> None:
    counts = {"1.0.0": 1, "2.0.0": 1, "2.1.0-beta.1": 1, "2.1.0": 1}
    known = [Advisory("high", one) for one in ranges]
    expected = {("<2.1.0",): 75.0, (">=2.0.0 <2.1.0", "<1.0.1"): 75.0}.get(ranges, share)

    assert adoption.exposed(counts, known) == expected


def test_an_advisory_speaks_of_the_versions_in_its_range() -> None:
    old, new = Advisory("high", "<2.0.0"), Advisory("low", ">=2.0.0")

    assert adoption.speaking_of([old, new], "2.1.0") == (new,)


def test_an_invalid_range_is_unknown() -> None:
    with pytest.raises(MeasurementUnavailable, match="can't be compared: all of them"):
        adoption.speaking_of([Advisory("high", "all of them")], "1.0.0")


@pytest.mark.parametrize(
    ("package", "path"),
    [
        ("fastify", "versions/fastify/last-week"),
        ("@slack/client", "versions/@slack%2Fclient/last-week"),
    ],
)
def test_the_request_has_the_scope_with_an_encoded_slash(package: str, path: str) -> None:
    replies = Replies(reply({"package": package, "downloads": {"1.0.0": 7}}))
    counts, _ = adoption.read_versions(replies.client(), package)

    assert counts == {"1.0.0": 7}
    assert replies.requests[0].path.replace("%40", "@") == path


@pytest.mark.parametrize(
    "told",
    [
        {"package": "koa", "downloads": {}},
        {"package": "express", "downloads": []},
        {"package": "express", "downloads": {"1.0.0": -1}},
        {"package": "express", "downloads": {"1.0.0": "7"}},
        {"package": "express", "downloads": {"1.0.0": None}},
        {"package": "express", "downloads": {"1.0.0": 1e300}},
        {"package": "express"},
        {"error": "package express not found"},
        [],
    ],
)
def test_an_invalid_answer_is_unknown(told: Any) -> None:
    with pytest.raises(MeasurementUnavailable):
        adoption.read_versions(Replies(reply(told)).client(), "express")


def test_a_package_without_figures_is_unknown() -> None:
    with pytest.raises(MeasurementUnavailable, match="by version"):
        adoption.read_versions(Replies(reply({}, 404)).client(), "express")


def test_advisories_are_asked_for_by_version() -> None:
    told = {
        "express": [
            {
                "id": 1,
                "severity": "high",
                "title": "A fault",
                "vulnerable_versions": "<2",
                "cwe": [],
            }
        ]
    }
    replies = Replies(reply(told))
    found = adoption.read_advisories(replies.client(), "express", ["1.0.0", "2.0.0"])

    assert found == (Advisory("high", "<2", "A fault"),)
    assert replies.requests[0].path == "-/npm/v1/security/advisories/bulk"
    assert replies.requests[0].body == b'{"express":["1.0.0","2.0.0"]}'


def test_an_empty_answer_means_no_advisory() -> None:
    assert adoption.read_advisories(Replies(reply({})).client(), "express", ["1.0.0"]) == ()


@pytest.mark.parametrize(
    "answer",
    [
        reply({}, 404),
        reply({}, 405),
        reply(b"null"),
        reply(b"[]"),
        reply(b'{"express": {}}'),
        reply(b'{"express": [{"severity": "high"}]}'),
        reply(b'{"error": "not today"}'),
    ],
)
def test_an_answer_without_advisories_is_unknown(answer: Answer) -> None:
    with pytest.raises(MeasurementUnavailable, match="asked for advisories"):
        adoption.read_advisories(Replies(answer).client(), "express", ["1.0.0"])
