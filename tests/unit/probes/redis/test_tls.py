"""The TLS options of a Redis URL."""

import ssl
from pathlib import Path

import pytest

from pytest_flowhealth.errors import CheckFailed
from pytest_flowhealth.probes.redis.address import parse_address
from pytest_flowhealth.probes.redis.tls import arguments, make_context


@pytest.mark.parametrize(
    ("options", "required", "name_checked"),
    [
        ("", ssl.CERT_REQUIRED, True),
        ("?ssl_cert_reqs=optional", ssl.CERT_OPTIONAL, True),
        ("?ssl_cert_reqs=none", ssl.CERT_NONE, False),
        ("?ssl_check_hostname=false", ssl.CERT_REQUIRED, False),
        ("?ssl_check_hostname=0", ssl.CERT_REQUIRED, False),
    ],
)
def test_the_certificate_and_its_name_are_checked_unless_the_url_says_otherwise(
    options: str, required: ssl.VerifyMode, name_checked: bool
) -> None:
    address = parse_address(f"rediss://h/0{options}")
    context = make_context(address)
    assert context is not None
    assert (context.verify_mode, context.check_hostname) == (required, name_checked)
    assert arguments(address)["ssl_check_hostname"] is name_checked
    assert make_context(parse_address(f"redis://h/0{options}")) is None


@pytest.mark.parametrize(
    "options", ["ssl_ca_certs=/not/there.pem", "ssl_cert_reqs=maybe", "ssl_certfile=no.pem"]
)
def test_options_that_can_not_be_used_are_told(
    options: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "no.pem").write_text("no certificate")
    with pytest.raises(CheckFailed, match=r"ssl_ options of redis\.url can't be used"):
        make_context(parse_address(f"rediss://h/0?{options}", "redis.url"))
