"""A client of GitHub's REST API for one repository, on PyGithub: typed responses, one kind of error."""

from __future__ import annotations

import email.utils
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar
from urllib.parse import urlsplit

import msgspec

from pytest_flowhealth.config.github import PUBLIC, web_address
from pytest_flowhealth.domain.text import HIDDEN, format_number, one_line
from pytest_flowhealth.errors import MeasurementUnavailable
from pytest_flowhealth.probes.deadline import within
from pytest_flowhealth.probes.github.resources import ErrorResponse, Repository

if TYPE_CHECKING:
    from github.Requester import Requester

Decoded = TypeVar("Decoded")

SECONDS = 20.0
"""The default limit of one response, all attempts and pauses together."""

PER_PAGE = 100
"""The largest page of a list."""

DEFAULT_WAIT = 60.0
"""Seconds to wait after a rate limit that names no time (docs.github.com, "Rate limits for the REST API")."""

_MAX_WAIT = 86_400.0
_MEANINGS = {
    401: "does not accept the token",
    403: "does not allow that",
    404: "has no such thing, or does not show it",
    410: "has it no longer",
    422: "does not take that",
}
_REMEDIES = {
    401: "make a new token, and set FLOWHEALTH_GITHUB_TOKEN",
    403: "give the token the permission `Issues: read and write` for this repository",
    404: "name the repository in flowhealth.toml: [github] repository, and let the token see it",
    410: "turn issues on in the repository's settings",
}


class GitHubError(MeasurementUnavailable):
    """GitHub gave no usable response. No message contains the token.

    Args:
        message: What happened.
        remedy: What helps.
        status: The status of the response; None if no whole response came.
        retry_at: After a rate limit: when requests are accepted again, in seconds since 1970.
    """

    def __init__(
        self,
        message: str,
        *,
        remedy: str | None = None,
        status: int | None = None,
        retry_at: float | None = None,
    ) -> None:
        super().__init__(message, remedy=remedy)
        self.status = status
        self.retry_at = retry_at

    @property
    def is_refusal(self) -> bool:
        """Whether the request certainly took no effect."""
        return self.status is not None and self.status < 500


class Response(NamedTuple):
    """A response with any status; `headers` have lower-case names."""

    status: int
    headers: Mapping[str, str]
    body: str


class GitHubClient:
    """Access to one repository.

    Args:
        repository: As in ``owner/name``.
        token: None for anonymous requests.
        api: The address of the REST API.
        seconds: The limit of one response, all attempts and pauses together.
        write_pause: The seconds between two writes.
    """

    def __init__(
        self,
        repository: str,
        token: str | None = None,
        *,
        api: str = PUBLIC,
        seconds: float = SECONDS,
        write_pause: float = 1.0,
    ) -> None:
        self.repository = repository
        self.api = api.rstrip("/")
        self._token = token
        self._seconds = seconds
        self._write_pause = write_pause
        self._requester: Requester | None = None
        self._path: str | None = None

    @property
    def has_token(self) -> bool:
        """Whether requests carry a token."""
        return bool(self._token)

    def issue_url(self, number: int) -> str:
        """Return the address of an issue's page; it is not taken from a response."""
        return f"{web_address(self.api)}/{self.repository}/issues/{number}"

    def get(self, path: str, kind: type[Decoded], **query: object) -> Decoded:
        """Return the resource at `path`, relative to the repository.

        Raises:
            GitHubError: No usable response.
        """
        return self._decode(self._request("GET", path, query), kind)

    def read_list(
        self, path: str, kind: type[Decoded], max_pages: int, **query: object
    ) -> list[Decoded]:
        """Return a whole list.

        Pages are asked for by number until one is not full. A `Link` header is only believed if it
        names a further page: a proxy may drop it.

        Raises:
            GitHubError: No usable response, or the list has more than `max_pages` pages.
        """
        items: list[Decoded] = []
        for number in range(1, max_pages + 2):
            response = self._request("GET", path, {**query, "per_page": PER_PAGE, "page": number})
            page = self._decode(response, list[kind])  # type: ignore[valid-type]
            if page and number > max_pages:
                break
            items += page
            if len(page) < PER_PAGE and 'rel="next"' not in response.headers.get("link", ""):
                return items
        raise GitHubError(
            f"{self._name} has more than {max_pages * PER_PAGE:,} of what is asked for"
        )

    def post(self, path: str, body: Mapping[str, Any], kind: type[Decoded]) -> Decoded:
        """Create something at `path`; never repeated.

        Raises:
            GitHubError: No usable response; if it is no refusal, the request may have taken effect.
        """
        return self._decode(self._request("POST", path, {}, body), kind)

    def patch(self, path: str, body: Mapping[str, Any], kind: type[Decoded]) -> Decoded:
        """Change the resource at `path`; never repeated.

        Raises:
            GitHubError: As `post`.
        """
        return self._decode(self._request("PATCH", path, {}, body), kind)

    @property
    def _name(self) -> str:
        return f"GitHub ({urlsplit(self.api).netloc}, {self.repository})"

    def _request(
        self,
        method: str,
        path: str,
        query: Mapping[str, object],
        body: Mapping[str, Any] | None = None,
    ) -> Response:
        if self._path is None:
            # A renamed repository: PyGithub follows a 301, but drops the query, and no 307 at all.
            found = self._send("GET", f"/repos/{self.repository}", {})
            self._path = f"/repos/{self._decode(found, Repository).full_name}"
        return self._send(method, f"{self._path}/{path}", query, body)

    def _send(
        self,
        method: str,
        path: str,
        query: Mapping[str, object],
        body: Mapping[str, Any] | None = None,
    ) -> Response:
        """Return a response with a status of success."""
        response = self._exchange(method, path, query, body)
        if 200 <= response.status < 300:
            return response
        raise self._error_of(response)

    def _exchange(
        self,
        method: str,
        path: str,
        query: Mapping[str, object],
        body: Mapping[str, Any] | None,
    ) -> Response:
        """Return a response with any status."""
        requester = self._connect()
        outcome = within(
            self._seconds,
            lambda: requester.requestJson(method, path, dict(query), input=body),
            self._disconnect,
        )
        if outcome.late:
            raise GitHubError(f"{self._name} gives no whole answer in time")
        if outcome.error is not None:
            return self._response_of(outcome.error)
        return Response(*outcome.results[0])

    def _connect(self) -> Requester:
        try:
            from pytest_flowhealth.probes.github.connection import open_requester
        except ImportError as error:
            absent = error.name == "github" and isinstance(error, ModuleNotFoundError)
            problem = "is not installed" if absent else f"can't be used: {one_line(str(error))}"
            raise GitHubError(
                f"PyGithub {problem}", remedy="pip install 'pytest-flowhealth[github]'"
            ) from None
        if self._requester is None:
            self._requester = open_requester(
                self._token, self.api, self._seconds, self._write_pause
            )
        return self._requester

    def _disconnect(self) -> None:
        """Let the next request open a new connection: the thread of a late one still has this."""
        if self._requester is not None:
            self._requester.close()
        self._requester = None

    def _response_of(self, error: BaseException) -> Response:
        """Return the response that PyGithub made an exception of.

        Raises:
            GitHubError: There was none. The exception's own text is not shown: it has the address.
        """
        import requests
        from github import GithubException

        if isinstance(error, GithubException):
            headers = {name.lower(): text for name, text in (error.headers or {}).items()}
            return Response(error.status, headers, msgspec.json.encode(error.data).decode())
        if isinstance(error, requests.Timeout):
            reason = "no whole answer in time"
        elif isinstance(error, requests.exceptions.SSLError):
            reason = "no answer: its certificate is not trusted, or the encrypted connection broke"
        elif isinstance(error, requests.exceptions.ProxyError):
            reason = "no answer: the connection to the proxy broke, or it refused the request"
        elif isinstance(error, requests.RequestException):
            reason = "no answer: it can't be reached, or the connection broke"
        elif isinstance(error, RuntimeError):  # PyGithub's
            reason = "no answer: it redirects to another host, which is not followed"
        else:
            reason = f"no answer that can be read ({type(error).__name__})"
        raise GitHubError(f"{self._name} gives {reason}") from None

    def _error_of(self, response: Response) -> GitHubError:
        status = response.status
        try:
            text = msgspec.json.decode(response.body, type=ErrorResponse).text
        except (msgspec.MsgspecError, ValueError, RecursionError):
            text = ""
        text = self._sanitize(text)
        shown = f"status {status}{f': {text}' if text else ''}"
        wait = _wait_of(response, text)
        if wait is not None:
            return GitHubError(
                f"{self._name} was asked too often ({shown}); it asks to wait {format_number(wait)} s",
                remedy="wait; with a token more requests are allowed than without",
                status=status,
                retry_at=time.time() + wait,
            )
        meaning = _MEANINGS.get(status, "gives no answer that can be used")
        return GitHubError(
            f"{self._name} {meaning} ({shown})", remedy=_REMEDIES.get(status), status=status
        )

    def _decode(self, response: Response, kind: type[Decoded]) -> Decoded:
        try:
            return msgspec.json.decode(response.body, type=kind)
        except msgspec.ValidationError as error:
            problem = f"not as documented: {str(error).replace('`', chr(39))}"
        except (msgspec.DecodeError, ValueError, RecursionError):
            problem = f"with no JSON that can be read ({len(response.body):,} characters)"
        raise GitHubError(f"{self._name} answers {self._sanitize(problem)}")

    def _sanitize(self, text: str) -> str:
        """Return text of the server in one line, without the token that it may repeat."""
        if self._token:
            text = text.replace(self._token, HIDDEN)
        return one_line(text, 300)


def _wait_of(response: Response, message: str) -> float | None:
    """Return the seconds to wait after a rate limit; None if the response is about something else."""
    if response.status not in (403, 429):
        return None
    headers = response.headers
    wait = _parse_retry_after(headers.get("retry-after", ""))
    if wait is None and headers.get("x-ratelimit-remaining", "").strip() == "0":
        reset = _parse_number(headers.get("x-ratelimit-reset", ""))
        wait = DEFAULT_WAIT if reset is None else reset - time.time()
    about_limits = "rate limit" in message.lower() or "abuse" in message.lower()
    if wait is None and (response.status == 429 or about_limits):
        wait = DEFAULT_WAIT
    return None if wait is None else min(max(1.0, wait), _MAX_WAIT)


def _parse_retry_after(text: str) -> float | None:
    """Return the seconds of a `Retry-After`, which is a number or a date (RFC 9110, 10.2.3)."""
    number = _parse_number(text)
    if number is not None:
        return number
    try:
        return email.utils.parsedate_to_datetime(text).timestamp() - time.time()
    except (TypeError, ValueError, OverflowError):
        return None


def _parse_number(text: str) -> float | None:
    text = text.strip()
    return float(text) if text.isascii() and text.isdecimal() and len(text) < 16 else None
