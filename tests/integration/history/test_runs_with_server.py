"""--health-history http://...: whole runs; the verdict never depends on the server."""

from __future__ import annotations

import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest
import requests

from pytest_flowhealth.config.model import Configuration
from pytest_flowhealth.config.target import Target
from pytest_flowhealth.history.place import place_of
from tests.kit.metric_servers import victoria
from tests.kit.webhook import receiving
from tests.plugin.conftest import Health

CHECK = """
@pytest.mark.health("app")
def test_it(health):
    health.measure("latency", [1, 2, 3], "ms")
"""


def test_a_run_is_sent_and_kept(run: Health, tmp_path: Path) -> None:
    with receiving() as server:
        result = run(CHECK, "--health-history", server.url.removesuffix("/hook"))

    assert result.exit_code == 0
    assert result.health["history"] == {"run": result.health["history"]["run"], "kept": True}
    assert [path for path, *_ in server.requests] == ["/api/v1/write"]
    assert list((tmp_path / ".flowhealth/history.db.remote").iterdir()) == []


def test_what_a_server_that_is_down_did_not_get_the_next_run_sends(
    run: Health, tmp_path: Path
) -> None:
    result = run(CHECK, "--health-history", "http://user:pa55word@127.0.0.1:1")
    assert result.exit_code == 0
    told = result.health["history"]["problem"]
    assert "connection refused" in told
    assert "the next run sends it" in told
    assert "connection refused" in " ".join(result.out.split())
    everything = result.out + result.err + (tmp_path / ".flowhealth/report.json").read_text()
    assert "pa55word" not in everything

    with receiving() as server:
        result = run(CHECK, "--health-history", server.url.removesuffix("/hook"))
    assert "problem" not in result.health["history"]
    assert len(server.requests) == 2


@pytest.mark.parametrize("code", [401, 500])
def test_a_server_that_does_not_take_it(run: Health, code: int) -> None:
    env = {"METRICS": "s3cret-t0ken", "FLOWHEALTH_HISTORY_TOKEN_ENV": "METRICS"}
    with receiving() as server:
        server.answers = [(code, {})]
        result = run(CHECK, "--health-history", server.url.removesuffix("/hook"), env=env)

    assert result.exit_code == 0
    assert f"HTTP {code}" in result.health["history"]["problem"]
    assert server.requests[0][1]["Authorization"] == "Bearer s3cret-t0ken"
    assert "s3cret" not in result.out + result.err + str(result.report)


def test_a_run_that_can_not_be_kept_here_is_sent_all_the_same(run: Health, tmp_path: Path) -> None:
    (tmp_path / ".flowhealth").mkdir()
    (tmp_path / ".flowhealth/history.db").write_bytes(b"no database" * 99)
    with receiving() as server:
        result = run(CHECK, "--health-history", server.url.removesuffix("/hook"))

    assert "was broken" in result.health["history"]["problem"]
    assert len(server.requests) == 1


def test_a_token_that_is_not_set(run: Health) -> None:
    files = {"flowhealth.toml": '[history]\nurl = "http://127.0.0.1:1"\ntoken_env = "METRICS"\n'}
    result = run(CHECK, files=files)
    assert result.exit_code == 4
    assert "the variable METRICS, which history.token_env names" in result.out + result.err


SPEED = """
@pytest.mark.health("app")
@pytest.mark.threshold("latency.p95", warn=500, fail=5000, unit="ms")
def test_speed(health):
    base = float(os.environ.get("BASE", "10"))
    health.measure("latency", [base + step / 100 for step in range(40)], "ms")
"""


def wait_for_runs(url: str, folder: Path, count: int) -> None:
    """Wait until a server tells all that it took: VictoriaMetrics keeps an empty answer for 10 s."""
    target = Target(folder, Configuration())
    place = place_of(url, folder, target)
    assert place is not None
    end = time.monotonic() + 40
    seen = 0
    while seen < count:
        assert time.monotonic() < end, f"the server tells of {seen} runs"
        requests.get(f"{url}/internal/force_flush", timeout=10)
        reader = place.reader(target)
        assert reader is not None
        seen = len(reader.runs())
        time.sleep(0.2)


def test_where_the_file_is_gone_the_server_remembers(run: Health, tmp_path: Path) -> None:
    with victoria(tmp_path / "server") as url:
        words = ("--health-history", url)
        for _ in range(6):
            run(SPEED, *words)
        wait_for_runs(url, tmp_path, 6)
        for path in (tmp_path / ".flowhealth").glob("history.db*"):
            shutil.rmtree(path) if path.is_dir() else path.unlink()

        result = run(SPEED, *words, "--health-compare", env={"BASE": "14"})
        assert len(result.health["trends"][0]["values"]) == 7
        assert result.outcomes == {"app.speed": "warn"}
        assert (
            "is 39% worse than the median of the last 6 runs"
            in result.check("app.speed")["message"]
        )

        latest = run(SPEED, *words, "--health-compare=latest")
        assert latest.exit_code == 0, latest.out + latest.err
        (tmp_path / ".flowhealth/history.db").unlink()
        argv = [sys.executable, "-m", "pytest", "--health-suggest", *words]
        done = subprocess.run(argv, cwd=tmp_path, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        assert '"app.latency.p95" = { warn = ' in done.stdout

        missing = run(SPEED, *words, "--health-compare=2001")
        assert missing.exit_code == 4
        assert "there is no run '2001'; the newest are 20" in missing.out + missing.err
        done = subprocess.run(argv, cwd=tmp_path, capture_output=True, text=True, check=False)
        assert "no report here has a threshold" in done.stdout


def test_a_comparison_that_the_server_keeps_from_being_made_is_told(run: Health) -> None:
    words = ("--health-history", "http://127.0.0.1:1")
    assert "can't be read" not in run(SPEED, *words).health["history"]["problem"]
    told = run(SPEED, *words, "--health-compare").health["history"]["problem"]
    assert "the server of the history can't be read" in told
