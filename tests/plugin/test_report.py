"""The report: schema, atomicity, secrets, hostile text, standard output."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import pytest_flowhealth.domain.report as types
from tests.plugin.conftest import Health

GOOD = (
    "@pytest.mark.health('app')\ndef test_good(health):\n    health.measure('x', [1, 2, 3], 's')\n"
)
SECRET = "gEhEim-4711"
HOSTILE = "\x1b[31mred\x1b[0m\r\n::error::owned\n##vso[task]x\x00\u202e\u2028end"


def test_the_shipped_schema_is_the_generated_one() -> None:
    shipped = Path(types.__file__).with_name("report.schema.json").read_text()

    command = (
        "python -m pytest_flowhealth.domain.report > pytest_flowhealth/domain/report.schema.json"
    )
    assert shipped == types.schema_text(), f"run: {command}"


def test_the_document_is_pytest_json_reports_and_ours(run: Health) -> None:
    report = run(GOOD).report

    assert report is not None
    assert list(report) == [
        "created",
        "duration",
        "exitcode",
        "root",
        "environment",
        "summary",
        "tests",
        "health",
    ]
    assert report["summary"] == {"passed": 1, "total": 1, "collected": 1}
    assert report["tests"][0]["call"]["outcome"] == "passed"
    health = report["health"]
    assert (health["schema"], health["status"], health["exit_code"]) == (
        "flowhealth/1",
        "healthy",
        0,
    )
    assert health["target"]["name"] == "app"
    assert health["started"].endswith("Z")
    assert health["checks"][0]["measurements"][0]["stats"]["median"] == 2
    assert health["summary"] == {"pass": 1, "warn": 0, "fail": 0, "unknown": 0, "skip": 0}


def test_standard_output_holds_the_report_and_nothing_else(run: Health) -> None:
    result = run(GOOD + "print('at import')\n", "--health-report", "-", "-s")

    assert json.loads(result.out)["health"]["status"] == "healthy"
    assert "HEALTHY" in result.err


def test_standard_output_of_a_usage_error(run: Health) -> None:
    result = run("@pytest.mark.health()\ndef test_x(): pass\n", "--health-report", "-")

    assert result.exit_code == 4
    assert json.loads(result.out)["health"]["exit_code"] == 4


def test_another_place_for_the_report(run: Health) -> None:
    result = run(GOOD, "--health-report", "deep/down/r.json", report="deep/down/r.json")

    assert result.health["status"] == "healthy"


@pytest.mark.parametrize("workers", [(), ("-n", "2"), ("-v",), ("--tb=long", "--showlocals")])
def test_a_secret_appears_nowhere(run: Health, tmp_path: Path, workers: tuple[str, ...]) -> None:
    result = run(
        f"""
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
""".replace(SECRET, SECRET),
        *workers,
        env={"REDIS_PASSWORD": SECRET, "MY_TOKEN": SECRET + "x"},
    )

    assert result.exit_code == 2
    assert SECRET not in json.dumps(result.report)
    # The source itself holds the secret here, so pytest's excerpts of it are left to -v.
    assert SECRET not in result.out + result.err
    assert "***" in result.out


@pytest.mark.parametrize("options", [(), ("-v",), ("-n", "2"), ("-rA",)])
def test_hostile_text_reaches_nobody_unescaped(run: Health, options: tuple[str, ...]) -> None:
    result = run(
        f"""
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
""",
        *options,
    )

    texts = [result.out, result.err, *_strings(result.report)]
    for text in texts:
        assert not {"\x1b", "\r", "\x00", "\u202e", "\u2028"} & set(text), text[:300]
        assert not any(line.lstrip().startswith("::") for line in text.split("\n"))
        assert "##vso[" not in text
    assert "\\x1b[31mred" in result.check("app.fail")["message"]
    assert len(json.dumps(result.report)) < 200_000


def _strings(value: object) -> list[str]:
    if isinstance(value, dict):
        return [text for pair in value.items() for one in pair for text in _strings(one)]
    if isinstance(value, list):
        return [text for one in value for text in _strings(one)]
    return [value] if isinstance(value, str) else []
