"""The client of GitHub: rate limits, lists, and what its errors say."""

import time
from typing import Any

import pytest

from pytest_flowhealth.probes.github.client import GitHubClient, GitHubError, Response
from pytest_flowhealth.probes.github.resources import Issue
from tests.kit.github import TOKEN, GitHub


@pytest.fixture
def client(github: GitHub) -> GitHubClient:
    return github.client()


def in_seconds(seconds: int) -> str:
    return str(int(time.time()) + seconds)


@pytest.mark.parametrize(
    ("status", "headers", "message", "wait"),
    [
        (403, {"Retry-After": "30"}, "", 30.0),
        (403, {"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": 120}, "", 120.0),
        (403, {"X-RateLimit-Remaining": "0"}, "", 60.0),
        (403, {}, "You have exceeded a secondary rate limit.", 60.0),
        (429, {}, "", 60.0),
        (429, {"Retry-After": "soon"}, "", 60.0),
        (403, {"Retry-After": "999999999"}, "", 86_400.0),
        (403, {"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": -9}, "", 1.0),
        (403, {"Retry-After": "Thu, 01 Jan 1970 00:00:00 GMT"}, "", 1.0),
        (403, {}, "Resource not accessible by integration", None),
        (401, {"Retry-After": "30"}, "", None),
    ],
)
def test_a_rate_limit_says_how_long_to_wait(
    github: GitHub,
    client: GitHubClient,
    status: int,
    headers: dict[str, Any],
    message: str,
    wait: float | None,
) -> None:
    github.headers = {
        name: in_seconds(value) if isinstance(value, int) else value
        for name, value in headers.items()
    }
    github.status["/issues/1"] = (status, message)

    with pytest.raises(GitHubError) as caught:
        client.get("issues/1", Issue)

    assert caught.value.is_refusal
    if wait is None:
        assert caught.value.retry_at is None
        assert "does not" in str(caught.value)
    else:
        assert caught.value.retry_at == pytest.approx(
            time.time() + wait, abs=30 if wait > 1 else 60
        )
        assert "was asked too often" in str(caught.value)


def test_a_missing_permission_has_a_remedy(github: GitHub, client: GitHubClient) -> None:
    github.status["/issues/1"] = (403, "Resource not accessible by integration")
    with pytest.raises(GitHubError, match="does not allow that") as caught:
        client.get("issues/1", Issue)
    assert "Issues: read and write" in (caught.value.remedy or "")


def test_a_token_that_the_server_repeats_is_not_shown(github: GitHub, client: GitHubClient) -> None:
    github.status["/issues/1"] = (400, f"Bearer {TOKEN} \x1b[31m is odd")
    with pytest.raises(GitHubError) as caught:
        client.get("issues/1", Issue)
    assert "Bearer ***" in str(caught.value)
    assert TOKEN not in repr(caught.value)
    assert "\x1b" not in str(caught.value)


@pytest.mark.parametrize("link", [None, "", '<https://cdn.example/x.css>; rel="preload"'])
@pytest.mark.parametrize(("count", "requests"), [(99, 1), (300, 4)])
def test_a_full_page_without_a_link_is_not_the_whole_list(
    github: GitHub, client: GitHubClient, count: int, requests: int, link: str | None
) -> None:
    github.link = link
    for _ in range(count):
        github.open()

    found = client.read_list("issues", Issue, 5, state="open", labels="")

    assert sorted(issue.number for issue in found) == list(range(1, count + 1))
    assert len(github.requests) == 1 + requests  # the first is for the repository


def test_a_short_page_with_a_next_one_is_not_the_whole_list(
    github: GitHub, client: GitHubClient
) -> None:
    github.page_size = 30
    for _ in range(40):
        github.open()
    with pytest.raises(GitHubError, match="more than 0 of"):
        client.read_list("issues", Issue, 0)
    assert len(client.read_list("issues", Issue, 5)) == 40


def test_a_list_has_at_most_the_given_number_of_pages(github: GitHub, client: GitHubClient) -> None:
    for _ in range(200):
        github.open()
    assert len(client.read_list("issues", Issue, 2)) == 200
    github.open()
    with pytest.raises(GitHubError, match="has more than 200"):
        client.read_list("issues", Issue, 2)


@pytest.mark.parametrize("body", ["", "null", "{}", "[" * 100_000, '{"number": 1e999}'])
def test_an_answer_that_is_not_as_documented_is_an_error(
    client: GitHubClient, monkeypatch: pytest.MonkeyPatch, body: str
) -> None:
    monkeypatch.setattr(client, "_exchange", lambda *_: Response(200, {}, body))
    with pytest.raises(GitHubError) as caught:
        client.get("issues/1", Issue)
    assert not caught.value.is_refusal


def test_a_renamed_repository_is_used_by_its_new_name(github: GitHub) -> None:
    github.open()
    client = github.client(repository="old/name")
    real = github.exchange

    def exchange(request: Any) -> Response:
        # PyGithub follows the 301.
        return real(request._replace(target=request.target.replace("old/name", "acme/shop")))

    github.exchange = exchange  # type: ignore[method-assign]
    client.get("issues/1", Issue)
    assert client.post("issues", {"title": "x", "body": "y"}, Issue).number == 2
