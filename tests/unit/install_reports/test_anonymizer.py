"""Networks that stand for senders: cut, salted, and unknown the next day."""

import pytest

from pytest_flowhealth.install_reports.anonymizer import DAY, NetworkAnonymizer, truncate_address


@pytest.mark.parametrize(
    ("address", "found"),
    [
        ("203.0.113.77", "203.0.113.0/24"),
        ("2001:db8:1:2:3::4", "2001:db8:1::/48"),
        ("::ffff:203.0.113.77", "203.0.113.0/24"),
        ("fe80::1%eth0", "fe80::/48"),
        ("unknown", "unknown"),
    ],
)
def test_an_address_is_cut_to_its_network(address: str, found: str) -> None:
    assert truncate_address(address) == found


def test_the_key_of_a_network_changes_every_day() -> None:
    origins = NetworkAnonymizer()
    noon = 20_000 * DAY + DAY / 2
    first = origins.key("203.0.113.77", noon)
    assert origins.key("203.0.113.1", noon + 60) == first
    assert origins.key("203.0.114.1", noon + 60) != first
    salt = origins._salt
    origins.turn(noon + DAY)
    assert set(salt) == {0}
    assert origins._salt == b""
    assert origins.key("203.0.113.77", noon + DAY) != first
    assert NetworkAnonymizer().key("203.0.113.77", noon) != first
