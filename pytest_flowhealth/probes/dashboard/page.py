"""The dashboard's page: found behind redirects, logged in, and judged by what it is."""

from __future__ import annotations

import msgspec

from pytest_flowhealth.errors import CheckFailed, MeasurementUnavailable
from pytest_flowhealth.probes.dashboard.address import Address
from pytest_flowhealth.probes.dashboard.content import (
    LOGIN_FORM,
    Content,
    find_problem,
    read_content,
)
from pytest_flowhealth.probes.dashboard.http_client import HttpClient, HttpError, HttpResponse
from pytest_flowhealth.probes.dashboard.login import REMEDY
from pytest_flowhealth.probes.dashboard.navigation import Navigation, failure, navigate
from pytest_flowhealth.probes.dashboard.rate_limit import explain_rate_limit
from pytest_flowhealth.probes.dashboard.site import Site

_LOG_IN = "configure how to log in: [dashboard.login] in flowhealth.toml"


class OpenedPage(msgspec.Struct, frozen=True):
    """The page that the configured address leads to.

    Attributes:
        address: Its own address.
        response: Its response.
        content: Its decompressed body.
        redirects: The addresses on the way and its own; empty without a redirect.
    """

    address: Address
    response: HttpResponse
    content: Content
    redirects: tuple[str, ...]


def open_page(site: Site, client: HttpClient | None = None) -> OpenedPage:
    """Return the page that the configured address leads to.

    Args:
        site: The dashboard.
        client: Sends the requests; None for one of its own.

    Raises:
        CheckFailed: It leads to an error, a login form, an empty page or another page.
        MeasurementUnavailable: A rate limit refuses the request.
    """
    if client is None:
        with site.client() as own:
            return open_page(site, own)
    found = navigate(client, site.page, site.origins, site.access)
    response, address = found.response, found.address
    if response.status >= 300:
        raise _refused(site, found)
    try:
        content = read_content(response)
    except HttpError as error:
        problem = failure(address, error)
        raise problem from None
    redirected = address.target.partition("?")[0] != site.page.target.partition("?")[0]
    is_login = (
        site.login is not None
        and address.target.partition("?")[0] == site.login.target.partition("?")[0]
        and redirected
    )
    wrong = find_problem(response, content, site.settings.contains, redirected=redirected)
    if is_login or wrong == LOGIN_FORM:
        raise _not_logged_in(site, found)
    if wrong is not None:
        cause = "the server's log says why" if "an error" in wrong else "correct dashboard.url"
        keep = "" if site.settings.contains else "; if this is the page, set dashboard.contains"
        raise CheckFailed(f"{address.shown} {wrong}", remedy=f"{cause}{keep}")
    shown = tuple(one.shown for one in found.passed) if len(found.passed) > 1 else ()
    return OpenedPage(address, response, content, shown)


def _not_logged_in(site: Site, found: Navigation) -> CheckFailed:
    leads = f"{site.page.shown} leads to the login form {found.address.shown}"
    if found.address == site.page:
        leads = f"{site.page.shown} is a login form"
    if site.settings.login is None:
        return CheckFailed(f"{leads}, not to the dashboard", remedy=_LOG_IN)
    return CheckFailed(f"the login was not accepted: after it, {leads}", remedy=REMEDY)


def _refused(site: Site, found: Navigation) -> CheckFailed | MeasurementUnavailable:
    response, address = found.response, found.address
    if response.status == 429:
        return MeasurementUnavailable(
            f"{address.shown} refuses the request by its rate limit (status 429"
            f"{explain_rate_limit(response)})",
            remedy="exempt this machine from the server's rate limit, or check less often",
        )
    text = f"{address.shown} responds with status {response.status}"
    if response.status == 401:
        scheme = (response.header("www-authenticate") or "").partition(" ")[0].lower()
        if site.settings.login is not None:
            return CheckFailed(f"{text}: the login is not accepted", remedy=REMEDY)
        if scheme == "basic":
            return CheckFailed(
                f"{text}: it requires basic authentication",
                remedy='[dashboard.login] method = "basic", user = "...", secret_env = "..." in '
                "flowhealth.toml",
            )
    if response.status in (401, 403, 407):
        return CheckFailed(text, remedy=_LOG_IN if site.settings.login is None else REMEDY)
    return CheckFailed(text, remedy=_remedy(response.status, site))


def _remedy(status: int, site: Site) -> str:
    if status == 400 and not site.page.origin.secure:
        return "the server's log says why; if it serves TLS at this port, write https://"
    if status in (404, 410):
        return "correct dashboard.url in flowhealth.toml, or serve a page there"
    return "the server's log says why"
