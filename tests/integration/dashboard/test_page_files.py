"""Pages that scripts fill: their files are requested, and their logins are verified."""

import pytest

from pytest_flowhealth.errors import CheckFailed
from pytest_flowhealth.probes.dashboard import load, page_files
from pytest_flowhealth.probes.dashboard.load import measure_responses
from pytest_flowhealth.probes.dashboard.page import inspect_page
from tests.kit.dashboard import MakeSite
from tests.kit.http import HttpServer, Reply, Request

SHELL = (
    b'<title>Fleet</title><link rel="stylesheet" href="/app.css"><div id="root"></div>'
    b'<script type="module" src="/assets/app.js"></script>'
)
TEXT = b'<title>Fleet</title><h1>12 agents</h1><script src="/assets/app.js"></script>'
HTML = {"content-type": "text/html"}
SCRIPT = Reply(b"start()", headers={"content-type": "text/javascript"})


def serve(page: bytes, script: Reply, style: Reply = Reply(b"p{}")) -> object:  # noqa: B008  # immutable
    def respond(request: Request) -> Reply:
        return {"/": Reply(page, headers=HTML), "/assets/app.js": script}.get(request.path, style)

    return respond


@pytest.mark.parametrize(
    ("page", "script", "problem"),
    [
        (SHELL, SCRIPT, None),
        (
            SHELL,
            Reply(status=404),
            "shows nothing: its script /assets/app.js responds with status 404",
        ),
        (SHELL, Reply(SHELL, headers=HTML), "its script /assets/app.js is an HTML page"),
        (TEXT, Reply(status=404), None),
    ],
)
def test_page_whose_scripts_are_missing_shows_nothing(
    make_site: MakeSite, page: bytes, script: Reply, problem: str | None
) -> None:
    with HttpServer(serve(page, script)) as server:  # type: ignore[arg-type]
        site = make_site(url=f"{server.url}/")
        if problem is not None:
            with pytest.raises(CheckFailed, match=problem):
                inspect_page(site)
            return
        warnings = inspect_page(site).warnings
        assert len(warnings) == (0 if script is SCRIPT else 1)


def test_files_are_requested_as_browsers_do_and_not_as_pages(make_site: MakeSite) -> None:
    def respond(request: Request) -> Reply:
        # Vite, and other servers of single pages, give the page to whom accepts HTML.
        if request.path == "/" or "text/html" in request.headers["accept"]:
            return Reply(SHELL, headers=HTML)
        return SCRIPT if request.path.endswith(".js") else Reply(b"p{}")

    with HttpServer(respond) as server:
        assert inspect_page(make_site(url=f"{server.url}/")).warnings == ()


def test_missing_stylesheet_warns_and_a_limit_is_no_missing_file(
    make_site: MakeSite, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(page_files, "_PAUSE", 0.0)
    with HttpServer(serve(SHELL, SCRIPT, Reply(status=404))) as server:  # type: ignore[arg-type]
        (warning,) = inspect_page(make_site(url=f"{server.url}/")).warnings
        assert "/app.css" in warning
    replies = [Reply(SHELL, headers=HTML), Reply(b"p{}"), Reply(status=503), SCRIPT]
    with HttpServer(replies) as server:
        assert inspect_page(make_site(url=f"{server.url}/")).warnings == ()
    with HttpServer([Reply(SHELL, headers=HTML), Reply(status=429)]) as server:
        assert inspect_page(make_site(url=f"{server.url}/")).warnings == ()


@pytest.mark.parametrize(("password", "is_doubtful"), [("right", False), ("wrong", True)])
def test_login_that_neither_its_response_nor_the_page_confirms_warns(
    make_site: MakeSite, password: str, is_doubtful: bool
) -> None:
    def respond(request: Request) -> Reply:
        if request.path != "/api/login":
            return serve(SHELL, SCRIPT)(request)  # type: ignore[operator,no-any-return]
        good = request.json["password"] == "right"
        content = {"user": {"id": 1}} if good else {"message": "no such user"}
        return Reply.of_json(content, set_cookie="sid=1; Path=/")

    with HttpServer(respond) as server:
        login = {"method": "json", "url": f"{server.url}/api/login", "secret": password}
        warnings = inspect_page(make_site(url=f"{server.url}/", login=login)).warnings
    assert [("login" in text) for text in warnings] == [True] * is_doubtful


def test_form_that_is_shown_again_refuses_the_login_however_much_text_is_beside_it(
    make_site: MakeSite,
) -> None:
    form = (
        '<form method="post" action="/in"><input name="u"><input type="password" name="p"></form>'
    )
    page = Reply(f"<h1>Our product</h1>{'<p>is great</p>' * 90}{form}".encode(), headers=HTML)
    with HttpServer([page]) as server:
        url = f"{server.url}/"
        login = {"method": "form", "url": url, "user": "ann", "secret": "wrong"}
        with pytest.raises(CheckFailed, match="shows its form again"):
            inspect_page(make_site(url=url, login=login))


@pytest.mark.parametrize("status", [429, 503])
def test_server_that_refuses_quick_requests_is_asked_slowly(
    make_site: MakeSite, monkeypatch: pytest.MonkeyPatch, status: int
) -> None:
    monkeypatch.setattr(load, "SLOWEST", 0.05)
    monkeypatch.setattr(load, "_UNKNOWN_PAUSE", 0.0)
    refusing = iter([False] * 8 + [True])

    def respond(_: Request) -> Reply:
        return Reply(status=status) if next(refusing, False) else Reply(TEXT, headers=HTML)

    with HttpServer(respond) as server:
        times = measure_responses(make_site(url=f"{server.url}/", requests=20))
    assert (len(times.fresh), len(times.kept), times.failures) == (20, 20, {})
    assert f"refused requests that came quickly (status {status})" in (times.limited or "")
    # A limit is by design; a server that is unavailable for a moment is not.
    assert times.refused is (status == 503)


def test_server_that_is_unavailable_to_slow_requests_too_fails_them(
    make_site: MakeSite, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(load, "SLOWEST", 0.01)
    monkeypatch.setattr(load, "_UNKNOWN_PAUSE", 0.0)
    with HttpServer([Reply(TEXT, headers=HTML)] * 8 + [Reply(status=503)]) as server:
        times = measure_responses(make_site(url=f"{server.url}/", requests=20))
    assert times.failures == {"responds with status 503": 40}


def test_page_that_becomes_another_one_under_load_is_a_failure(make_site: MakeSite) -> None:
    with HttpServer([Reply(TEXT, headers=HTML)] * 9 + [Reply(b"", headers=HTML)]) as server:
        times = measure_responses(make_site(url=f"{server.url}/", requests=20))
    assert times.failures["is empty"] > 20
