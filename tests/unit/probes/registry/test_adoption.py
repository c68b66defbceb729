"""Shares of downloads by version."""

import pytest

from pytest_flowhealth.errors import NotApplicable
from pytest_flowhealth.probes.registry.adoption import compute_adoption, exposed_share
from pytest_flowhealth.probes.registry.package_registry import Advisory, Release

RELEASE = Release(
    name="express",
    registry="registry.example",
    latest="2.1.0",
    tags={"latest": "2.1.0"},
    versions=["1.0.0", "2.0.0", "2.1.0"],
    deprecated={"1.0.0": "old"},
    created=None,
    released=None,
    signatures=0,
    provenance=False,
    integrity=True,
)


def test_adoption_is_the_share_of_downloads_by_version_if_there_are_any() -> None:
    counts = {"1.0.0": 10, "2.0.0": 30, "2.1.0": 50, "0.9.0": 10}

    found = compute_adoption(counts, RELEASE)

    assert found.total == 100
    assert (found.latest, found.major, found.deprecated, found.gone) == (50, 80, 10, 10)
    assert list(found.top) == ["2.1.0", "2.0.0", "1.0.0", "0.9.0"]
    odd = compute_adoption({"next": 5, "2.1.0": 5}, RELEASE)
    assert (odd.major, odd.gone) == (50, 50)
    for counts in ({}, {"2.1.0": 0}):
        with pytest.raises(NotApplicable, match="nobody downloaded it"):
            compute_adoption(counts, RELEASE)


def test_exposure_is_the_share_of_the_versions_that_an_advisory_affects() -> None:
    counts = {"1.0.0": 1, "2.0.0": 1, "2.1.0-beta.1": 1, "2.1.0": 1}
    known = [Advisory("high", "", "<2", ["1.0.0"]), Advisory("low", "", "<=2", ["1.0.0", "2.0.0"])]

    assert exposed_share(counts, known) == 50
    assert exposed_share(counts, []) == 0
