"""Which package, which registry: from the configuration, else from npm itself."""

from pathlib import Path
from typing import Any

import pytest

from pytest_flowhealth.config.model import Configuration, Npm
from pytest_flowhealth.config.target import Target
from pytest_flowhealth.errors import CheckFailed, MeasurementUnavailable, NotApplicable
from pytest_flowhealth.probes.registry import settings
from pytest_flowhealth.probes.registry.settings import derived, read_settings, shown
from pytest_flowhealth.probes.registry.transport import downloads_server
from tests.kit.projects import write


@pytest.fixture(autouse=True)
def npm_config(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """Return npm's configuration, instead of asking npm."""
    config: dict[str, Any] = {"registry": "https://registry.npm.example/"}
    monkeypatch.setattr(settings, "_npm_config", lambda _: config)
    return config


def target(root: Path, manifest: dict[str, Any], **npm: Any) -> Target:
    return Target(write(root, **manifest), Configuration(npm=Npm(**npm)))


@pytest.mark.parametrize(
    ("registry", "api"),
    [
        ("https://registry.example.org/", "https://api.example.org/"),
        ("https://Registry.example.org:8443/npm/", "https://api.example.org:8443/"),
        ("http://user:geheim@registry.example.org/", "http://api.example.org/"),
        ("https://npm.registry.example.org/", None),
        ("https://registry.:1/", None),
        ("http://127.0.0.1:4873/", None),
    ],
)
def test_the_downloads_api_is_derived_from_the_registry(registry: str, api: str | None) -> None:
    assert derived(registry) == api


def test_a_shown_address_has_no_user_and_no_query() -> None:
    assert shown("https://a:geheim@registry.example.org/npm/?x=1") == "registry.example.org/npm"


@pytest.mark.parametrize(
    ("manifest", "says"),
    [({"name": "a", "private": True}, "private"), ({"version": "1.0.0"}, "no name")],
)
def test_a_private_or_nameless_package_is_not_applicable_unless_another_is_configured(
    tmp_path: Path, manifest: dict[str, Any], says: str
) -> None:
    with pytest.raises(NotApplicable, match=says):
        read_settings(target(tmp_path, manifest))
    assert read_settings(target(tmp_path, manifest, package="express")).package == "express"


@pytest.mark.parametrize(
    "name", ["../x", "a b", "file:/etc", "-g", "a@latest", "@a", ".x", "a" * 215]
)
def test_an_invalid_name_is_not_given_to_npm(tmp_path: Path, name: str) -> None:
    """To npm it would mean something else."""
    with pytest.raises(CheckFailed, match="must be a package's name"):
        read_settings(target(tmp_path, {"name": name}))


def test_a_missing_package_json_fails(tmp_path: Path) -> None:
    with pytest.raises(CheckFailed, match=r"package\.json"):
        read_settings(Target(tmp_path, Configuration()))


def test_a_registry_without_a_downloads_api_leaves_downloads_unknown(
    tmp_path: Path, npm_config: dict[str, Any]
) -> None:
    npm_config |= {"registry": "http://127.0.0.1:9/all", "@team:registry": "https://team.example/"}
    found = read_settings(target(tmp_path, {"name": "a"}))

    assert found.registry == "http://127.0.0.1:9/all/"
    assert found.downloads is None
    with pytest.raises(
        MeasurementUnavailable, match=r"no downloads API is known for the registry 127"
    ) as caught:
        downloads_server(found)
    assert "downloads" in str(caught.value.remedy)


def test_a_scope_has_its_own_registry(tmp_path: Path, npm_config: dict[str, Any]) -> None:
    npm_config["@team:registry"] = "https://registry.team.example/npm/"
    found = read_settings(target(tmp_path, {"name": "@team/a"}))

    assert (found.registry, found.scope) == ("https://registry.team.example/npm/", "@team")
    assert found.downloads == "https://api.team.example/"


@pytest.mark.parametrize("address", [None, "file:///etc", 7])
def test_without_a_registry_it_is_unknown(
    tmp_path: Path, npm_config: dict[str, Any], address: object
) -> None:
    npm_config["registry"] = address
    with pytest.raises(MeasurementUnavailable, match="names no registry"):
        read_settings(target(tmp_path, {"name": "a"}))


def test_the_configuration_goes_before_npm(tmp_path: Path) -> None:
    there = target(
        tmp_path,
        {"name": "a"},
        registry="https://u:geheim@registry.example.org",
        downloads="https://numbers.example.org/api",
    )

    found = read_settings(there)

    assert found.registry == "https://registry.example.org/"
    assert found.configured
    assert downloads_server(found).address == "https://numbers.example.org/api/"
    assert found.credential
    assert "geheim" not in repr(found)
    assert found.credential.header not in repr(found)
