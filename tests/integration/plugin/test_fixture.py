"""The `health` fixture reaches a check however it is requested; the user's own of that name stays."""

from tests.kit.runs import RunChecks

LIMIT = "@pytest.mark.threshold('m', warn=5, fail=50, unit='ms')"
SOURCE = f"""
@pytest.fixture
def probe(health, request):
    health.measure('m', 60, 'ms')
    assert request.node.name == 'test_by_a_fixture'
    yield
    health.detail(after=1)

@pytest.mark.health('app')
{LIMIT}
def test_by_a_fixture(probe, health, request):
    health.warn(request.node.name)

class TestOf:
    @pytest.mark.health('app')
    {LIMIT}
    @pytest.mark.parametrize('value', [1, 6])
    def test_in_a_method(self, value, health):
        health.measure('m', value, 'ms')

@pytest.mark.health('app')
@pytest.mark.parametrize('health', [7])
def test_as_a_parameter(health):
    assert health == 7
"""
OWN = f"""
import pytest
@pytest.fixture
def health(health):
    health.measure('m', 6, 'ms')
    return 7

@pytest.mark.health('app')
{LIMIT}
def test_by_an_own_fixture(health):
    assert health == 7
"""


def test_measurements_reach_the_check_however_the_fixture_is_requested(
    run_checks: RunChecks,
) -> None:
    result = run_checks(SOURCE, files={"test_own.py": OWN}, path=("test_checks.py", "test_own.py"))

    assert result.outcomes == {
        "app.by_a_fixture": "fail",
        "app.in_a_method[1]": "pass",
        "app.in_a_method[6]": "warn",
        "app.as_a_parameter[7]": "pass",
        "app.by_an_own_fixture": "warn",
    }
    assert result.check("app.by_a_fixture")["measurements"][0]["value"] == 60
    assert "test_by_a_fixture" in str(result.check("app.by_a_fixture"))
