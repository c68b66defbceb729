"""--health-history http://...: the verdict of a run never depends on the server."""

from pathlib import Path

from tests.kit.http import HttpServer, Reply
from tests.kit.runs import RunChecks

CHECK = """
@pytest.mark.health("app")
def test_it(health):
    health.measure("latency", [1, 2, 3], "ms")
"""
TAKEN = [Reply(status=204)]


def test_run_is_sent_and_kept(run_checks: RunChecks, tmp_path: Path) -> None:
    with HttpServer(TAKEN) as server:
        result = run_checks(CHECK, "--health-history", server.url)
        assert result.exit_code == 0
        assert result.health["history"] == {"run": result.health["history"]["run"], "kept": True}
        assert [request.path for request in server.requests] == ["/api/v1/write"]
        assert list((tmp_path / ".flowhealth/history.db.remote").iterdir()) == []


def test_run_that_a_server_did_not_get_is_sent_by_the_next_one(
    run_checks: RunChecks, tmp_path: Path
) -> None:
    result = run_checks(CHECK, "--health-history", "http://user:pa55word@127.0.0.1:1")
    assert result.exit_code == 0
    problem = result.health["history"]["problem"]
    assert "connection refused" in problem
    assert "the next run sends it" in problem
    assert "can't be read" not in problem
    assert "connection refused" in " ".join(result.out.split())
    assert "pa55word" not in result.text + (tmp_path / ".flowhealth/report.json").read_text()

    with HttpServer(TAKEN) as server:
        result = run_checks(CHECK, "--health-history", server.url)
    assert "problem" not in result.health["history"]
    assert len(server.requests) == 2


def test_refusal_of_the_server_is_reported_without_the_token(
    run_checks: RunChecks,
) -> None:
    env = {"METRICS": "s3cret-t0ken", "FLOWHEALTH_HISTORY_TOKEN_ENV": "METRICS"}
    with HttpServer([Reply(status=401)]) as server:
        result = run_checks(CHECK, "--health-history", server.url, env=env)

    assert result.exit_code == 0
    assert "HTTP 401" in result.health["history"]["problem"]
    assert server.requests[0].headers["authorization"] == "Bearer s3cret-t0ken"
    assert "s3cret" not in result.text + str(result.report)


def test_comparison_with_a_server_that_is_away_is_reported(run_checks: RunChecks) -> None:
    words = ("--health-history", "http://127.0.0.1:1", "--health-compare")
    problem = run_checks(CHECK, *words).health["history"]["problem"]

    assert "the server of the history can't be read" in problem
