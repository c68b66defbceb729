"""More real installations: well-known packages, npm's other errors, and other ends of a run."""

import signal
from pathlib import Path
from typing import Any

import pytest

from pytest_flowhealth.errors import MeasurementUnavailable
from tests.integration.registry import test_install, test_npm_component
from tests.integration.registry.test_install import packed, published
from tests.integration.registry.test_npm_component import interrupt
from tests.kit.registry import RegistryFront, package_document

pytestmark = test_install.pytestmark
temporary, project = test_install.temporary, test_npm_component.project


def test_express_works(tmp_path: Path) -> None:
    found = published(tmp_path / "app", "express")

    assert found.works, found
    assert found.package.startswith("express@")
    assert found.packages > 30
    assert found.size > 500_000


def test_a_release_with_a_missing_dependency_is_explained(tmp_path: Path) -> None:
    """The first target's release asks for what no registry has."""
    found = published(tmp_path / "app", "claude-flow-novice")

    assert found.failure is not None
    assert found.package == found.failure.asked_by == "claude-flow-novice@2.21.0"
    assert found.failure.dependency == "cerebras@^1.0.0"


@pytest.mark.parametrize(
    ("fields", "why"),
    [
        (
            {"dependencies": {"ms": "^99.0.0"}},
            "ms@^99.0.0 has no version in that range; mine@1.2.3 asks for it",
        ),
        ({"os": ["plan9"]}, "mine@1.2.3 is not made for this system"),
    ],
)
def test_a_missing_version_and_another_platform_are_explained(
    tmp_path: Path, fields: dict[str, Any], why: str
) -> None:
    found = packed(tmp_path / "app", {"index.js": ""}, **fields)

    assert found.failure is not None
    assert why in found.failure.why


def test_peers_that_disagree_are_explained(tmp_path: Path) -> None:
    documents = {name: package_document(name) for name in ("outer", "first", "second", "peer")}
    versions = documents["peer"]["versions"]
    versions["2.0.0"] = versions["1.0.0"] | {"version": "2.0.0"}
    for name, peers in (
        ("outer", {"first": "1.0.0", "second": "1.0.0"}),
        ("first", {"peer": "1.0.0"}),
        ("second", {"peer": "2.0.0"}),
    ):
        documents[name]["versions"]["1.0.0"]["peerDependencies"] = peers
    with RegistryFront(documents=documents) as front:
        found = published(tmp_path / "app", "outer", front.url)

    assert found.failure is not None
    assert "can't be had together" in found.failure.why


@pytest.mark.parametrize("get", ["500", "nothing"])
def test_a_registry_that_does_not_answer_is_unknown(tmp_path: Path, get: str) -> None:
    with (
        RegistryFront(get=get) as front,
        pytest.raises(MeasurementUnavailable, match="could not be done"),
    ):
        published(tmp_path / "app", "express", front.url)
    with pytest.raises(MeasurementUnavailable, match="could not be done: ECONNREFUSED"):
        published(tmp_path / "app", "express", "http://127.0.0.1:1/")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_an_ended_run_leaves_no_process_and_no_file(
    project: Path, tmp_path_factory: pytest.TempPathFactory, number: int
) -> None:
    interrupt(project, tmp_path_factory.mktemp("ended"), number)
