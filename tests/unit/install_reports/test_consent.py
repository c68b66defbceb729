"""Consent to send reports: for one receiver, remembered, and withdrawn at any time."""

import json
from pathlib import Path

import pytest

from pytest_flowhealth.install_reports.consent import find_consent, remember, withdraw


@pytest.mark.parametrize(
    ("environ", "consent"),
    [
        ({}, "unknown"),
        ({"FLOWHEALTH_SUBMIT": "yes"}, "yes"),
        ({"FLOWHEALTH_SUBMIT": "no"}, "no"),
        ({"FLOWHEALTH_SUBMIT": "perhaps"}, "unknown"),
        ({"DO_NOT_TRACK": "1", "FLOWHEALTH_SUBMIT": "yes"}, "forbidden"),
        ({"DO_NOT_TRACK": "0", "FLOWHEALTH_SUBMIT": "yes"}, "yes"),
    ],
)
def test_the_environment_gives_or_forbids_consent(environ: dict[str, str], consent: str) -> None:
    assert find_consent("https://a", environ) == consent


def test_consent_is_for_one_receiver_until_it_is_withdrawn(tmp_path: Path) -> None:
    environ = {"XDG_CONFIG_HOME": str(tmp_path)}
    remember("https://a", environ, agreed=True)
    remember("https://b", environ, agreed=False)
    found = [
        find_consent(receiver, environ) for receiver in ("https://a", "https://b", "https://c")
    ]
    assert found == ["yes", "no", "unknown"]
    path = tmp_path / "pytest-flowhealth/consent.json"
    assert json.loads(path.read_text()) == {"receivers": {"https://a": True, "https://b": False}}
    assert path.stat().st_mode & 0o777 == 0o600

    assert withdraw(environ) == ["https://a"]
    assert find_consent("https://a", environ) == "unknown"


def test_an_unreadable_or_missing_file_is_no_consent(tmp_path: Path) -> None:
    environ = {"XDG_CONFIG_HOME": str(tmp_path)}
    remember("https://a", environ, agreed=True)
    (tmp_path / "pytest-flowhealth/consent.json").write_text("garbage")
    assert find_consent("https://a", environ) == "unknown"
    assert withdraw(environ) == []
    assert not remember("https://a", {}, agreed=True)
