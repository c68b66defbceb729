"""Servers that require a client certificate, or have one that can't be trusted."""

from pathlib import Path

import pytest

from pytest_flowhealth.errors import CheckFailed
from pytest_flowhealth.probes.dashboard.page import open_page
from pytest_flowhealth.probes.dashboard.watch import measure_websocket
from tests.kit.dashboard import DashboardServer, MakeSite
from tests.kit.redis import Authority


def test_client_certificate_opens_page_and_websocket_and_its_lack_is_named(
    make_site: MakeSite, tmp_path: Path
) -> None:
    ours, others = Authority(tmp_path / "ours"), Authority(tmp_path / "others")
    server = [str(path) for path in (*ours.sign("127.0.0.1"), ours.cert)]
    client, foreign = ours.sign("client"), others.sign("client")

    with DashboardServer(*server) as secure:
        secure.plan_over_tls(client, ours.cert, updates=[0.02])
        urls = {
            "url": f"https://{secure.place}/",
            "websocket": f"wss://{secure.place}/ws",
            "ca": str(ours.cert),
            "window": "0.2 s",
            "update_interval": "20 ms",
        }
        for files, problem, option in (
            ({}, "requires a client certificate", "certificate ="),
            (
                _named(foreign),
                "does not trust the client certificate|refuses the client certificate",
                "certificate",
            ),
        ):
            for measure in (open_page, measure_websocket):
                with pytest.raises(CheckFailed, match=problem) as caught:
                    measure(make_site(**urls, **files))
                assert option in (caught.value.remedy or "")
        site = make_site(**urls, **_named(client))
        assert open_page(site).response.status == 200
        assert len(measure_websocket(site).pings) == 100


def _named(files: tuple[Path, Path]) -> dict[str, str]:
    return {"certificate": str(files[0]), "key": str(files[1])}


def test_certificate_that_has_expired_is_named_and_not_laid_to_its_authority(
    make_site: MakeSite, tmp_path: Path
) -> None:
    authority = Authority(tmp_path / "authority")
    cert, key = authority.sign("127.0.0.1", days=-1)
    with DashboardServer(str(cert), str(key)) as secure:
        urls = {"url": f"https://{secure.place}/", "websocket": f"wss://{secure.place}/ws"}
        for measure in (open_page, measure_websocket):
            with pytest.raises(CheckFailed, match="certificate that has expired") as caught:
                measure(make_site(**urls, ca=str(authority.cert)))
            assert "renew" in (caught.value.remedy or "")
