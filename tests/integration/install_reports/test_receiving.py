"""Reports at a real monitor's page: what is written to its disk, and what is erased from it."""

import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.kit.install_reports import OPEN, TOKENS, Sender, count, found_in, receiving, report
from tests.kit.planted import Planted
from tests.kit.projects import write
from tests.kit.runs import run_flowhealth, run_pytest
from tests.kit.site import Site, Visitor
from tests.kit.waiting import wait_for


@pytest.fixture(scope="module")
def monitor_site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with receiving(tmp_path_factory.mktemp("open") / "app", OPEN + TOKENS) as site:
        yield site


def test_nothing_of_a_sender_and_no_secret_is_written(monitor_site: Site) -> None:
    planted = Planted(1)
    content = report(error=planted.log.replace("\n", " ")[:990], context=planted.log * 4)
    answer = Sender(monitor_site, "127.99.98.97").hand_in(content)
    assert answer.status_code == 201
    written = found_in(monitor_site.monitor.project, *planted.texts, "127.99.98.97", "127.99.98")
    assert written == []
    (row,) = monitor_site.monitor.rows("SELECT * FROM reports ORDER BY id DESC LIMIT 1")
    assert answer.json()["id"] not in str(row)
    assert "ELIFECYCLE" in str(row)
    assert "ELIFECYCLE" not in str(row[-1])


def test_a_context_is_encrypted_and_shown_to_sessions_only(monitor_site: Site) -> None:
    text = "fail build.artifacts: dist/quixotic.js is not there\nat home"
    Sender(monitor_site).hand_in(report(context=text))
    page = Visitor(monitor_site)
    page.log_in()
    newest = page.get("api/installs").json()["installs"][0]
    path = f"api/installs/{newest['number']}/context"
    assert page.get(path).json() == {"context": text}
    reader = Sender(monitor_site)
    reader.session.headers["Authorization"] = "Bearer reader"
    assert reader.get("api/installs").status_code == 200
    assert reader.get(path).status_code == 403
    assert found_in(monitor_site.monitor.project, "quixotic") == []
    key = monitor_site.monitor.project / ".flowhealth/feedback.key"
    assert stat.S_IMODE(key.stat().st_mode) == 0o600


def test_nothing_is_left_of_erased_reports(monitor_site: Site) -> None:
    project = monitor_site.monitor.project
    sender = Sender(monitor_site, "127.3.3.3")
    words = [f"xylograph{number}" for number in range(10)]
    names = [
        sender.hand_in(report(error=f"broken by {word}", context=word * 500)).json()["id"]
        for word in words
    ]
    assert len(found_in(project, *words)) >= 10
    contexts = monitor_site.monitor.rows(
        "SELECT context FROM reports WHERE error LIKE '%xylograph%'"
    )
    assert sender.erase(names[0] + "x") == 404
    erasers = [Sender(monitor_site, f"127.3.4.{number}") for number in range(10)]
    assert [each.erase(name) for each, name in zip(erasers, names, strict=True)] == [204] * 10
    assert erasers[0].erase(names[0]) == 404
    # The log goes when the monitor's own short connections have closed it.
    sealed = [context[:200].decode() for (context,) in contexts]
    wait_for(lambda: not found_in(project, *words, *sealed))


def test_a_report_is_sent_accepted_and_erased_by_the_command(
    monitor_site: Site, tmp_path: Path
) -> None:
    own = "import pytest\n@pytest.mark.health('own')\ndef test_broken(health):\n    assert False\n"
    write(tmp_path, {"test_own.py": own}, name="shop", version="1.2.3")
    url = monitor_site.url.rstrip("/")
    before = count(monitor_site.monitor.history)
    env = {"FLOWHEALTH_SUBMIT": "yes", "DO_NOT_TRACK": None}
    done = run_pytest(tmp_path, "--health", "test_own.py", "--health-submit", url, env=env)

    assert done.exit_code == 2
    line = done.err.strip().splitlines()[-1]
    assert line.startswith(f"a report was sent to {url}; to erase it: flowhealth reports erase")
    assert count(monitor_site.monitor.history) == before + 1
    erased = run_flowhealth(tmp_path, "reports", "erase", line.split()[-1])
    assert (erased.exit_code, erased.out) == (0, "the report was erased\n")
    assert count(monitor_site.monitor.history) == before
    again = run_flowhealth(tmp_path, "reports", "erase", line.split()[-1])
    assert again.exit_code == 3
    assert "has none with this id" in again.err
