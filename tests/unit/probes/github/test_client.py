"""The client of GitHub: when it asks again, how long it waits, and what it never repeats."""

import pytest

from pytest_flowhealth.probes.github.answers import Issue, Label
from pytest_flowhealth.probes.github.client import GitHubClient, Time
from pytest_flowhealth.probes.github.failure import GitHubError, Limited, Lost, Refused
from pytest_flowhealth.probes.github.transport import Answer
from tests.kit.clock import FakeClock
from tests.kit.github import REPOSITORY, TOKEN, GitHub


@pytest.fixture
def client(github: GitHub, clock: FakeClock) -> GitHubClient:
    return github.client(clock)


@pytest.mark.parametrize("fault", ["503", "cut"])
def test_a_get_is_repeated_three_times_at_most(
    github: GitHub, client: GitHubClient, clock: FakeClock, fault: str
) -> None:
    github.open()
    github.fault = lambda _, count: fault if count < 4 else None
    assert len(client.pages("issues", Issue, 1)) == 1
    assert len(github.requests) == 4

    github.fault = lambda *_: fault
    with pytest.raises(Lost, match=r"answers with status 503|the connection broke"):
        client.get("issues/1", Issue)
    assert len(github.requests) == 8
    assert sum(clock.waited) < 40


@pytest.mark.parametrize("fault", ["500", "done cut", "garbage", "done 502"])
def test_a_post_that_may_have_succeeded_is_not_repeated(
    github: GitHub, client: GitHubClient, fault: str
) -> None:
    github.fault = lambda *_: fault

    with pytest.raises(Lost):
        client.post("labels", {"name": "x"}, Label)

    assert len(github.requests) == 1


def test_a_post_that_was_refused_by_a_rate_limit_is_repeated(
    github: GitHub, client: GitHubClient
) -> None:
    github.fault = lambda _, count: "429" if count < 3 else None

    assert client.post("labels", {"name": "x"}, Label).name == "x"
    assert len(github.requests) == 3


@pytest.mark.parametrize(
    ("status", "headers", "wait"),
    [
        (403, {"Retry-After": "30"}, 30.0),
        (
            403,
            {"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": str(int(FakeClock().at) + 120)},
            120.0,
        ),
        (403, {"X-RateLimit-Remaining": "0"}, 60.0),
        (429, {}, 60.0),
        (429, {"Retry-After": "soon"}, 60.0),
        (403, {"Retry-After": "999999999"}, 86_400.0),
        (403, {"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": "1"}, 1.0),
    ],
)
def test_a_rate_limit_says_how_long_to_wait(
    github: GitHub, client: GitHubClient, status: int, headers: dict[str, str], wait: float
) -> None:
    github.headers = headers
    github.status["/issues/1"] = (status, "Please wait.")

    with pytest.raises(Limited) as caught:
        client.get("issues/1", Issue)

    if wait > 20:
        assert caught.value.until == pytest.approx(FakeClock().at + wait, abs=1.1)
    assert len(github.requests) == (1 if wait > 20 else 4)


def test_a_missing_permission_is_not_a_rate_limit(github: GitHub, client: GitHubClient) -> None:
    github.status["/issues/1"] = (403, "Resource not accessible by integration")
    with pytest.raises(Refused, match="does not allow that") as caught:
        client.get("issues/1", Issue)
    assert "Issues: read and write" in (caught.value.remedy or "")


def test_a_link_to_another_host_is_not_followed(github: GitHub, client: GitHubClient) -> None:
    github.link = '<https://other.example/x>; rel="next"'
    with pytest.raises(GitHubError, match="another host"):
        client.pages("issues", Issue, 5)
    assert len(github.requests) == 1


def test_a_token_that_the_server_repeats_is_not_shown(github: GitHub, client: GitHubClient) -> None:
    github.status["/issues/1"] = (400, f"Bearer {TOKEN} \x1b[31m is odd")
    with pytest.raises(Refused) as caught:
        client.get("issues/1", Issue)
    assert "Bearer ***" in str(caught.value)
    assert TOKEN not in repr(caught.value) + caught.value.said
    assert "\x1b" not in str(caught.value)


def test_a_wrong_clock_is_corrected_by_githubs_date(github: GitHub, clock: FakeClock) -> None:
    client = github.client(FakeClock(clock.at - 50_000))
    client.pages("issues", Issue, 1)
    assert client.now == pytest.approx(clock.at, abs=1.0)


@pytest.mark.parametrize("link", ["", '<https://cdn.example/x.css>; rel="preload"'])
@pytest.mark.parametrize(("count", "requests"), [(99, 1), (300, 4)])
def test_a_full_page_without_a_link_is_not_the_whole_list(
    github: GitHub, client: GitHubClient, count: int, requests: int, link: str
) -> None:
    github.link = link
    for _ in range(count):
        github.open()

    found = client.pages("issues", Issue, 5, state="open", labels="")

    assert sorted(issue.number for issue in found) == list(range(1, count + 1))
    assert len(github.requests) == requests


def test_a_list_has_at_most_the_given_number_of_pages(github: GitHub, client: GitHubClient) -> None:
    for _ in range(200):
        github.open()
    assert len(client.pages("issues", Issue, 2)) == 200  # the last full page has no `next`
    github.link = ""
    with pytest.raises(GitHubError, match="has more than 200"):
        client.pages("issues", Issue, 2)
    assert len(github.requests) == 4


@pytest.mark.parametrize("body", [b"", b"null", b"{}", b"[" * 100_000, b'{"number": 1e999}'])
def test_an_answer_that_is_not_as_documented_is_an_error(clock: FakeClock, body: bytes) -> None:
    at = Time(clock.now, clock.now, clock.sleep)
    client = GitHubClient(REPOSITORY, TOKEN, at=at, exchange=lambda *_: Answer(200, {}, body))
    with pytest.raises(GitHubError):
        client.get("issues/1", Issue)
