"""The `health` fixture reaches a check however it is asked for, and another of that name stays its own."""

from __future__ import annotations

from tests.plugin.conftest import Health

LIMIT = "@pytest.mark.health('app')\n@pytest.mark.threshold('m', warn=5, fail=50, unit='ms')\n"


def test_a_fixture_and_the_body_share_what_is_measured(run: Health) -> None:
    result = run(
        "@pytest.fixture\ndef probe(health, request):\n    health.measure('m', 60, 'ms')\n"
        "    assert request.node.name == 'test_a'\n    yield\n    health.detail(after=1)\n"
        f"{LIMIT}def test_a(probe, health, request):\n    health.warn(request.node.name)\n"
    )
    assert result.outcomes == {"app.a": "fail"}
    assert result.check("app.a")["measurements"][0]["value"] == 60
    assert "test_a" in str(result.check("app.a"))


def test_a_method_and_a_parameter_get_it(run: Health) -> None:
    result = run(
        f"class TestOf:\n    {LIMIT.replace(chr(10), chr(10) + '    ')}"
        "@pytest.mark.parametrize('value', [1, 6])\n"
        "    def test_a(self, value, health):\n        health.measure('m', value, 'ms')\n"
    )
    assert result.outcomes == {"app.a[1]": "pass", "app.a[6]": "warn"}


def test_an_own_fixture_of_that_name_is_used(run: Health) -> None:
    result = run(
        "@pytest.fixture\ndef health(health):\n    health.measure('m', 6, 'ms')\n    return 7\n"
        f"{LIMIT}def test_a(health):\n    assert health == 7\n"
    )
    assert result.outcomes == {"app.a": "warn"}


def test_a_parameter_of_that_name_is_used(run: Health) -> None:
    result = run(
        "@pytest.mark.health('app')\n@pytest.mark.parametrize('health', [7])\n"
        "def test_a(health):\n    assert health == 7\n"
    )
    assert list(result.outcomes.values()) == ["pass"]
