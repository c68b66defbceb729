"""Requests that follow redirects as a browser does, within the configured servers."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from pytest_flowhealth.domain.text import one_line
from pytest_flowhealth.errors import CheckFailed
from pytest_flowhealth.probes.dashboard.address import ServerOrigin, SiteAddress, resolve_address
from pytest_flowhealth.probes.dashboard.cookies import Cookie, cookie_header, parse_cookie
from pytest_flowhealth.probes.dashboard.http_client import HttpClient, HttpError, HttpResponse

HOPS = 10
"""Redirects that are followed."""

_KEEPING = (307, 308)


class SiteAccess(msgspec.Struct, frozen=True):
    """What a login gives: headers for the configured servers, and cookies for those that set them.

    Attributes:
        authorization: The header `Authorization`; it takes precedence over an address's own user.
        cookie: A configured header `Cookie`.
        jar: Cookies in the Netscape format.
        is_unverified: Whether nothing in the response to the login says that it was accepted.
    """

    authorization: str | None = None
    cookie: str | None = None
    jar: tuple[str, ...] = ()
    is_unverified: bool = False

    def __repr__(self) -> str:
        """Show nothing."""
        return "SiteAccess(...)"

    @property
    def cookies(self) -> tuple[Cookie, ...]:
        """The cookies of `jar`."""
        return tuple(parse_cookie(line) for line in self.jar)

    def headers(self, address: SiteAddress, *, jar: bool = False) -> dict[str, str]:
        """Return the headers for a request to `address`; `jar`: with the cookies of the jar.

        An HTTP client has those cookies itself.
        """
        headers = {}
        authorization = self.authorization or address.basic
        if authorization is not None:
            headers["Authorization"] = authorization
        own = cookie_header(self.cookies, address.url) if jar else None
        if self.cookie or own:
            headers["Cookie"] = "; ".join(text for text in (self.cookie, own) if text)
        return headers


class Navigation(msgspec.Struct, frozen=True):
    """A response and the addresses on the way to it, the last one its own."""

    response: HttpResponse
    passed: tuple[SiteAddress, ...]

    @property
    def address(self) -> SiteAddress:
        """The address of the response."""
        return self.passed[-1]


class Submission(msgspec.Struct, frozen=True):
    """What a request sends: its method, body and headers."""

    method: str = "GET"
    body: bytes | None = None
    headers: Mapping[str, str] = {}


GET = Submission()


def navigate(
    client: HttpClient,
    address: SiteAddress,
    origins: frozenset[ServerOrigin],
    access: SiteAccess,
    submission: Submission = GET,
    *,
    leave: bool = False,
) -> Navigation:
    """Send a request and follow the redirects of its response.

    Args:
        client: Sends them.
        address: The first address.
        origins: The servers that may be reached.
        access: Headers of each request.
        submission: What the first request sends.
        leave: Return a redirect to another server instead of raising.

    Raises:
        CheckFailed: There is no response, or the redirects lead elsewhere or do not end.
    """
    passed = [address]
    while True:
        response = send(client, passed[-1], access, submission)
        location = response.header("location")
        if not 300 <= response.status < 400 or location is None:
            return Navigation(response, tuple(passed))
        if leave and resolve_address(passed[-1], location).origin not in origins:
            return Navigation(response, tuple(passed))
        after = follow(passed[-1], location, origins)
        if len(passed) > HOPS:
            raise _endless(passed)
        passed.append(after)
        if response.status not in _KEEPING:
            submission = GET


def follow(address: SiteAddress, location: str, origins: frozenset[ServerOrigin]) -> SiteAddress:
    """Return the address that a redirect leads to.

    Raises:
        CheckFailed: It is no address, or one of a server that is not in `origins`.
    """
    after = resolve_address(address, location)
    if after.origin not in origins:
        raise CheckFailed(
            f"{address.shown} redirects to {after.place}, which is not configured and was "
            "not requested",
            remedy="set dashboard.url to the address that is meant",
        )
    return after


def send(
    client: HttpClient, address: SiteAddress, access: SiteAccess, submission: Submission = GET
) -> HttpResponse:
    """Send one request.

    Raises:
        CheckFailed: There is no whole response.
    """
    try:
        return client.request(
            address.url,
            method=submission.method,
            body=submission.body,
            headers={**access.headers(address), **submission.headers},
        )
    except HttpError as error:
        problem = failure(address, error)
    raise problem


def failure(address: SiteAddress, error: HttpError) -> CheckFailed:
    """Return the failure of a request to `address`."""
    remedy = "the server's log says why"
    if error.problem.startswith("can't be reached"):
        remedy = f"start what serves it, or correct {address.key} in flowhealth.toml"
    return CheckFailed(f"{address.shown} {error.problem}", remedy=error.remedy or remedy)


def _endless(passed: list[SiteAddress]) -> CheckFailed:
    first = passed[0]
    if len(set(passed)) < len(passed):
        paths = [one_line(address.target.partition("?")[0], 60) for address in passed[-4:]]
        return CheckFailed(
            f"{first.shown} redirects in a ring: {' -> '.join(paths)}",
            remedy="if one of them is the login: [dashboard.login] in flowhealth.toml; else correct "
            "the server's redirects",
        )
    return CheckFailed(
        f"{first.shown} redirects more than {HOPS} times",
        remedy="correct the server's redirects",
    )
