"""Who gets in, and who does not: against a real monitor's page."""

from __future__ import annotations

import contextlib
import hashlib
import json
import signal
import socket
import sqlite3
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from pytest_flowhealth.web.passwords import require_passwords
from pytest_flowhealth.web.past import SILENCES
from tests.kit.site import PASSWORD, Site, Visitor, site, wait_for

TOKENS = {"reader": "read", "scraper": "metrics", "reporter": "report"}


def config() -> str:
    made = {name: hashlib.sha256(name.encode()).hexdigest() for name in TOKENS}
    lines = [
        f'{name} = {{ sha256 = "{made[name]}", scopes = ["{scope}"] }}'
        for name, scope in TOKENS.items()
    ]
    return "[web.tokens]\n" + "\n".join(lines)


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    folder = tmp_path_factory.mktemp("web") / "app"
    with site(folder, config(), FLOWHEALTH_WEB_TOKEN="both-of-them") as found:
        found.start(interval="5s")
        yield found


PATHS = (
    *("api/state", "api/session", "api/sessions", "api/report", "api/metrics", "api/runs"),
    *("api/series?metric=system.cpu&since=1&until=2", "api/events", "api/hosts", "api/installs"),
    *("health", "metrics"),
)


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("cookie", [None, "A" * 43, "../../etc/passwd"])
def test_nobody_sees_anything_without_a_session(page: Site, path: str, cookie: str | None) -> None:
    cookies = {page.cookie: cookie} if cookie else {}
    answer = requests.get(f"{page.url}{path}", cookies=cookies, timeout=10)
    assert answer.status_code == 401
    assert answer.json() == {"error": "log in first"}


def test_what_is_open_to_all_tells_nothing(page: Site) -> None:
    told = {path: requests.get(page.url + path, timeout=10) for path in ("livez", "readyz")}
    assert {one.text for one in told.values()} == {"alive", "ready"}
    shell = requests.get(page.url, timeout=10)
    assert shell.status_code == 200
    assert "app" not in shell.text.replace("app.js", "")


def test_the_right_password(page: Site) -> None:
    visitor = Visitor(page)
    answer = visitor.log_in()
    assert answer.status_code == 200
    cookie = answer.headers["Set-Cookie"]
    assert all(word in cookie for word in ("HttpOnly", "SameSite=strict", "Max-Age=28800"))
    assert visitor.get("api/session").json()["user"] == "admin"
    wait_for(lambda: any(one["user"] == "admin" for one in page.monitor.events("log-in")))


def test_the_session_is_a_new_one_whatever_cookie_came_along(page: Site) -> None:
    visitor = Visitor(page)
    visitor.session.cookies.set(page.cookie, "chosen-by-somebody-else", domain="127.0.0.1")
    visitor.session.cookies.clear()
    known = requests.post(
        f"{page.url}api/login",
        json={"user": "admin", "password": PASSWORD},
        cookies={page.cookie: "chosen"},
        headers={"Origin": page.url.rstrip("/")},
        timeout=10,
    )
    assert known.cookies[page.cookie] != "chosen"
    assert (
        requests.get(
            f"{page.url}api/state", cookies={page.cookie: "chosen"}, timeout=10
        ).status_code
        == 401
    )


def test_log_out_ends_the_session(page: Site) -> None:
    visitor = Visitor(page)
    visitor.log_in()
    kept = dict(visitor.session.cookies)
    assert visitor.change("api/logout").status_code == 204
    again = requests.get(f"{page.url}api/state", cookies=kept, timeout=10)
    assert again.status_code == 401


def test_a_session_is_ended_from_another(page: Site) -> None:
    one, other = Visitor(page), Visitor(page)
    one.log_in()
    other.log_in()
    found = other.get("api/sessions").json()["sessions"]
    current = [each for each in found if each["current"]]
    assert len(current) == 1
    mine = one.get("api/sessions").json()["sessions"]
    name = next(each["id"] for each in mine if each["current"])

    assert other.change(f"api/sessions/{name}", method="DELETE").status_code == 204
    assert one.get("api/state").status_code == 401
    assert other.get("api/state").status_code == 200
    assert other.change("api/sessions/nothing", method="DELETE").status_code == 404


SILENCE = {"pattern": "own.*", "seconds": 60}


@pytest.mark.parametrize(
    ("headers", "said"),
    [
        ({"X_CSRF_Token": ""}, "CSRF token is missing or wrong"),
        ({"X_CSRF_Token": "0" * 64}, "CSRF token is missing or wrong"),
        ({"Origin": "https://evil.example"}, "another site's page"),
        ({"Origin": "null"}, "another site's page"),
        ({"Origin": ""}, "another site's page"),
    ],
)
def test_another_sites_page_changes_nothing(page: Site, headers: dict[str, str], said: str) -> None:
    visitor = Visitor(page)
    visitor.log_in()
    answer = visitor.change("api/silences", SILENCE, **headers)
    assert answer.status_code == 403
    assert said in answer.json()["error"]


def test_a_form_of_another_site_can_not_send_the_body(page: Site) -> None:
    visitor = Visitor(page)
    visitor.log_in()
    answer = visitor.change("api/silences", SILENCE, Content_Type="text/plain")
    assert answer.status_code == 415
    foreign = visitor.change(
        "api/login", {"user": "admin", "password": PASSWORD}, Origin="https://evil.example"
    )
    assert foreign.status_code == 403


def _socket(page: Site, **headers: str) -> int:
    address = page.url.replace("http", "ws", 1) + "api/live"
    try:
        with connect(address, additional_headers=headers, proxy=None) as opened:
            opened.recv(timeout=5)
            return 101
    except InvalidStatus as error:
        return error.response.status_code


def test_the_websocket_asks_who_and_from_where(page: Site) -> None:
    visitor = Visitor(page)
    visitor.log_in()
    cookie = f"{page.cookie}={visitor.session.cookies[page.cookie]}"
    own = page.url.rstrip("/")
    assert _socket(page, Cookie=cookie, Origin=own) == 101
    assert _socket(page, Cookie=cookie, Origin="https://evil.example") == 403
    assert _socket(page, Cookie=cookie) == 403
    assert _socket(page, Origin=own) == 401
    assert _socket(page, Authorization="Bearer reader") == 101
    assert _socket(page, Authorization="Bearer scraper") == 403


@pytest.mark.parametrize(
    ("token", "codes"),
    [
        ("reader", {"api/state": 200, "metrics": 403, "health": 200}),
        ("scraper", {"api/state": 403, "metrics": 200, "health": 403}),
        ("reporter", {"api/state": 403, "metrics": 403, "health": 403}),
        ("both-of-them", {"api/state": 200, "metrics": 200, "health": 200}),
        ("unknown", {"api/state": 401, "metrics": 401, "health": 401}),
        ("", {"api/state": 401, "metrics": 401, "health": 401}),
    ],
)
def test_a_token_opens_its_scope_and_changes_nothing(
    page: Site, token: str, codes: dict[str, int]
) -> None:
    visitor = Visitor(page)
    visitor.session.headers["Authorization"] = f"Bearer {token}"
    assert {path: visitor.get(path).status_code for path in codes} == codes
    assert visitor.change("api/silences", SILENCE).status_code in (401, 403)


def test_guessing_is_slowed_then_refused_and_the_owner_gets_in_from_elsewhere(page: Site) -> None:
    guesser = Visitor(page, "127.0.0.66")
    codes, longest = [], 0.0
    for number in range(11):
        began = time.monotonic()
        answer = guesser.log_in(f"guess {number}")
        codes.append(answer.status_code)
        longest = max(longest, time.monotonic() - began)
    assert codes == [401] * 10 + [429]
    assert longest >= 4.0
    refused = guesser.log_in()
    assert refused.status_code == 429
    assert 0 < int(refused.headers["Retry-After"]) <= 900

    assert Visitor(page, "127.0.0.67").log_in().status_code == 200


def test_an_unknown_name_is_told_like_a_wrong_password(page: Site) -> None:
    answers = [Visitor(page, "127.0.0.70").log_in("x", user) for user in ("admin", "nobody", "")]
    assert {(one.status_code, one.text) for one in answers} == {
        (401, '{"error":"the name or the password is wrong"}')
    }


@pytest.mark.parametrize(
    "path",
    [
        "static/../page.py",
        "static/%2e%2e/page.py",
        "static/..%2fpage.py",
        "static/%252e%252e/page.py",
        "static//etc/passwd",
        "static/....//page.py",
    ],
)
def test_no_way_out_of_the_folder(page: Site, path: str) -> None:
    with socket.create_connection(("127.0.0.1", page.port)) as raw:
        raw.sendall(f"GET /{path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
        answer = b"".join(iter(lambda: raw.recv(65_536), b""))
    assert answer.startswith(b"HTTP/1.1 404")
    assert b"import" not in answer


def test_large_bodies(page: Site) -> None:
    visitor = Visitor(page, "127.0.0.71")
    before = page.monitor.process
    for content in ("x" * 10_000_000, "[" * 60_000):
        try:
            answer = visitor.change("api/login", content)
        except requests.ConnectionError:
            continue  # refused while it was still being sent
        assert answer.status_code in (400, 413)
    assert before is not None
    assert before.poll() is None
    assert Visitor(page, "127.0.0.72").log_in().status_code == 200


def test_slow_requests_are_ended(page: Site) -> None:
    head = b"POST /api/login HTTP/1.1\r\nHost: x\r\n"
    body = (
        head + b"Origin: http://x\r\nContent-Type: application/json\r\nContent-Length: 99\r\n\r\n{"
    )
    sockets = [socket.create_connection(("127.0.0.1", page.port), timeout=30) for _ in range(3)]
    for one, content in zip(sockets, (b"", head, body), strict=True):
        one.sendall(content)
    answers = [b"".join(iter(lambda one=one: _received(one), b"")) for one in sockets]  # type: ignore[misc]
    assert answers[:2] == [b"", b""]
    assert answers[2].startswith(b"HTTP/1.1 408")
    for one in sockets:
        one.close()


def _received(one: socket.socket) -> bytes:
    try:
        return one.recv(65_536)
    except ConnectionError:
        return b""


def test_headers_can_not_be_made(page: Site) -> None:
    visitor = Visitor(page)
    visitor.log_in()
    hostile = "x%0d%0aSet-Cookie:%20a=b"
    for path in (
        f"check/{hostile}",
        f"?token={hostile}",
        f"api/series?metric={hostile}&since=1&until=2",
    ):
        answer = visitor.get(path)
        assert "a=b" not in str(answer.headers)
    # A name with a line's end is no line of its own in what the monitor tells.
    visitor.log_in("x", 'a\r\n{"event": "log-in", "user": "root"}')
    wait_for(lambda: any("root" in str(one) for one in page.monitor.events("log-in refused")))
    assert not any(one.get("user") == "root" for one in page.monitor.events("log-in"))


def test_every_answer_says_what_browsers_may_do(page: Site) -> None:
    for path in ("", "login", "api/state", "static/app.js", "nothing/here", "livez"):
        headers = requests.get(page.url + path, timeout=10).headers
        policy = headers["Content-Security-Policy"]
        assert "script-src 'self'" in policy
        assert "unsafe" not in policy
        assert "frame-ancestors 'none'" in policy
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert "Strict-Transport-Security" not in headers


def test_silences_and_acknowledgements_leave_a_line(page: Site) -> None:
    visitor = Visitor(page)
    visitor.log_in()
    made = visitor.change("api/silences", {**SILENCE, "reason": "work"})
    assert made.status_code == 201, made.text
    name = made.json()["id"]
    wait_for(lambda: f"silence:{name}" in page.state(visitor))
    assert visitor.change(f"api/silences/{name}", method="DELETE").status_code == 204
    assert visitor.change(f"api/silences/{name}", method="DELETE").status_code == 404
    wait_for(lambda: f"silence:{name}" not in page.state(visitor))
    lines = [one for one in page.monitor.events("silenced") if one["alert"] == "own.*"]
    assert lines
    assert (lines[0]["user"], lines[0]["address"]) == ("admin", "127.0.0.1")
    assert visitor.change("api/acknowledgements", {"alert": "nothing"}).status_code == 404


@pytest.mark.parametrize(
    "content",
    [
        {},
        {"pattern": "x"},
        {"pattern": "", "seconds": 5},
        {"pattern": "x", "seconds": -5},
        {"pattern": "x", "seconds": 1e12},
        {"pattern": "x", "seconds": 5, "more": 1},
        [],
        None,
    ],
)
def test_bodies_that_can_not_be_meant(page: Site, content: object) -> None:
    visitor = Visitor(page)
    visitor.log_in()
    answer = visitor.change("api/silences", content)
    assert answer.status_code == 400
    assert "can't be meant" in answer.json()["error"]


@pytest.mark.parametrize(
    "path",
    [
        "api/series",
        "api/series?metric=a&since=x&until=2",
        "api/series?metric=a&since=5&until=2",
        "api/series?metric=a&since=nan&until=2",
        "api/series?metric=a&since=1&until=2&points=-1",
        "api/runs?limit=99999999999999999",
        "api/events?since=-5",
    ],
)
def test_queries_that_can_not_be_meant(page: Site, path: str) -> None:
    visitor = Visitor(page)
    visitor.log_in()
    assert visitor.get(path).status_code == 400


def test_by_a_link_that_opens_once(tmp_path: Path) -> None:
    with site(tmp_path / "app", password=None) as page:
        page.start(interval="5s")
        link = page.link
        visitor = Visitor(page)
        assert visitor.enter().status_code == 200
        assert visitor.get("api/session").json()["user"] == "local"

        other = Visitor(page)
        assert (
            other.session.get(link, timeout=10, allow_redirects=False).headers["Location"]
            == "/login?link=used"
        )
        assert other.get("api/state").status_code == 401
        wait_for(lambda: page.link != link)
        assert other.enter().status_code == 200
        # Without passwords nobody logs in by one.
        assert Visitor(page).log_in("").status_code == 401

        # Who is logged in stays so over a restart of the monitor.
        kept = dict(visitor.session.cookies)
        page.monitor.end()
        page.start(interval="5s", dashboard=str(page.port))
        assert requests.get(f"{page.url}api/state", cookies=kept, timeout=10).status_code == 200
        assert oct((tmp_path / "app/kept/web-sessions.json").stat().st_mode)[-3:] == "600"


def test_the_link_is_void_once_there_are_passwords_and_comes_back_without(tmp_path: Path) -> None:
    hashed = require_passwords().made(PASSWORD)
    with site(tmp_path / "app", password=None) as page:
        page.start(interval="5s")
        link = page.link
        toml = page.monitor.project / "flowhealth.toml"
        before = toml.read_text()
        toml.write_text(f'{before}\n[web]\nusers = {{ ann = "{hashed}" }}\n')
        page.monitor.send(signal.SIGHUP)
        visitor = Visitor(page)
        wait_for(lambda: visitor.log_in(user="ann").ok)
        late = Visitor(page)
        answer = late.session.get(link, timeout=10, allow_redirects=False)
        assert answer.headers["Location"] == "/login"
        assert late.get("api/state").status_code == 401

        toml.write_text(before)
        page.monitor.send(signal.SIGHUP)
        wait_for(lambda: page.link != link)
        assert Visitor(page).enter().status_code == 200
        assert visitor.get("api/state").status_code == 401


def test_links_of_others_lock_nobody_out_and_a_look_uses_none_up(tmp_path: Path) -> None:
    with site(tmp_path / "app", password=None) as page:
        page.start(interval="5s")
        visitor = Visitor(page)
        for _ in range(20):
            visitor.session.get(f"{page.url}?token=x", timeout=10, allow_redirects=False)
        assert visitor.session.head(page.link, timeout=10).headers.get("set-cookie") is None
        assert visitor.enter().status_code == 200


def test_there_are_only_so_many_silences(tmp_path: Path) -> None:
    with site(tmp_path / "app") as page:
        page.start(interval="5s")
        visitor = Visitor(page)
        visitor.log_in()
        with contextlib.closing(sqlite3.connect(page.monitor.history)) as file, file:
            file.executemany(
                "INSERT INTO silences VALUES (?, 'x', 0, 1e12, '', '')",
                [(str(number),) for number in range(SILENCES)],
            )
        answer = visitor.change("api/silences", {"pattern": "own.*", "seconds": 60})
        assert answer.status_code == 409
        assert "end some first" in answer.json()["error"]


@pytest.mark.filterwarnings("ignore:Unverified HTTPS request")
def test_under_tls(tmp_path: Path) -> None:
    words = '[web]\ncertificate = "cert.pem"\nkey = "key.pem"\n'
    with site(tmp_path / "app", words) as page:
        made = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"]
        made += ["-subj", "/CN=127.0.0.1", "-keyout", "key.pem", "-out", "cert.pem"]
        subprocess.run(made, cwd=tmp_path / "app", check=True, capture_output=True)
        page.start(interval="5s", dashboard="0.0.0.0:0")
        assert page.url.startswith("https://")
        visitor = Visitor(page)
        answer = visitor.log_in()
        state = visitor.get("api/state")
        assert f"__Host-{page.cookie}=" in answer.headers["Set-Cookie"]
        assert "Secure" in answer.headers["Set-Cookie"]
        assert state.status_code == 200
        assert state.headers["Strict-Transport-Security"] == "max-age=31536000"


def test_the_report_and_the_description(page: Site) -> None:
    visitor = Visitor(page)
    visitor.log_in()
    assert visitor.get("api/report").json()["health"]["checks"][0]["id"] == "own.switch"
    described = requests.get(f"{page.url}api/openapi.json", timeout=10).json()
    assert described["openapi"] == "3.1.0"
    text = json.dumps(described)
    schemas = described["components"]["schemas"]
    for reference in {part.split('"')[0] for part in text.split("#/components/schemas/")[1:]}:
        assert reference in schemas
    # Every path that is described is there.
    for path, methods in described["paths"].items():
        for method in methods:
            real = path.lstrip("/").replace("{id}", "x")
            answer = visitor.session.request(method, page.url + real, timeout=10)
            assert answer.status_code not in (404, 405, 500) or "{id}" in path, path
