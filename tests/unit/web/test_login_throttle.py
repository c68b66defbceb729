"""How attempts to log in are slowed and refused."""

from pytest_flowhealth.web.login_throttle import CROWD, REFUSED, SLOWEST, LoginThrottle
from tests.kit.clock import FakeClock


def test_many_addresses_are_slowed_for_an_account_and_its_owner_is_not() -> None:
    attempts = LoginThrottle(FakeClock().now)
    attempts.begin("198.51.100.7", "admin")
    attempts.record_success("198.51.100.7", "admin")
    for number in range(CROWD):
        attempts.begin(f"192.0.2.{number}", "admin")
    assert attempts.begin("203.0.113.1", "admin").seconds == SLOWEST
    assert attempts.begin("203.0.113.1", "admin").refused == 0
    assert attempts.begin("198.51.100.7", "admin").seconds == 0
    assert attempts.begin("203.0.113.9", "somebody").seconds == 0


def test_addresses_of_one_household_are_one() -> None:
    attempts = LoginThrottle(FakeClock().now)
    for number in range(REFUSED):
        attempts.begin(f"2001:db8::{number + 1:x}", "admin")
    assert attempts.begin("2001:db8::ffff", "admin").refused > 0
    assert attempts.begin("2001:db8:0:1::1", "admin").refused == 0
