"""Logins as browsers and scripts send them, and servers that refuse, limit or require something else."""

import brotli
import pytest

from pytest_flowhealth.errors import CheckFailed, MeasurementUnavailable
from pytest_flowhealth.probes.dashboard.load import LEAST, measure_responses
from pytest_flowhealth.probes.dashboard.page import open_page
from tests.kit.dashboard import DashboardServer, MakeSite
from tests.kit.http import HttpServer, Reply, Request
from tests.kit.redis import certificate

PAGE = Reply(b"<title>Fleet</title><h1>agents</h1>", headers={"content-type": "text/html"})
PASSWORD = "s3cret-pass"


def redirect(location: str, **headers: str) -> Reply:
    return Reply(status=302, headers={"location": location, **headers})


def behind_form(form: str, *, action: str) -> object:
    """Return a server whose page needs a session that the form begins and the login marks."""
    known: set[str] = set()

    def respond(request: Request) -> Reply:
        session = request.headers.get("cookie", "")
        if request.path == "/login" and request.method == "GET":
            return Reply(form.encode(), headers={"set-cookie": "sid=x1; Path=/; HttpOnly"})
        if request.path == action:
            sent = request.body.decode() or request.target
            if f"password={PASSWORD}" in sent and "csrf=c%261" in sent and "sid=x1" in session:
                known.add(session)
            return redirect("/")
        return PAGE if session and session in known else redirect("/login")

    return respond


@pytest.mark.parametrize(
    ("form", "action"),
    [
        (
            '<form method="post" action="/session"><input type="hidden" name="csrf" value="c&amp;1">'
            '<input name="email" type="email"><input name="password" type="password"></form>',
            "/session",
        ),
        (
            '<form action="/in"><input type="hidden" name="csrf" value="c&amp;1">'
            '<input name="user"><input name="password" type="password"></form>',
            "/in",
        ),
    ],
    ids=["posted to another path", "sent by GET"],
)
def test_form_is_sent_as_a_browser_sends_it_and_the_page_says_whether_it_was_accepted(
    make_site: MakeSite, form: str, action: str
) -> None:
    with HttpServer(behind_form(form, action=action)) as server:  # type: ignore[arg-type]
        login = {"method": "form", "url": f"{server.url}/login", "user": "ann", "secret": PASSWORD}
        assert open_page(make_site(url=f"{server.url}/", login=login)).redirects == ()
    with HttpServer(behind_form(form, action=action)) as server:  # type: ignore[arg-type]
        login |= {"url": f"{server.url}/login", "secret": "wrong"}
        with pytest.raises(CheckFailed, match="the login was not accepted"):
            open_page(make_site(url=f"{server.url}/", login=login))


def test_form_that_sends_to_another_server_gets_no_password(make_site: MakeSite) -> None:
    with HttpServer() as other:
        form = f'<form method="post" action="{other.url}/"><input type="password" name="p"></form>'
        with HttpServer([Reply(form.encode())]) as server:
            login = {"method": "form", "url": f"{server.url}/login", "secret": PASSWORD}
            site = make_site(url=f"{server.url}/", login=login)
            with pytest.raises(CheckFailed, match="the password was not sent"):
                open_page(site)
        assert other.requests == []


def test_form_that_a_script_sends_names_the_other_method(make_site: MakeSite) -> None:
    form = Reply(b'<div id="root"><form><input type="password" name="p"></form></div>')
    with HttpServer([form]) as server:
        login = {"method": "form", "url": f"{server.url}/login", "secret": PASSWORD}
        with pytest.raises(CheckFailed) as caught:
            open_page(make_site(url=f"{server.url}/", login=login))
    assert 'method = "json"' in (caught.value.remedy or "")


@pytest.mark.parametrize("token_field", [None, "data.token"])
def test_json_login_gives_a_token_or_a_cookie(make_site: MakeSite, token_field: str | None) -> None:
    def respond(request: Request) -> Reply:
        if request.path == "/api/login":
            good = request.json == {"email": "ann", "password": PASSWORD}
            content = {"data": {"token": "tok-123456"}} if good else {"error": "no such user"}
            return Reply.of_json(content, set_cookie="sid=1; Path=/" if good else "none=; Path=/")
        token, cookie = request.headers.get("authorization"), request.headers.get("cookie")
        return PAGE if token == "Bearer tok-123456" or cookie == "sid=1" else Reply(status=401)

    with HttpServer(respond) as server:
        login = {
            "method": "json",
            "url": f"{server.url}/api/login",
            "user": "ann",
            "user_field": "email",
            "secret": PASSWORD,
            **({"token_field": token_field} if token_field else {}),
        }
        assert open_page(make_site(url=f"{server.url}/", login=login)).response.status == 200
        with pytest.raises(CheckFailed, match=r"is refused|gives no token"):
            open_page(make_site(url=f"{server.url}/", login=login | {"secret": "wrong"}))


def test_basic_authentication_is_sent_and_named_where_it_is_missing(make_site: MakeSite) -> None:
    def respond(request: Request) -> Reply:
        if request.headers.get("authorization") == "Basic YW5uOnMzY3JldC1wYXNz":
            return PAGE
        return Reply(status=401, headers={"www-authenticate": 'Basic realm="fleet"'})

    with HttpServer(respond) as server:
        url = f"{server.url}/"
        login = {"method": "basic", "user": "ann", "secret": PASSWORD}
        assert open_page(make_site(url=url, login=login)).response.status == 200
        with pytest.raises(CheckFailed, match="requires basic authentication") as caught:
            open_page(make_site(url=url))
    assert 'method = "basic"' in (caught.value.remedy or "")


def test_brotli_is_decompressed_and_a_body_that_breaks_off_is_named(make_site: MakeSite) -> None:
    packed = brotli.compress(PAGE.body * 50)
    coded = {"content-type": "text/html", "content-encoding": "br"}
    with HttpServer([Reply(packed, headers=coded), Reply(packed[:-4], headers=coded)]) as server:
        site = make_site(url=f"{server.url}/", contains="<h1>agents</h1>")
        assert open_page(site).content.encoding == "br"
        with pytest.raises(CheckFailed, match="breaks off its body"):
            open_page(site)


def limited(most: int, **headers: str) -> object:
    """Return a server that accepts so many requests, and tells how many are left."""
    count = 0

    def respond(_: Request) -> Reply:
        nonlocal count
        count += 1
        named = {
            key.replace("_", "-"): text.format(max(0, most - count))
            for key, text in headers.items()
        }
        return Reply(PAGE.body, 200 if count <= most else 429, named)

    return respond


def test_load_stays_within_half_of_the_rate_limit(make_site: MakeSite) -> None:
    with HttpServer(limited(100, RateLimit='"a"; r={}; t=900')) as server:  # type: ignore[arg-type]
        times = measure_responses(make_site(url=f"{server.url}/", requests=100))
        assert len(times.fresh) >= LEAST
        assert not times.refused
        assert "rate limit leaves" in (times.limited or "")
        assert len(server.requests) < 60


def test_requests_of_its_own_that_a_limit_refuses_are_named_and_are_no_failures(
    make_site: MakeSite,
) -> None:
    with HttpServer(limited(70)) as server:  # type: ignore[arg-type]
        times = measure_responses(make_site(url=f"{server.url}/", requests=100))
    assert times.refused
    assert times.failures == {}
    assert "refused this check's own requests" in (times.limited or "")
    with (
        HttpServer(limited(10, Retry_After="60")) as server,  # type: ignore[arg-type]
        pytest.raises(MeasurementUnavailable, match="refused this check's own requests"),
    ):
        measure_responses(make_site(url=f"{server.url}/"))


def test_certificate_for_another_name_is_not_laid_to_its_authority(
    make_site: MakeSite, tmp_path: object
) -> None:
    cert, key = certificate(tmp_path)  # type: ignore[arg-type]
    with DashboardServer(str(cert), str(key)) as secure:
        port = secure.place.rpartition(":")[2]
        site = make_site(url=f"https://localhost:{port}/", ca=cert.name)
        with pytest.raises(CheckFailed, match="certificate for another name"):
            open_page(site)
