"""Shares of downloads by version."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from pytest_flowhealth.errors import NotApplicable, Unmeasured
from pytest_flowhealth.probes.registry import adoption
from pytest_flowhealth.probes.registry.adoption import Advisory
from pytest_flowhealth.probes.registry.client import Client
from pytest_flowhealth.probes.registry.packument import Release
from pytest_flowhealth.probes.registry.store import Store
from pytest_flowhealth.probes.registry.transport import Server
from tests.probes.registry.scripted import Scripted, Told

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


def client(server: Scripted) -> Client:
    return Client(Server("the registry", server.url), Store(None), seconds=1)


def test_adoption() -> None:
    counts = {"1.0.0": 10, "2.0.0": 30, "2.1.0": 50, "0.9.0": 10}

    found = adoption.adoption(counts, RELEASE)

    assert found.total == 100
    assert (found.latest, found.major, found.deprecated, found.gone) == (50, 80, 10, 10)
    assert list(found.top) == ["2.1.0", "2.0.0", "1.0.0", "0.9.0"]


@pytest.mark.parametrize("counts", [{}, {"2.1.0": 0}])
def test_no_downloads(counts: dict[str, int]) -> None:
    with pytest.raises(NotApplicable, match="nobody downloaded it"):
        adoption.adoption(counts, RELEASE)


def test_versions_that_are_none() -> None:
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
def test_exposed(ranges: tuple[str, ...], share: float) -> None:
    counts = {"1.0.0": 1, "2.0.0": 1, "2.1.0-beta.1": 1, "2.1.0": 1}
    known = [Advisory("high", one) for one in ranges]
    expected = {("<2.1.0",): 75.0, (">=2.0.0 <2.1.0", "<1.0.1"): 75.0}.get(ranges, share)

    assert adoption.exposed(counts, known) == expected


def test_speaking_of() -> None:
    old, new = Advisory("high", "<2.0.0"), Advisory("low", ">=2.0.0")

    assert adoption.speaking_of([old, new], "2.1.0") == (new,)


def test_range_that_is_none() -> None:
    with pytest.raises(Unmeasured, match="can't be compared: all of them"):
        adoption.speaking_of([Advisory("high", "all of them")], "1.0.0")


@pytest.mark.parametrize(
    ("package", "path"),
    [
        ("fastify", "/versions/fastify/last-week"),
        ("@slack/client", "/versions/@slack%2Fclient/last-week"),
    ],
)
def test_question(package: str, path: str) -> None:
    body = msgspec.json.encode({"package": package, "downloads": {"1.0.0": 7}})
    with Scripted([Told(body=body)]) as server:
        counts, _ = adoption.read_versions(client(server), package)

    assert counts == {"1.0.0": 7}
    assert server.asked[0].path.replace("%40", "@") == path


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
def test_no_answer(told: Any) -> None:
    with Scripted([Told(body=msgspec.json.encode(told))]) as server, pytest.raises(Unmeasured):
        adoption.read_versions(client(server), "express")


def test_unknown_package() -> None:
    with Scripted([Told(404)]) as server, pytest.raises(Unmeasured, match="by version"):
        adoption.read_versions(client(server), "express")


def test_advisories() -> None:
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
    with Scripted([Told(body=msgspec.json.encode(told))]) as server:
        found = adoption.read_advisories(client(server), "express", ["1.0.0", "2.0.0"])

    assert found == (Advisory("high", "<2", "A fault"),)
    assert server.asked[0].path == "/-/npm/v1/security/advisories/bulk"
    assert server.asked[0].body == b'{"express":["1.0.0","2.0.0"]}'


def test_none_known() -> None:
    with Scripted([Told(body=b"{}")]) as server:
        assert adoption.read_advisories(client(server), "express", ["1.0.0"]) == ()


@pytest.mark.parametrize(
    "told",
    [
        Told(404),
        Told(405),
        Told(body=b"null"),
        Told(body=b"[]"),
        Told(body=b'{"express": {}}'),
        Told(body=b'{"express": [{"severity": "high"}]}'),
        Told(body=b'{"error": "not today"}'),
    ],
)
def test_advisories_are_not_told(told: Told) -> None:
    with Scripted([told]) as server, pytest.raises(Unmeasured, match="asked for advisories"):
        adoption.read_advisories(client(server), "express", ["1.0.0"])
