"""Addresses that reports are sent to."""

import pytest

from pytest_flowhealth.errors import UsageError
from pytest_flowhealth.install_reports.sender import ReportReceiver, parse_receiver


@pytest.mark.parametrize(
    "address",
    [
        *("", "nonsense", "https://", "https://[", "http://health.example.org"),
        *("https://user:secretpw@a", "https://a/?token=secretpw", "http://127.0.0.1.evil.example"),
    ],
)
def test_an_unusable_address_is_a_usage_error_that_does_not_show_it(address: str) -> None:
    with pytest.raises(UsageError, match="--health-submit") as caught:
        parse_receiver(address, "--health-submit")
    assert "secretpw" not in str(caught.value)


@pytest.mark.parametrize(
    ("address", "name", "url"),
    [
        ("https://a.example/", "https://a.example", "https://a.example/api/reports"),
        ("https://a.example/own/path", "https://a.example", "https://a.example/own/path"),
        ("http://localhost:3001", "http://localhost:3001", "http://localhost:3001/api/reports"),
    ],
)
def test_an_address_without_a_path_is_a_monitors_page(address: str, name: str, url: str) -> None:
    assert parse_receiver(address, "--health-submit") == ReportReceiver(name, url)
