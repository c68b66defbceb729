"""The client: what it asks, when it asks again, and what it never does."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from pytest_flowhealth.feedback.github.answers import Issue, Label
from pytest_flowhealth.feedback.github.client import Client, Time
from pytest_flowhealth.feedback.github.failure import (
    GitHubError,
    Limited,
    Lost,
    Refused,
    Unreachable,
)
from tests.kit.github import REPOSITORY, TOKEN, Clock, GitHubServer


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def github(clock: Clock) -> Iterator[GitHubServer]:
    with GitHubServer(clock.now) as server:
        yield server


def client(github: GitHubServer, clock: Clock, token: str | None = TOKEN) -> Client:
    at = Time(clock.now, clock.now, clock.pass_by)
    return Client(REPOSITORY, token, api=github.url, at=at)


@pytest.mark.parametrize("fault", ["500", "503", "cut", "half"])
def test_reading_is_tried_again(github: GitHubServer, clock: Clock, fault: str) -> None:
    github.open()
    github.fault = lambda _, count: fault if count < 3 else None

    assert len(client(github, clock).pages("issues", Issue, 1)) == 1
    assert len(github.asked) == 3


def test_reading_is_not_tried_for_ever(github: GitHubServer, clock: Clock) -> None:
    github.fault = lambda *_: "503"
    before = clock.at

    with pytest.raises(Lost, match="answers with status 503"):
        client(github, clock).get("issues/1", Issue)

    assert len(github.asked) == 4
    assert clock.at - before < 20


@pytest.mark.parametrize("fault", ["500", "done cut", "garbage", "done 502"])
def test_making_is_never_tried_again_where_it_may_be_done(
    github: GitHubServer, clock: Clock, fault: str
) -> None:
    github.fault = lambda *_: fault

    with pytest.raises(Lost):
        client(github, clock).post("labels", {"name": "x"}, Label)

    assert len(github.asked) == 1


def test_making_is_tried_again_where_it_is_not_done(github: GitHubServer, clock: Clock) -> None:
    github.fault = lambda _, count: "429" if count < 3 else None

    assert client(github, clock).post("labels", {"name": "x"}, Label).name == "x"
    assert len(github.asked) == 3


def test_nobody_listens(clock: Clock) -> None:
    at = Time(clock.now, clock.now, clock.pass_by)
    nobody = Client(REPOSITORY, TOKEN, api="http://127.0.0.1:9", at=at)
    with pytest.raises(Unreachable, match="the connection is refused"):
        nobody.post("labels", {"name": "x"}, Label)


def test_a_host_without_an_address(clock: Clock) -> None:
    at = Time(clock.now, clock.now, clock.pass_by)
    nobody = Client(REPOSITORY, TOKEN, api="https://nowhere.invalid", at=at)
    with pytest.raises(Unreachable) as caught:
        nobody.get("", Label)
    assert TOKEN not in str(caught.value)


LIMITS = [
    (403, {"Retry-After": "30"}, 30.0),
    (429, {"Retry-After": "30"}, 30.0),
    (403, {"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": "{now+120}"}, 120.0),
    (403, {"X-RateLimit-Remaining": "0"}, 60.0),
    (429, {}, 60.0),
    (429, {"Retry-After": "soon"}, 60.0),
    (403, {"Retry-After": "999999999"}, 86_400.0),
    (403, {"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": "1"}, 1.0),
]


@pytest.mark.parametrize(("status", "headers", "wait"), LIMITS)
def test_how_long_it_is_to_wait(
    github: GitHubServer, clock: Clock, status: int, headers: dict[str, str], wait: float
) -> None:
    reset = str(int(clock.at) + 120)
    github.headers = {name: text.replace("{now+120}", reset) for name, text in headers.items()}
    github.status["/issues/1"] = (status, "Please wait.")
    before = clock.at

    with pytest.raises(Limited) as caught:
        client(github, clock).get("issues/1", Issue)

    if wait > 20:
        assert caught.value.until == pytest.approx(before + wait, abs=1.1)
        assert len(github.asked) == 1
    else:
        assert len(github.asked) == 4


def test_no_permission_is_no_rate_limit(github: GitHubServer, clock: Clock) -> None:
    github.status["/issues/1"] = (403, "Resource not accessible by integration")
    with pytest.raises(Refused, match="does not allow that") as caught:
        client(github, clock).get("issues/1", Issue)
    assert "Issues: read and write" in (caught.value.remedy or "")


def test_another_host_is_not_told_the_token(github: GitHubServer, clock: Clock) -> None:
    with GitHubServer(clock.now) as other:
        for status in (301, 302, 307, 308):
            github.status["/issues/1"] = (status, "Moved Permanently")
            github.headers = {"Location": f"{other.url}/repos/acme/shop/issues/1"}
            with pytest.raises(Refused, match="another host"):
                client(github, clock).get("issues/1", Issue)
        github.status.clear()
        github.headers = {}
        github._paged = lambda *_: (200, [], {"Link": f'<{other.url}/x>; rel="next"'})  # type: ignore[method-assign]
        with pytest.raises(GitHubError, match="another host"):
            client(github, clock).pages("issues", Issue, 5)
        assert other.asked == []


def test_a_renamed_repository_is_followed_within_the_host(
    github: GitHubServer, clock: Clock
) -> None:
    github.status["/old/name/labels"] = (307, "Temporary Redirect")
    github.headers = {"Location": f"{github.url}/repos/{REPOSITORY}/labels"}
    at = Time(clock.now, clock.now, clock.pass_by)

    made = Client("old/name", TOKEN, api=github.url, at=at).post("labels", {"name": "x"}, Label)

    assert made.name == "x"


def test_a_circle_of_moves_ends(github: GitHubServer, clock: Clock) -> None:
    github.status["/issues/1"] = (302, "Found")
    github.headers = {"Location": f"{github.url}/repos/{REPOSITORY}/issues/1"}
    with pytest.raises(Refused, match="from one place to the next"):
        client(github, clock).get("issues/1", Issue)
    assert len(github.asked) == 4


def test_a_server_that_repeats_the_token(github: GitHubServer, clock: Clock) -> None:
    github.status["/issues/1"] = (400, f"Bearer {TOKEN} \x1b[31m is odd")
    with pytest.raises(Refused) as caught:
        client(github, clock).get("issues/1", Issue)
    assert "Bearer ***" in str(caught.value)
    assert TOKEN not in repr(caught.value) + caught.value.said
    assert "\x1b" not in str(caught.value)


def test_a_clock_that_is_wrong_is_put_right_by_githubs(github: GitHubServer, clock: Clock) -> None:
    wrong = Clock(clock.at - 50_000)
    at = Time(wrong.now, wrong.now, wrong.pass_by)
    one = Client(REPOSITORY, TOKEN, api=github.url, at=at)
    one.pages("issues", Issue, 1)
    assert one.now == pytest.approx(clock.at, abs=1.0)


@pytest.mark.parametrize("link", ["", "<x>", '<https://cdn.example/x.css>; rel="preload"'])
@pytest.mark.parametrize(("many", "asked"), [(99, 1), (100, 2), (101, 2), (250, 3), (300, 4)])
def test_a_full_page_without_a_link_is_not_the_whole(
    github: GitHubServer, clock: Clock, many: int, asked: int, link: str
) -> None:
    github.link = link
    for _ in range(many):
        github.open()

    found = client(github, clock).pages("issues", Issue, 5, state="open", labels="")

    assert sorted(one.number for one in found) == list(range(1, many + 1))
    assert len(github.asked) == asked


def test_pages_without_a_link_have_an_end(github: GitHubServer, clock: Clock) -> None:
    github.link = ""
    for _ in range(200):
        github.open()
    with pytest.raises(GitHubError, match="has more than 200"):
        client(github, clock).pages("issues", Issue, 2)
    assert len(github.asked) == 2


def test_a_last_page_that_is_full_is_the_last(github: GitHubServer, clock: Clock) -> None:
    for _ in range(200):
        github.open()
    assert len(client(github, clock).pages("issues", Issue, 2)) == 200
    assert len(github.asked) == 2


def test_netrc_is_left_alone(
    github: GitHubServer, clock: Clock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / ".netrc").write_text("machine 127.0.0.1 login a password planted")
    monkeypatch.setenv("NETRC", str(tmp_path / ".netrc"))
    client(github, clock, token=None).pages("issues", Issue, 1)
    assert "authorization" not in github.asked[0].headers


@pytest.mark.parametrize(
    "body", [b"", b"null", b"[]", b"{}", b'{"number": "x"}', b"[" * 100_000, b'{"number": 1e999}']
)
def test_answers_that_are_none(
    github: GitHubServer, clock: Clock, monkeypatch: pytest.MonkeyPatch, body: bytes
) -> None:
    monkeypatch.setattr(json, "dumps", lambda _: body.decode())
    with pytest.raises(GitHubError):
        client(github, clock).get("issues/1", Issue)
