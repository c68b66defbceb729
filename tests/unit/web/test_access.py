"""Who gets in, and what each of them may do: sessions, CSRF, tokens, one-time links, attempts."""

from pathlib import Path

import pytest

from pytest_flowhealth.web.login_throttle import WINDOW
from tests.kit.reports import HEALTHY
from tests.kit.web_app import ORIGIN, PASSWORD, WebApp, cheap_hash, web_app

PUBLIC = {
    "/status",
    "/badge/status.svg",
    "/badge/status/{component}.svg",
    "/badge/availability/{component}/{period}.svg",
}
OPEN = {
    "/livez",
    "/readyz",
    "/api/openapi.json",
    "/api/login",
    "/api/reports",
    "/api/reports/{id}",
    *PUBLIC,
}
SILENCE = {"pattern": "own.*", "seconds": 60}
HOUR = 3_600.0


@pytest.mark.parametrize("cookie", ["", "A" * 43, "../../etc/passwd"])
def test_nothing_but_the_open_endpoints_answers_without_a_session(app: WebApp, cookie: str) -> None:
    app.show()
    visitor = app.visitor()
    visitor.cookies = {"flowhealth-3001": cookie} if cookie else {}
    offers = [endpoint.route for endpoint in app.api.endpoints]
    assert len(offers) > 15
    for offer in offers:
        if offer.path not in OPEN:
            response = visitor.request(offer.method, offer.path.replace("{id}", "x"))
            assert (response.status, response.json) == (401, {"error": "log in first"}), offer.path


def test_what_is_open_reveals_nothing_of_the_target(app: WebApp) -> None:
    visitor = app.visitor()
    assert visitor.get("/livez")[::2] == (200, b"alive")
    assert visitor.get("/readyz")[::2] == (503, b"not ready")
    app.show()
    assert visitor.get("/readyz")[::2] == (200, b"ready")
    shell = visitor.get("/")
    assert shell.status == 200
    assert "shop" not in shell.text


def test_the_right_password_begins_a_session_of_eight_hours(app: WebApp) -> None:
    visitor = app.visitor()
    cookie = visitor.log_in().headers["set-cookie"]

    assert {"HttpOnly", "SameSite=strict", "Max-Age=28800", "Path=/"} <= {*cookie.split("; ")}
    assert "Secure" not in cookie
    assert visitor.get("/api/session").json["user"] == "admin"
    assert app.noted("log-in") == [{"user": "admin", "address": "127.0.0.1"}]
    app.clock.at += 8 * HOUR - 1
    assert visitor.get("/api/session").status == 200
    app.clock.at += 1
    assert visitor.get("/api/session").status == 401


def test_a_log_in_begins_a_new_session_that_a_log_out_ends(app: WebApp) -> None:
    visitor = app.visitor()
    seen = []
    for _ in range(2):
        visitor.cookies.setdefault("flowhealth-3001", "chosen")
        seen.append(dict(visitor.cookies))
        visitor.log_in()
    seen.append(dict(visitor.cookies))
    response = visitor.change("/api/logout")
    assert response.status == 204
    assert "Max-Age=0" in response.headers["set-cookie"]

    assert len({cookies["flowhealth-3001"] for cookies in seen}) == 3
    for cookies in seen:
        visitor.cookies = cookies
        assert visitor.get("/api/state").status == 401


def test_a_session_is_ended_from_another(app: WebApp) -> None:
    visitor, other = app.admin(), app.admin()
    sessions = visitor.get("/api/sessions").json["sessions"]
    (name,) = [session["id"] for session in sessions if session["current"]]

    assert len(sessions) == 2
    assert other.change(f"/api/sessions/{name}", method="DELETE").status == 204
    assert visitor.get("/api/state").status == 401
    assert other.get("/api/state").status == 200
    assert other.change("/api/sessions/nothing", method="DELETE").status == 404


@pytest.mark.parametrize(
    ("headers", "error"),
    [
        ({"x_csrf_token": "0" * 64}, "CSRF token is missing or wrong"),
        ({"origin": "https://evil.example"}, "another site's page"),
        ({"origin": ""}, "another site's page"),
    ],
)
def test_a_page_of_another_site_changes_nothing(
    app: WebApp, headers: dict[str, str], error: str
) -> None:
    visitor = app.admin()
    for offer in (endpoint.route for endpoint in app.api.endpoints if endpoint.changes):
        if offer.scope == "write":
            path = offer.path.replace("{id}", "x")
            response = visitor.change(path, SILENCE, offer.method, **headers)
            assert response.status == 403, path
            assert error in response.json["error"]
    assert not app.noted("silenced")


def test_a_form_of_another_site_can_neither_send_json_nor_log_in(app: WebApp) -> None:
    visitor = app.admin()
    assert visitor.change("/api/silences", SILENCE, content_type="text/plain").status == 415
    assert visitor.log_in(origin="https://evil.example").status == 403


def test_a_configured_origin_is_the_page_s_own(tmp_path: Path) -> None:
    config = (
        f'[web]\nusers = {{ admin = "{cheap_hash()}" }}\norigins = ["https://health.example"]\n'
    )
    with web_app(tmp_path / "app", config) as app:
        visitor = app.visitor()
        assert visitor.log_in(origin="https://health.example").status == 200
        assert visitor.log_in(origin="https://health.example.evil").status == 403


def test_the_websocket_needs_a_session_of_the_own_page_or_a_token_that_may_read(
    app: WebApp,
) -> None:
    app.show()
    admin = app.admin()

    assert admin.listen("/api/live", origin=ORIGIN)[0] == 101
    assert admin.listen("/api/live", origin="https://evil.example")[0] == 403
    assert admin.listen("/api/live")[0] == 403
    assert app.visitor().listen("/api/live", origin=ORIGIN)[0] == 401
    assert app.visitor(token="reader").listen("/api/live")[0] == 101
    assert app.visitor(token="scraper").listen("/api/live")[0] == 403


@pytest.mark.parametrize(
    ("token", "codes"),
    [
        ("reader", {"/api/state": 200, "/metrics": 403, "/health": 200, "/api/sessions": 403}),
        ("scraper", {"/api/state": 403, "/metrics": 200, "/health": 403}),
        ("reporter", {"/api/state": 403, "/metrics": 403, "/health": 403}),
        ("both", {"/api/state": 200, "/metrics": 200, "/health": 200, "/api/sessions": 403}),
        ("unknown", {"/api/state": 401, "/metrics": 401, "/health": 401}),
        ("", {"/api/state": 401, "/metrics": 401, "/health": 401}),
    ],
)
def test_a_token_opens_its_scope_and_changes_nothing(
    app: WebApp, token: str, codes: dict[str, int]
) -> None:
    app.show(HEALTHY)
    visitor = app.visitor(token=token)
    assert {path: visitor.get(path).status for path in codes} == codes
    assert visitor.change("/api/silences", SILENCE).status in (401, 403)


def test_guesses_are_slowed_then_refused_and_the_owner_gets_in_from_elsewhere(app: WebApp) -> None:
    guesser = app.visitor("192.0.2.66")
    codes = [guesser.log_in(f"guess {number}").status for number in range(11)]

    assert codes == [401] * 10 + [429]
    assert app.clock.waited == [0, 0, 0, 0.5, 1, 2, 4, 4, 4, 4]
    refused = guesser.log_in()
    assert refused.status == 429
    assert 0 < int(refused.headers["retry-after"]) <= WINDOW
    assert len(app.noted("log-in refused")) == 10
    assert len(app.noted("log-in refused: too many attempts")) == 1
    assert app.visitor("192.0.2.67").log_in().status == 200
    app.clock.at += WINDOW
    assert guesser.log_in().status == 200


def test_an_unknown_name_gets_the_answer_of_a_wrong_password(app: WebApp) -> None:
    visitor = app.visitor()
    responses = [visitor.log_in("wrong", user) for user in ("admin", "nobody", "")]
    assert {(response.status, response.text) for response in responses} == {
        (401, '{"error":"the name or the password is wrong"}')
    }


def test_a_one_time_link_opens_once_and_the_next_is_printed(tmp_path: Path) -> None:
    with web_app(tmp_path / "app", "[web]\n") as app:
        first, late = app.visitor(), app.visitor()
        # A look uses no link up, and wrong ones lock nobody out.
        assert "set-cookie" not in first.request("HEAD", f"/?token={app.links[0]}").headers
        for _ in range(20):
            assert late.get("/?token=wrong").headers["location"] == "/login?link=used"
        assert first.get(f"/?token={app.links[0]}").status == 200
        assert first.get("/api/session").json["user"] == "local"

        assert late.get(f"/?token={app.links[0]}").headers["location"] == "/login?link=used"
        assert late.get("/api/state").status == 401
        assert late.get(f"/?token={app.links[1]}").status == 200
        # Without passwords nobody logs in by an empty one.
        assert app.visitor().log_in("").status == 401


def test_a_link_is_void_once_there_are_passwords_and_comes_back_without(tmp_path: Path) -> None:
    with web_app(tmp_path / "app", "[web]\n") as app:
        local = app.visitor()
        local.get(f"/?token={app.links[0]}")
        unused = app.links[-1]
        app.change_users(ann=cheap_hash())
        visitor = app.visitor()
        assert local.get("/api/state").status == 401
        assert app.visitor().get(f"/?token={unused}").headers["location"] == "/login"
        assert visitor.log_in(PASSWORD, "ann").status == 200

        app.change_users()
        assert app.links[-1] != unused
        assert visitor.get("/api/state").status == 401
        assert visitor.get(f"/?token={app.links[-1]}").status == 200


def test_every_answer_says_what_browsers_may_do(app: WebApp) -> None:
    visitor = app.visitor()
    for path in ("/", "/login", "/api/state", "/static/app.js", "/nothing/here", "/livez"):
        headers = visitor.get(path).headers
        policy = headers["content-security-policy"]
        assert "script-src 'self'" in policy
        assert "unsafe" not in policy
        assert "frame-ancestors 'none'" in policy
        assert headers["x-content-type-options"] == "nosniff"
        assert "strict-transport-security" not in headers


def test_a_name_or_a_path_adds_no_header_and_no_line(app: WebApp) -> None:
    visitor = app.admin()
    hostile = "x%0d%0aSet-Cookie:%20a=b"
    for path in (f"/check/{hostile}", f"/?token={hostile}", f"/api/metrics?prefix={hostile}"):
        assert "a=b" not in str(visitor.get(path).headers)
    visitor.log_in("wrong", 'a\r\n{"event": "log-in", "user": "root"}')
    (noted,) = app.noted("log-in refused")
    assert "\n" not in noted["user"]
    assert "root" in noted["user"]
