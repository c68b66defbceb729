"""How often the page is requested, what an error of libcurl means, and which response is no page."""

from pathlib import Path

import msgspec
import pycurl
import pytest

from pytest_flowhealth.errors import CheckFailed, MeasurementUnavailable, NotApplicable
from pytest_flowhealth.probes.dashboard.content import read_content
from pytest_flowhealth.probes.dashboard.error_pages import find_problem
from pytest_flowhealth.probes.dashboard.forms import LoadedFile, parse_page
from pytest_flowhealth.probes.dashboard.http_client import HttpResponse, Timing, explain
from pytest_flowhealth.probes.dashboard.load import (
    LEAST,
    QUICKEST,
    SLOWEST,
    fit_requests,
    plan_requests,
)
from pytest_flowhealth.probes.dashboard.page_files import find_file_problem
from pytest_flowhealth.probes.dashboard.rate_limit import RateLimit, read_rate_limit
from tests.kit.dashboard import site_with

NOW = 1_800_000_000
LOGIN = '<title>Fleet</title><form method="post"><input name="u"><input type="password" name="p"></form>'
CONNECT = '<h1>Connections</h1><form method="post"><input name="host"><input type="password" name="p"></form>'
SETTINGS = f"<h1>Agents</h1>{'<p>agent 7 is working</p>' * 40}{LOGIN}"


def make_response(body: str = "", **headers: str) -> HttpResponse:
    """Return a response with status 200; `_` in a header's name stands for `-`."""
    named = tuple((name.lower().replace("_", "-"), value) for name, value in headers.items())
    timing = Timing(None, None, None, 1.0, 2.0)
    return HttpResponse("http://h/", 200, "HTTP/1.1", named, body.encode(), len(body), timing)


@pytest.mark.parametrize(
    ("requests", "typical", "count", "interval"),
    [
        (100, 0.001, 100, QUICKEST),
        (100, 0.08, 40, 0.1),
        (100, 9.0, LEAST, SLOWEST),
        (20, 0.001, 20, QUICKEST),
        (500, 0.08, 500, 0.1),  # what somebody configured is done, however long it takes
    ],
)
def test_requests_are_as_many_as_fit_and_leave_a_slow_server_its_time(
    requests: int, typical: float, count: int, interval: float
) -> None:
    assert plan_requests(requests, typical) == (count, interval)


@pytest.mark.parametrize(
    ("remaining", "kinds", "count"),
    [
        (None, 2, 40),
        (1_000, 2, 40),
        (100, 2, 25),
        (60, 2, 20),
        (43, 2, 20),
        (41, 2, 0),
        (30, 1, 20),
    ],
)
def test_requests_stay_within_half_of_what_a_rate_limit_leaves_as_long_as_a_p95_has_its_samples(
    remaining: int | None, kinds: int, count: int
) -> None:
    assert fit_requests(40, kinds, remaining) == count


@pytest.mark.parametrize(
    ("headers", "limit"),
    [
        ({}, RateLimit()),
        ({"RateLimit": '"100-in-15min"; r=87; t=899'}, RateLimit(87, 899)),
        ({"RateLimit": '"a";r=50;t=5, "b";r=3;t=60'}, RateLimit(3, 60)),
        ({"RateLimit": "limit=100, remaining=5, reset=30"}, RateLimit(5, 30)),
        ({"RateLimit_Remaining": "7", "RateLimit_Reset": "20"}, RateLimit(7, 20)),
        ({"X_RateLimit_Remaining": "0", "X_RateLimit_Reset": str(NOW + 40)}, RateLimit(0, 40)),
        ({"Retry_After": "15"}, RateLimit(None, 15)),
        ({"Retry_After": "Fri, 15 Jan 2027 08:00:30 GMT"}, RateLimit(None, 30)),
        ({"X_RateLimit_Remaining": "many"}, RateLimit()),
    ],
)
def test_rate_limit_is_read_in_each_form_that_servers_use(
    headers: dict[str, str], limit: RateLimit
) -> None:
    assert read_rate_limit(make_response(**headers), NOW) == limit


@pytest.mark.parametrize(
    ("body", "wanted", "redirected", "problem"),
    [
        ("<title>Fleet</title>", None, False, None),
        ("<title>Fleet</title><body></body>", None, False, "is empty"),
        ('<body><div id="root"></div><script src="/app.js"></script></body>', None, False, None),
        (" \n", None, False, "is empty"),
        (LOGIN, None, False, "is a login form"),
        (LOGIN, "<title>Fleet</title>", False, "is a login form"),
        (SETTINGS, None, False, None),
        (SETTINGS, None, True, "is a login form"),
        ("<h1>Agents</h1>", "all is well", False, "does not contain 'all is well'"),
        ('{"error": "no database"}', None, False, "is an error as JSON: no database"),
        ('{"success": false, "message": "down"}', None, False, "is an error as JSON: down"),
        ('{"error": null, "agents": 3}', None, False, None),
        ("<title>502 Bad Gateway</title><h1>nginx</h1>", None, False, "is an error page"),
        ("<title>Welcome to nginx!</title><p>x</p>", None, False, "is an error page"),
        ("<title>Error budget</title><p>99.9 %</p>", None, False, None),
        ("<title>Error</title><p>12 errors</p>", "12 errors", False, None),
        ("<title>404: This page could not be found.</title>", None, False, "is an error page"),
        ("<title>Not Found | Fleet</title><p>x</p>", None, False, "is an error page"),
        ("<title>Fleet</title><h1>404</h1><h2>Page not found</h2>", None, False, "is an error"),
        ("<title>Site under maintenance</title><p>x</p>", None, False, "is an error page"),
        ("<title>x</title><h1>We&rsquo;ll be back soon!</h1>", None, False, "is an error page"),
        ("<h1>Fleet</h1><p>7 agents</p><h2>Maintenance</h2><p>none</p>", None, False, None),
        ("Cannot GET /", None, False, "is an error page: it reads 'Cannot GET /'"),
        ("<title>500 workers</title><h1>500 workers</h1>", None, False, None),
        ("<title>Fleet</title><h1>404</h1><p>agents are running</p>", None, False, None),
        (f"<title>Maintenance</title>{'<p>pump 7 is due</p>' * 40}", None, False, None),
        (f"<h1>Sign in</h1>{SETTINGS}", None, False, "is a login form"),
        (CONNECT, None, False, None),
        ('{"status": 503, "message": "down"}', None, False, "is an error as JSON: down"),
        ('{"status": "down", "db": {}}', None, False, "is an error as JSON"),
        ('{"message": "Unauthorized"}', None, False, "is an error as JSON: Unauthorized"),
        ('{"errors": [{"message": "no"}], "data": null}', None, False, "is an error as JSON: no"),
        ('{"errors": 5, "failed": 2, "workers": 3}', None, False, None),
        ("null", None, False, "is empty"),
    ],
)
def test_response_that_is_an_error_a_login_or_nothing_is_no_page(
    body: str, wanted: str | None, redirected: bool, problem: str | None
) -> None:
    kind = "application/json" if body[0] in "{n" else "text/html"
    response = make_response(body, content_type=kind)
    found = find_problem(response, read_content(response), wanted, redirected=redirected)
    assert (found is None) if problem is None else str(found).startswith(problem)


@pytest.mark.parametrize(
    ("kind", "problem"),
    [
        ("text/html", None),
        ("", None),
        ("application/octet-stream", "is no page: its content type is application/octet-stream"),
        ("image/png", "is no page: its content type is image/png"),
    ],
)
def test_response_of_another_type_is_no_page(kind: str, problem: str | None) -> None:
    response = make_response("content", **({"content_type": kind} if kind else {}))
    assert find_problem(response, read_content(response), None, redirected=False) == problem


def test_body_is_read_as_browsers_read_it() -> None:
    latin = {"content_type": "text/plain; charset=iso-8859-1"}
    body = "B\xe4r".encode("latin-1")
    response = msgspec.structs.replace(make_response(**latin), body=body)
    assert read_content(response).text == "B\xe4r"
    assert read_content(make_response("x", content_encoding="utf-8")).text == "x"


@pytest.mark.parametrize(
    ("html", "refresh"),
    [
        ('<meta http-equiv="refresh" content="0; url=/ui">', "/ui"),
        ("<META HTTP-EQUIV=Refresh CONTENT='1;URL=\"/ui\"'>", "/ui"),
        ('<meta http-equiv="refresh" content="60; url=/ui">', None),
        ('<meta http-equiv="refresh" content="5">', None),
        ('<noscript><meta http-equiv="refresh" content="0; url=/no"></noscript>', None),
        ('<script>window.location.href = "/ui"</script>', "/ui"),
        ('<script>location.replace("/ui")</script><p>agents</p>', None),
    ],
)
def test_page_that_leads_to_another_one_at_once_names_it(html: str, refresh: str | None) -> None:
    assert parse_page(html).refresh == refresh


@pytest.mark.parametrize(
    ("kind", "content_type", "body", "problem"),
    [
        ("script", "text/javascript", "1", None),
        ("script", "", "1", None),
        ("module", "text/javascript; charset=utf-8", "1", None),
        ("module", "text/plain", "1", "has the content type text/plain"),
        ("script", "text/javascript", " ", "is empty"),
        ("script", "application/octet-stream", "<!doctype html><p>x</p>", "is an HTML page"),
        ("stylesheet", "text/html", "", "is an HTML page"),
        ("stylesheet", "text/css", "", None),
    ],
)
def test_file_that_a_browser_cannot_use_is_named(
    kind: str, content_type: str, body: str, problem: str | None
) -> None:
    headers = {"content_type": content_type} if content_type else {}
    file = LoadedFile(kind, "/app.js")  # type: ignore[arg-type]
    found = find_file_problem(file, make_response(body, **headers))
    assert (found is None) if problem is None else str(found).startswith(problem)


def test_form_has_the_fields_that_a_browser_sends() -> None:
    (form,) = parse_page(
        '<form action="/in" method="POST"><input type="hidden" name="csrf" value="c&amp;1">'
        '<input type="email" name="mail"><input type=password name=pw>'
        '<input type="checkbox" name="keep" value="1" checked><input type="checkbox" name="not">'
        '<select name="realm"><option value="a">A<option value="b" selected>B</select>'
        '<input name="off" disabled><button name="go" value="1">In</button></form>'
    ).forms
    assert (form.action, form.method, form.user_field("pw")) == ("/in", "post", "mail")
    sent = {field.name: field.value for field in form.fields if field.submits}
    assert sent == {"csrf": "c&1", "mail": "", "pw": "", "keep": "1", "realm": "b"}
    assert form.is_login


@pytest.mark.parametrize(
    ("code", "text", "problem", "remedy"),
    [
        (pycurl.E_OPERATION_TIMEDOUT, "", "gives no whole response within 2 s", None),
        (pycurl.E_GOT_NOTHING, "", "closes the connection without", None),
        (pycurl.E_COULDNT_CONNECT, "refused", "can't be reached: refused", None),
        (60, "SSL: no alternative certificate subject name matches", "for another name", "name"),
        (60, "SSL certificate problem: self-signed certificate", "not trusted", "ca ="),
        (60, "SSL certificate problem: certificate has expired", "expired", "renew"),
        (56, "tlsv13 alert certificate required", "requires a client certificate", "certificate ="),
        (35, "wrong version number", "does not speak TLS", "http://"),
    ],
)
def test_error_of_libcurl_is_named_in_words_with_the_option_that_solves_it(
    code: int, text: str, problem: str, remedy: str | None
) -> None:
    found = explain(code, text, 2.0)
    assert problem in found.problem
    assert (remedy or "") in (found.remedy or "")


def test_site_needs_an_address_and_the_variable_of_its_secret(tmp_path: Path) -> None:
    with pytest.raises(NotApplicable):
        site_with(tmp_path)
    with pytest.raises(CheckFailed, match=r"dashboard\.url is not set"):
        site_with(tmp_path, websocket="ws://127.0.0.1:1/")
    login = {"method": "bearer", "secret_env": "FLOWHEALTH_TEST_UNSET"}
    site = site_with(tmp_path, url="http://127.0.0.1:1/", login=login)
    with pytest.raises(MeasurementUnavailable, match="FLOWHEALTH_TEST_UNSET"):
        _ = site.access
