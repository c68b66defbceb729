"""The page over HTTP: what is asked, what is told of each fault."""

from __future__ import annotations

import socket
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from pytest_flowhealth.config.target import Target
from pytest_flowhealth.errors import (
    CheckFailed,
    FlowHealthError,
    MeasurementUnavailable,
    NotApplicable,
)
from pytest_flowhealth.probes.dashboard import connections
from pytest_flowhealth.probes.dashboard.page import look, measure
from pytest_flowhealth.probes.dashboard.site import of_target, told_safely
from tests.kit.redis import silent, tcp_server
from tests.probes.dashboard.conftest import Serve, truth

Configure = Callable[..., Target]


def test_the_page(serve: Serve, configure: Configure) -> None:
    place = serve()
    found = look(of_target(configure(url=f"http://{place}/moved", contains="all is well")))

    assert found.redirects == (f"http://{place}/moved", f"http://{place}/")
    assert (found.content.encoding, found.kept) == ("gzip", True)
    assert (found.content.ratio or 0) > 10
    assert "all is well" in found.content.text


@pytest.mark.parametrize(
    ("plan", "path", "said"),
    [
        ({"status": 500}, "/", "answers with status 500"),
        ({"status": 404}, "/", "answers with status 404"),
        ({"cut": 20}, "/", "breaks off its answer"),
        ({}, "/away", "redirects to http://127.0.0.2:1, which is not configured and was not asked"),
        ({}, "/ring", "redirects in a ring|more than 5 times"),
        ({"delays": [9]}, "/", "gives no whole answer within 0.5 s"),
    ],
)
def test_faults(
    serve: Serve, configure: Configure, plan: dict[str, object], path: str, said: str
) -> None:
    site = of_target(configure(url=f"http://{serve(**plan)}{path}", timeout="0.5 s"))
    with pytest.raises(CheckFailed, match=said):
        look(site)


def test_another_page_is_not_taken_for_it(serve: Serve, configure: Configure) -> None:
    site = of_target(configure(url=f"http://{serve()}/", contains="Grafana"))
    with pytest.raises(CheckFailed, match="does not contain 'Grafana'"):
        look(site)


def test_nobody_listens(configure: Configure) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    site = of_target(configure(url=f"http://127.0.0.1:{port}/"))
    with pytest.raises(CheckFailed, match="can't be reached: Connection refused"):
        look(site)


def garbage(connection: socket.socket, _: object) -> None:
    """Answer with what is no HTTP."""
    connection.recv(1_000)
    connection.sendall(b"SSH-2.0-OpenSSH_9.2\r\n")


@pytest.mark.parametrize(
    ("talk", "said"),
    [
        (garbage, "what is no HTTP"),
        (silent, "no whole answer within 0.3 s"),
        (lambda *_: None, "closes the connection"),
    ],
)
def test_what_is_no_web_server(configure: Configure, talk: object, said: str) -> None:
    with tcp_server(talk) as port:  # type: ignore[arg-type]
        site = of_target(configure(url=f"http://127.0.0.1:{port}/", timeout="0.3 s"))
        with pytest.raises(CheckFailed, match=said):
            look(site)


def test_nothing_is_configured(configure: Configure) -> None:
    with pytest.raises(NotApplicable):
        of_target(configure())
    with pytest.raises(CheckFailed, match=r"dashboard\.url is not set"):
        of_target(configure(websocket="ws://127.0.0.1:1/"))


@pytest.mark.parametrize(
    ("login", "wanted"),
    [
        ({"method": "bearer", "secret": "s3cret"}, "Bearer s3cret"),
        ({"method": "cookie", "secret": "sid=k1"}, "sid=k1"),
    ],
)
def test_log_in(serve: Serve, configure: Configure, login: dict[str, object], wanted: str) -> None:
    place = serve(secret=wanted)
    site = of_target(configure(url=f"http://{place}/", login=login))

    assert look(site).reply.status == 200
    assert "s3cret" not in repr(site.access)
    with pytest.raises(CheckFailed, match="status 401") as caught:
        look(of_target(configure(url=f"http://{place}/")))
    assert "dashboard.login" in (caught.value.remedy or "")


def test_log_in_by_a_form(serve: Serve, configure: Configure) -> None:
    place = serve(secret="sid=k1")
    form = {"method": "form", "url": f"http://{place}/login", "user": "u"}
    site = of_target(configure(url=f"http://{place}/", login=form | {"secret": "s3cret"}))
    assert look(site).reply.status == 200
    with pytest.raises(CheckFailed, match="gives no cookie"):
        of_target(configure(url=f"http://{place}/", login=form | {"secret": "wrong"}))
    unset = form | {"secret_env": "FLOWHEALTH_TEST_UNSET"}
    with pytest.raises(MeasurementUnavailable, match="FLOWHEALTH_TEST_UNSET"):
        of_target(configure(url=f"http://{place}/", login=unset))


def test_a_server_that_repeats_the_token_does_not_tell_it(
    serve: Serve, configure: Configure
) -> None:
    login = {"method": "bearer", "secret": "tok-99x"}
    target = configure(url=f"http://{serve()}/", login=login, contains="tok-99x no")
    site = of_target(target)
    with pytest.raises(FlowHealthError) as caught, told_safely(site.settings, site.access):
        look(site)
    assert "tok-99x" not in str(caught.value)


def test_connections_as_the_server_tells_them(serve: Serve, configure: Configure) -> None:
    place = serve()
    counter = {"url": f"http://{place}/count", "field": "stats[0].open"}
    assert connections.told(of_target(configure(url=f"http://{place}/", connections=counter))) == 0
    wrong = counter | {"field": "stats.open"}
    with pytest.raises(MeasurementUnavailable, match="no number"):
        connections.told(of_target(configure(url=f"http://{place}/", connections=wrong)))


def test_its_own_authority(serve: Serve, configure: Configure, tmp_path: Path) -> None:
    argv = [
        "openssl",
        "req",
        "-x509",
        "-newkey",
        "rsa:2048",
        "-nodes",
        "-days",
        "2",
        "-subj",
        "/CN=x",
    ]
    argv += ["-addext", "subjectAltName=IP:127.0.0.1", "-keyout", "k.pem", "-out", "c.pem"]
    subprocess.run(argv, cwd=tmp_path, check=True, capture_output=True)
    place = serve(certificate=str(tmp_path / "c.pem"), key=str(tmp_path / "k.pem"))

    page = measure(of_target(configure(url=f"https://{place}/", ca="c.pem", requests=20)))
    assert all(one.tls for one in page.fresh)
    with pytest.raises(CheckFailed, match="certificate can't be trusted"):
        look(of_target(configure(url=f"https://{place}/")))
    with pytest.raises(CheckFailed, match=r"can't be reached|closes|no HTTP"):
        look(of_target(configure(url=f"http://{place}/", timeout="1 s")))


def test_a_server_that_keeps_no_connection(serve: Serve, configure: Configure) -> None:
    page = measure(of_target(configure(url=f"http://{serve(close=True)}/", requests=20)))
    assert (len(page.fresh), page.kept, page.failures) == (20, (), {})


def test_nobody_else_is_asked(serve: Serve, configure: Configure) -> None:
    place = serve()
    measure(of_target(configure(url=f"http://{place}/", requests=20)))
    assert set(truth(place)["asked"]) == {"/", "/truth"}
