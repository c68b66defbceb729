"""Asks GitHub: patient where it asks for patience, and never twice for what may have been done."""

from __future__ import annotations

import email.utils
import random
import time
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, TypeVar
from urllib.parse import urlencode

import msgspec
from requests.utils import parse_header_links

from pytest_flowhealth.config.github import PUBLIC, web_address
from pytest_flowhealth.domain.text import HIDDEN, format_number, one_line
from pytest_flowhealth.probes.github.answers import Complaint
from pytest_flowhealth.probes.github.failure import (
    GitHubError,
    Limited,
    Lost,
    Refused,
    Unreachable,
)
from pytest_flowhealth.probes.github.transport import Answer, Request, exchange, origin

Decoded = TypeVar("Decoded")

SECONDS = 20.0
"""What one answer may take, all attempts and pauses together."""

ATTEMPTS = 4
"""How often is asked at the most."""

PER_PAGE = 100
"""The most that a page of a list has."""

UNSAID = 60.0
"""Seconds to wait where GitHub asks for patience without saying how much (its best practices)."""

_OTHER_PAGES = ("next", "prev", "first", "last")
_LONGEST_WAIT = 86_400.0
_FIRST_PAUSE = 0.5

REMEDIES: Mapping[int, str] = {
    401: "make a new token, and set FLOWHEALTH_GITHUB_TOKEN",
    403: "give the token the permission `Issues: read and write` for this repository",
    404: "name the repository in flowhealth.toml: [github] repository, and let the token see it",
    410: "turn issues on in the repository's settings",
}


class Time(NamedTuple):
    """The clocks, for tests: a running one, the date in seconds since 1970, and waiting."""

    running: Callable[[], float] = time.monotonic
    date: Callable[[], float] = time.time
    sleep: Callable[[float], object] = time.sleep


Exchange = Callable[[Request, str | None, float], Answer]
"""Sends one request with a token, within some seconds; `transport.exchange`."""


class GitHubClient:
    """Asks about one repository.

    Args:
        repository: As in ``owner/name``.
        token: None asks as everybody may.
        api: The API's address.
        seconds: What one answer may take, all attempts and pauses together.
        at: The clocks.
        exchange: Sends one request and returns its answer.
    """

    def __init__(
        self,
        repository: str,
        token: str | None = None,
        *,
        api: str = PUBLIC,
        seconds: float = SECONDS,
        at: Time | None = None,
        exchange: Exchange = exchange,
    ) -> None:
        self.repository = repository
        self.base = f"{api.rstrip('/')}/repos/{repository}"
        self._web = web_address(api)
        self.at = at or Time()
        self._token = token
        self._seconds = seconds
        self._exchange = exchange
        self._ahead = 0.0
        self._jitter = random.Random()  # noqa: S311  # no secret is made of it

    @property
    def authorised(self) -> bool:
        """Whether there is a token."""
        return bool(self._token)

    @property
    def now(self) -> float:
        """GitHub's own time as far as it is known: the same for all who ask it."""
        return self.at.date() + self._ahead

    def page(self, number: int) -> str:
        """Return the address of an issue's page; made here: what a server says is not repeated."""
        return f"{self._web}/{self.repository}/issues/{number}"

    def get(self, path: str, kind: type[Decoded]) -> Decoded:
        """Return what is at `path`, below the repository.

        Raises:
            GitHubError: It can't be had.
        """
        found: Decoded = self._decoded(self._persist(Request(self._url(path))), kind)
        return found

    def pages(self, path: str, kind: type[Decoded], most: int, **named: object) -> list[Decoded]:
        """Return a whole list, page by page as the Link header leads.

        A proxy may drop that header: a full page that says nothing of others is no whole list, and
        the next is asked for by its number.

        Raises:
            GitHubError: It can't be had, or has more than `most` pages.
        """
        found: list[Decoded] = []
        first = f"{self._url(path)}?{urlencode({**named, 'per_page': PER_PAGE})}"
        url = first
        for number in range(1, most + 1):
            answer = self._persist(Request(url))
            page = self._decoded(answer, list[kind])  # type: ignore[valid-type]
            found += page
            links = self._links(answer)
            if "next" in links:
                url = links["next"]
            elif len(page) < PER_PAGE or links:
                return found
            else:
                url = f"{first}&page={number + 1}"
        raise GitHubError(f"{self._named} has more than {most * PER_PAGE:,} of what is asked for")

    def post(self, path: str, body: object, kind: type[Decoded]) -> Decoded:
        """Make something at `path`; it is asked for again only where it was not done for certain.

        Raises:
            Lost: It may have been done.
            GitHubError: It was not done.
        """
        request = Request(self._url(path), msgspec.json.encode(body))
        try:
            made: Decoded = self._decoded(self._persist(request), kind)
        except (Limited, Refused, Unreachable, Lost):
            raise
        except GitHubError as error:  # done, and the answer says nothing
            raise Lost(error.message) from None
        return made

    def _url(self, path: str) -> str:
        return f"{self.base}/{path}" if path else self.base

    @property
    def _named(self) -> str:
        return f"GitHub ({origin(self.base)[1]}, {self.repository})"

    def _persist(self, request: Request) -> Answer:
        """Ask, again where that may help and can't do it twice."""
        until = self.at.running() + self._seconds
        attempt = 1
        while True:
            pause = _FIRST_PAUSE * 2 ** (attempt - 1) * (0.5 + self._jitter.random())
            try:
                return self._asked(request, max(0.1, until - self.at.running()))
            except Limited as error:
                again: GitHubError = error
                pause = max(0.0, error.until - self.now)
            except Unreachable as error:
                again = error
            except Lost as error:
                if request.body is not None:
                    raise
                again = error
            if attempt == ATTEMPTS or self.at.running() + pause >= until:
                raise again
            self.at.sleep(pause)
            attempt += 1

    def _asked(self, request: Request, seconds: float) -> Answer:
        """Ask once, and return an answer that is one."""
        try:
            answer = self._exchange(request, self._token, seconds)
        except Refused as error:
            raise Refused(f"{self._named}: {error.message}", error.status, "") from None
        except Unreachable as error:
            raise Unreachable(f"{self._named} gives no answer: {error.message}") from None
        except Lost as error:
            raise Lost(f"{self._named} gives no answer: {error.message}") from None
        self._set_clock(answer)
        if 200 <= answer.status < 300:
            return answer
        if answer.status >= 500:
            raise Lost(f"{self._named} answers with status {answer.status}")
        raise self._refusal(answer)

    def _refusal(self, answer: Answer) -> GitHubError:
        try:
            said = msgspec.json.decode(answer.body, type=Complaint).text
        except (msgspec.MsgspecError, ValueError, RecursionError):
            said = ""
        said = self._safe(said)
        told = f"status {answer.status}{f': {said}' if said else ''}"
        wait = self._wait(answer, said)
        if wait is not None:
            message = f"{self._named} was asked too often ({told}); it asks to wait {format_number(wait)} s"
            return Limited(message, self.now + wait)
        what = {
            401: "does not accept the token",
            403: "does not allow that",
            404: "has no such thing, or does not show it",
            410: "has it no longer",
            422: "does not take that",
        }.get(answer.status, "gives no answer that can be used")
        remedy = REMEDIES.get(answer.status)
        return Refused(f"{self._named} {what} ({told})", answer.status, said, remedy)

    def _wait(self, answer: Answer, said: str) -> float | None:
        """Return how long it asks to wait; None where it is not about that.

        docs.github.com, "Rate limits for the REST API": Retry-After, else the time of
        X-RateLimit-Reset where nothing remains, else a minute.
        """
        if answer.status not in (403, 429):
            return None
        after = _seconds(answer.headers.get("retry-after"), self.now)
        if after is not None:
            return min(after, _LONGEST_WAIT)
        if answer.headers.get("x-ratelimit-remaining", "").strip() == "0":
            reset = _number(answer.headers.get("x-ratelimit-reset"))
            wait = UNSAID if reset is None else max(1.0, reset - self.now)
            return min(wait, _LONGEST_WAIT)
        asked = answer.status == 429 or "rate limit" in said.lower() or "abuse" in said.lower()
        return UNSAID if asked else None

    def _links(self, answer: Answer) -> dict[str, str]:
        """Return where other pages are; another host is told nothing."""
        told = parse_header_links(answer.headers.get("link", ""))
        found = {one["rel"]: one["url"] for one in told if one.get("rel") in _OTHER_PAGES}
        if "next" in found and origin(found["next"]) != origin(self.base):
            raise GitHubError(f"{self._named} leads to another host, which is not followed")
        return found

    def _decoded(self, answer: Answer, kind: Any) -> Any:
        try:
            return msgspec.json.decode(answer.body, type=kind)
        except msgspec.ValidationError as error:
            problem = f"not as documented: {str(error).replace('`', chr(39))}"
        except (msgspec.DecodeError, ValueError, RecursionError):
            problem = f"with no JSON that can be read ({len(answer.body):,} bytes)"
        raise GitHubError(f"{self._named} answers {self._safe(problem)}")

    def _safe(self, text: str) -> str:
        """Return what a server said, in one line, without the token that it may have repeated."""
        if self._token:
            text = text.replace(self._token, HIDDEN)
        return one_line(text, 300)

    def _set_clock(self, answer: Answer) -> None:
        try:
            told = email.utils.parsedate_to_datetime(answer.headers.get("date", ""))
            self._ahead = told.timestamp() - self.at.date()
        except (TypeError, ValueError, OverflowError):
            return


def _number(text: str | None) -> float | None:
    text = (text or "").strip()
    return float(text) if text.isascii() and text.isdecimal() and len(text) < 16 else None


def _seconds(text: str | None, now: float) -> float | None:
    """Return the seconds that Retry-After asks for, a number or a date (RFC 9110, 10.2.3)."""
    number = _number(text)
    if number is not None or not text:
        return number
    try:
        return max(0.0, email.utils.parsedate_to_datetime(text).timestamp() - now)
    except (TypeError, ValueError, OverflowError):
        return None
