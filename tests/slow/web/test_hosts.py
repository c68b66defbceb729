"""Several hosts that report to one server: the state of each, and of those that fell silent."""

import datetime
import time
from pathlib import Path

import msgspec

from pytest_flowhealth.domain.metric_names import iterate_samples, make_origin_labels
from pytest_flowhealth.domain.status import Status
from pytest_flowhealth.history.remote.write_client import RemoteWriteClient
from tests.kit.metric_servers import victoria_server
from tests.kit.reports import HEALTH
from tests.kit.site import Visitor, site
from tests.kit.waiting import wait_for


def report(url: str, folder: Path, host: str, age: float, status: Status) -> None:
    """Let a host report a run that ended so many seconds ago."""
    started = datetime.datetime.fromtimestamp(time.time() - age, datetime.UTC)
    health = msgspec.structs.replace(HEALTH, status=status, started=started)
    shipper = RemoteWriteClient(url, folder / host)
    shipper.put(iterate_samples(health, make_origin_labels(host, "shop", f"{host}:shop"), None))
    assert shipper.close(20)


def test_a_host_that_fell_silent_is_not_healthy(tmp_path: Path) -> None:
    with victoria_server(tmp_path / "metrics") as server:
        report(server.url, tmp_path, "near", 60.0, Status.DEGRADED)
        report(server.url, tmp_path, "silent", 7_200.0, Status.HEALTHY)
        with site(tmp_path / "app") as page:
            page.start("--health-history", server.url)
            visitor = Visitor(page)
            visitor.log_in()

            def found() -> dict[str, tuple[str, bool]]:
                hosts = visitor.get("api/hosts").json()["hosts"]
                return {host["host"]: (host["status"], host["current"]) for host in hosts}

            wait_for(lambda: {"near", "silent"} <= found().keys())
            hosts = found()
            assert hosts.pop("near") == ("degraded", False)
            assert hosts.pop("silent") == ("unknown", False)
            assert [*hosts.values()] == [("healthy", True)]
