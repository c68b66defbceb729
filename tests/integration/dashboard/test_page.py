"""The page over HTTP: what is requested, and the message for each fault."""

from pathlib import Path

import pytest

from pytest_flowhealth.errors import CheckFailed, FlowHealthError, MeasurementUnavailable
from pytest_flowhealth.probes.dashboard import connections, load
from pytest_flowhealth.probes.dashboard.load import measure_responses
from pytest_flowhealth.probes.dashboard.page import open_page
from pytest_flowhealth.probes.dashboard.site import redact_errors
from tests.kit.dashboard import DashboardServer, MakeSite
from tests.kit.redis import certificate, saying, silent, tcp_server

QUICK = "0.3 s"
"""The timeout where the server never responds; elsewhere a busy machine must not reach it."""


def test_the_page_is_found_behind_a_redirect_and_unpacked(
    server: DashboardServer, make_site: MakeSite
) -> None:
    found = open_page(make_site(url=f"http://{server.place}/moved", contains="all is well"))
    assert found.redirects == (f"http://{server.place}/moved", f"http://{server.place}/")
    assert found.content.encoding == "gzip"
    assert (found.content.ratio or 0) > 10
    assert "all is well" in found.content.text


@pytest.mark.parametrize(
    ("plan", "path", "said"),
    [
        ({"status": 500}, "/", "responds with status 500"),
        ({}, "/count", "does not contain 'all is well'"),
        ({"cut": 20}, "/", "closes the connection without a whole response"),
        ({}, "/away", "redirects to http://127.0.0.2:1, which is not configured"),
        ({}, "/ring", "redirects in a ring|more than 5 times"),
    ],
)
def test_a_server_without_a_page_fails_with_the_reason(
    server: DashboardServer,
    make_site: MakeSite,
    plan: dict[str, object],
    path: str,
    said: str,
) -> None:
    site = make_site(url=f"http://{server.plan(**plan)}{path}", contains="all is well")
    with pytest.raises(CheckFailed, match=said):
        open_page(site)


@pytest.mark.parametrize(
    ("talk", "timeout", "said"),
    [
        (saying(b"SSH-2.0-OpenSSH_9.2\r\n"), "20 s", "something that is no HTTP"),
        (silent, QUICK, f"no whole response within {QUICK}"),
        (lambda connection, _: connection.recv(1_000), "20 s", "closes the connection"),
    ],
)
def test_a_server_that_does_not_speak_http_is_named(
    make_site: MakeSite, talk: object, timeout: str, said: str
) -> None:
    with tcp_server(talk) as port:  # type: ignore[arg-type]
        site = make_site(url=f"http://127.0.0.1:{port}/", timeout=timeout)
        with pytest.raises(CheckFailed, match=said):
            open_page(site)


@pytest.mark.parametrize(
    ("login", "wanted"),
    [
        ({"method": "bearer", "secret": "s3cret"}, "Bearer s3cret"),
        ({"method": "cookie", "secret": "sid=k1"}, "sid=k1"),
        ({"method": "form", "url": "http://{}/login", "user": "u", "secret": "s3cret"}, "sid=k1"),
    ],
)
def test_a_token_a_cookie_or_a_form_opens_the_page(
    server: DashboardServer, make_site: MakeSite, login: dict[str, str], wanted: str
) -> None:
    place = server.plan(secret=wanted)
    filled = {key: text.format(place) for key, text in login.items()}
    site = make_site(url=f"http://{place}/", login=filled)
    assert open_page(site).response.status == 200
    assert "s3cret" not in repr(site.access)
    with pytest.raises(CheckFailed, match="status 401") as caught:
        open_page(make_site(url=f"http://{place}/"))
    assert "dashboard.login" in (caught.value.remedy or "")


def test_login_that_is_refused_fails_because_the_page_is_the_login_form(
    server: DashboardServer, make_site: MakeSite
) -> None:
    url = f"http://{server.plan(to_login=True)}/"
    login = {"method": "form", "url": f"{url}login", "user": "u", "secret": "wrong"}
    with pytest.raises(CheckFailed, match=r"the login was not accepted: after it, .*/login"):
        open_page(make_site(url=url, login=login))
    with pytest.raises(CheckFailed, match=r"leads to the login form .*not to the dashboard"):
        open_page(make_site(url=url))
    page = open_page(make_site(url=url, login=login | {"secret": "s3cret"}))
    assert page.redirects == ()


def test_a_server_that_repeats_the_token_does_not_get_it_into_the_message(
    server: DashboardServer, make_site: MakeSite
) -> None:
    login = {"method": "bearer", "secret": "tok-99x"}
    site = make_site(url=f"http://{server.place}/", login=login, contains="tok-99x no")
    with pytest.raises(FlowHealthError) as caught, redact_errors(site.settings, site.access):
        open_page(site)
    assert "tok-99x" not in str(caught.value)


def test_the_server_s_own_count_of_connections_is_read(
    server: DashboardServer, make_site: MakeSite
) -> None:
    url = f"http://{server.place}/"
    counter = {"url": f"{url}count", "field": "stats[0].open"}
    assert connections.count_connections(make_site(url=url, connections=counter)) == 0
    with pytest.raises(MeasurementUnavailable, match="no number"):
        connections.count_connections(
            make_site(url=url, connections=counter | {"field": "stats.open"})
        )


def test_a_certificate_is_trusted_by_the_configured_authority_only(
    make_site: MakeSite, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cert, key = certificate(tmp_path)
    monkeypatch.setattr(load, "QUICKEST", 0.001)
    with DashboardServer(str(cert), str(key)) as secure:
        found = measure_responses(
            make_site(url=f"https://{secure.place}/", ca=cert.name, requests=20)
        )
        assert len(found.fresh) == 20
        assert all(one.tls for one in found.fresh)
        with pytest.raises(CheckFailed, match="certificate that is not trusted"):
            open_page(make_site(url=f"https://{secure.place}/"))
        with pytest.raises(CheckFailed, match=r"can't be reached|closes|no HTTP|fails"):
            open_page(make_site(url=f"http://{secure.place}/"))


def test_the_page_is_measured_over_fresh_connections_and_those_that_the_server_keeps(
    server: DashboardServer, make_site: MakeSite, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(load, "QUICKEST", 0.001)
    site = make_site(url=f"http://{server.place}/", requests=20)
    found = measure_responses(site)
    assert (len(found.fresh), len(found.kept), found.failures) == (20, 20, {})
    assert None not in [one.connect for one in found.fresh]
    assert {one.connect for one in found.kept} == {None}
    assert set(server.truth()["requests"]) == {"/"}
    server.plan(close=True)
    assert measure_responses(site).kept == ()
