"""How npm is called to install a package: its arguments, its environment, and what its end means."""

import json
from collections.abc import Sequence
from typing import Any

import pytest

from pytest_flowhealth.errors import MeasurementUnavailable
from pytest_flowhealth.probes import command
from pytest_flowhealth.probes.command import Completed
from pytest_flowhealth.probes.registry.install import install_published
from pytest_flowhealth.probes.registry.npmrc import Credential
from pytest_flowhealth.probes.registry.settings import Settings

ETARGET = json.dumps({"error": {"code": "ETARGET", "summary": "No matching version found for a."}})
CREDENTIAL = Credential("Bearer abc", "//registry.example/")


class Npm:
    """Takes the place of `command.run`, records the call, and ends as it is set to."""

    def __init__(self) -> None:
        self.returncode = 1
        self.error: Exception | None = None
        self.argv: Sequence[str] = ()
        self.env: dict[str, str] = {}

    def run(self, argv: Sequence[str], *, env: dict[str, str], **_: Any) -> Completed:
        self.argv, self.env = argv, env
        if self.error:
            raise self.error
        return Completed(tuple(argv), self.returncode, ETARGET, "npm error a fault", 1.0)


@pytest.fixture
def npm(monkeypatch: pytest.MonkeyPatch) -> Npm:
    npm = Npm()
    monkeypatch.setattr(command, "run", npm.run)
    return npm


def settings(package: str = "a", **named: Any) -> Settings:
    return Settings(package, "https://registry.example/", None, CREDENTIAL, **named)


def test_the_latest_version_is_installed_from_the_registry(npm: Npm) -> None:
    found = install_published(settings())
    assert not found.works
    assert found.failure is not None
    assert "--registry=https://registry.example/" in npm.argv
    assert [*npm.argv[-2:]] == ["--", "a@latest"]
    assert "--ignore-scripts" not in npm.argv


def test_a_scoped_package_has_the_registry_of_its_scope_only(npm: Npm) -> None:
    install_published(settings("@team/a"), scripts=False)
    assert "--ignore-scripts" in npm.argv
    assert "--@team:registry=https://registry.example/" in npm.argv
    assert not [word for word in npm.argv if word.startswith("--registry")]
    install_published(settings("@team/a", configured=True))
    assert "--registry=https://registry.example/" in npm.argv


def test_npm_sees_the_credential_and_no_other_secret(
    npm: Npm, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("REDIS_PASSWORD", "FLOWHEALTH_ANYTHING", "GITHUB_TOKEN"):
        monkeypatch.setenv(name, "geheim")
    monkeypatch.setenv("HOME", "/home/somebody")
    install_published(settings())
    assert "geheim" not in npm.env.values()
    assert npm.env["HOME"] != "/home/somebody"
    assert npm.env["npm_config_//registry.example/:_authToken"] == "abc"


@pytest.mark.parametrize(("returncode", "number"), [(-9, 9), (143, 15)])
def test_an_npm_that_was_ended_by_a_signal_is_unknown(
    npm: Npm, returncode: int, number: int
) -> None:
    npm.returncode = returncode
    with pytest.raises(MeasurementUnavailable, match=f"was ended by signal {number}$"):
        install_published(settings())


def test_an_npm_that_takes_too_long_is_unknown(npm: Npm) -> None:
    npm.error = MeasurementUnavailable("late")
    with pytest.raises(MeasurementUnavailable, match=r"`.* a@latest` did not end within 2 s"):
        install_published(settings(), seconds=2)


def test_an_npm_that_leaves_no_package_is_unknown(npm: Npm) -> None:
    npm.returncode = 0
    with pytest.raises(MeasurementUnavailable, match="npm installed a@latest, and left no a"):
        install_published(settings())
