"""The report: its document, standard output, secrets and hostile text."""

import json
from collections.abc import Iterator

import pytest

from tests.kit.runs import Run, RunChecks, run_checks_in

GOOD = (
    "@pytest.mark.health('app')\ndef test_good(health):\n    health.measure('x', [1, 2, 3], 's')\n"
)


def test_the_document_is_that_of_pytest_json_report_with_the_key_health(
    run_checks: RunChecks,
) -> None:
    result = run_checks(GOOD)

    assert list(result.report) == [
        *("created", "duration", "exitcode", "root", "environment", "summary", "tests", "health")
    ]
    assert result.report["summary"] == {"passed": 1, "total": 1, "collected": 1}
    assert result.report["tests"][0]["call"]["outcome"] == "passed"
    health = result.health
    assert (health["schema"], health["status"], health["exit_code"]) == (
        *("flowhealth/1", "healthy"),
        0,
    )
    assert health["target"]["name"] == "app"
    assert health["started"].endswith("Z")
    assert health["checks"][0]["measurements"][0]["stats"]["median"] == 2
    assert health["summary"] == {"pass": 1, "warn": 0, "fail": 0, "unknown": 0, "skip": 0}


def test_standard_output_has_the_report_and_nothing_else(run_checks: RunChecks) -> None:
    result = run_checks(GOOD + "print('at import')\n", "--health-report", "-", "-s")
    refused = run_checks("@pytest.mark.health()\ndef test_x(): pass\n", "--health-report", "-")

    assert json.loads(result.out)["health"]["status"] == "healthy"
    assert "HEALTHY" in result.err
    assert (refused.exit_code, json.loads(refused.out)["health"]["exit_code"]) == (4, 4)


SECRET = "gEhEim-4711"
HOSTILE = "\x1b[31mred\x1b[0m\r\n::error::owned\n##vso[task]x\x00\u202e\u2028end"
TEXTS = f"""
@pytest.mark.health("app", remedy="redis-cli -a {SECRET}")
@pytest.mark.parametrize("url", ["redis://u:{SECRET}@h/0"])
def test_leak(health, url):
    print(url)
    health.detail(url=url, token=os.environ["MY_TOKEN"])
    health.warn("tried {SECRET}")
    raise ConnectionError(f"no answer from {{url}} with {SECRET}")

@pytest.fixture
def leak():
    raise OSError("redis://u:other-{SECRET}@h")

@pytest.mark.health("app")
def test_setup(leak):
    pass

HOSTILE = {HOSTILE!r}
@pytest.mark.health("app", remedy=HOSTILE)
def test_fail(health):
    health.warn(HOSTILE)
    health.detail(**{{HOSTILE: [HOSTILE]}})
    raise ValueError(HOSTILE)

@pytest.mark.health("app")
def test_skip():
    pytest.skip(HOSTILE)

@pytest.mark.health("app")
def test_long(health):
    health.warn("x" * 1_000_000)

@pytest.mark.health("app")
def test_surrogate(health):
    health.warn("\\ud800")
    health.detail(odd="\\udfff")

@pytest.mark.health("app")
def test_measure(health):
    health.measure(HOSTILE, 1, HOSTILE)
"""


@pytest.fixture(
    scope="module",
    params=[(), ("-v", "-rA", "--tb=long", "--showlocals"), ("-n", "1")],
    ids=["plain", "verbose", "xdist"],
)
def texts(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Run checks that tell secrets and hostile text, in each way to show them."""
    env = {"REDIS_PASSWORD": SECRET, "MY_TOKEN": SECRET + "x"}
    return run_checks_in(tmp_path_factory.mktemp("texts"), TEXTS, *request.param, env=env)


def test_a_secret_appears_nowhere(texts: Run) -> None:
    assert texts.exit_code == 2
    assert SECRET not in json.dumps(texts.report)
    assert SECRET not in texts.text
    assert "***" in texts.out


def test_hostile_text_is_escaped_everywhere(texts: Run) -> None:
    for text in (texts.out, texts.err, *strings(texts.report)):
        assert not {"\x1b", "\r", "\x00", "\u202e", "\u2028"} & set(text), text[:300]
        assert not any(line.lstrip().startswith("::") for line in text.split("\n"))
        assert "##vso[" not in text
    assert "\\x1b[31mred" in texts.check("app.fail")["message"]
    assert len(json.dumps(texts.report)) < 200_000


def strings(value: object) -> Iterator[str]:
    """Yield every text in a tree of JSON."""
    if isinstance(value, dict):
        value = [part for pair in value.items() for part in pair]
    if isinstance(value, list):
        for part in value:
            yield from strings(part)
    if isinstance(value, str):
        yield value
