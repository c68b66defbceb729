"""The dashboard's page: found behind redirects, logged in, and judged by what it is."""

from __future__ import annotations

import contextlib

import msgspec

from pytest_flowhealth.domain.text import one_line
from pytest_flowhealth.errors import CheckFailed, MeasurementUnavailable
from pytest_flowhealth.probes.dashboard.address import SiteAddress
from pytest_flowhealth.probes.dashboard.content import Content, read_content
from pytest_flowhealth.probes.dashboard.error_pages import LOGIN_FORM, find_problem
from pytest_flowhealth.probes.dashboard.forms import parse_page
from pytest_flowhealth.probes.dashboard.http_client import HttpClient, HttpError, HttpResponse
from pytest_flowhealth.probes.dashboard.login import REMEDY
from pytest_flowhealth.probes.dashboard.navigation import (
    HOPS,
    Navigation,
    SiteAccess,
    failure,
    follow,
    navigate,
)
from pytest_flowhealth.probes.dashboard.page_files import request_files
from pytest_flowhealth.probes.dashboard.rate_limit import explain_rate_limit
from pytest_flowhealth.probes.dashboard.site import Site
from pytest_flowhealth.probes.dashboard.tls import tls_remedy

SERVER_LOG = "the server's log"
_LOG_IN = "configure how to log in: [dashboard.login] in flowhealth.toml"


class OpenedPage(msgspec.Struct, frozen=True):
    """The page that the configured address leads to.

    Attributes:
        address: Its own address.
        response: Its response.
        content: Its decompressed body.
        redirects: The addresses on the way and its own; empty without a redirect.
        warnings: What it lacks without being another page.
    """

    address: SiteAddress
    response: HttpResponse
    content: Content
    redirects: tuple[str, ...]
    warnings: tuple[str, ...] = ()


def inspect_page(site: Site) -> OpenedPage:
    """Return the page that the configured address leads to, with the files that it loads requested.

    Raises:
        CheckFailed: As `open_page`, or what it shows comes from a script that is not there.
        MeasurementUnavailable: A rate limit refuses the request.
    """
    with site.client() as client:
        opened = open_page(site, client)
        page = parse_page(opened.content.text)
        files = request_files(site, client, page, opened.address)
    broken = files.breaks
    if broken is not None and not page.text:
        raise CheckFailed(
            f"{opened.address.shown} shows nothing: its script {broken.path} {broken.problem}",
            remedy="build the application, and deploy the files that its page names",
        )
    warnings = [
        f"the {item.file.kind} {item.path} of the page {item.problem}" for item in files.missing
    ]
    if site.access.is_unverified and _is_public(site, opened):
        warnings.append(
            "whether the login was accepted does not show: its response does not say so, and the "
            "page is the same without it"
        )
    return msgspec.structs.replace(opened, warnings=tuple(warnings))


def _is_public(site: Site, opened: OpenedPage) -> bool:
    """Tell whether the page is the same without the login."""
    with HttpClient(site.timeout, site.tls) as client:
        try:
            other = _navigate(site, client, SiteAccess())
        except CheckFailed:
            return False
    if other.response.status != opened.response.status or other.address != opened.address:
        return False
    try:
        text = read_content(other.response).text
    except HttpError:
        return False
    return parse_page(text) == parse_page(opened.content.text)


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
    found = _navigate(site, client, site.access)
    response, address = found.response, found.address
    if response.status >= 300:
        raise explain_status(site, address, response)
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
        cause = () if "an error" in wrong else ("correct dashboard.url",)
        keep = () if site.settings.contains else ("if this is the page, set dashboard.contains",)
        raise CheckFailed(
            f"{address.shown} {wrong}",
            remedy="; ".join((*cause, *keep)) or None,
            diagnosis=None if cause else SERVER_LOG,
        )
    shown = tuple(address.shown for address in found.passed) if len(found.passed) > 1 else ()
    return OpenedPage(address, response, content, shown)


def _navigate(site: Site, client: HttpClient, access: SiteAccess) -> Navigation:
    """Return the response behind redirects, those of a page that leads to another one included."""
    found = navigate(client, site.page, site.origins, access)
    for _ in range(HOPS):
        if found.response.status >= 300:
            break
        try:
            refresh = parse_page(read_content(found.response).text).refresh
        except HttpError:
            break
        target = follow(found.address, refresh, site.origins) if refresh else found.address
        if target == found.address:
            break
        after = navigate(client, target, site.origins, access)
        found = Navigation(after.response, (*found.passed, *after.passed))
    return found


def _not_logged_in(site: Site, found: Navigation) -> CheckFailed:
    leads = f"{site.page.shown} leads to the login form {found.address.shown}"
    if found.address == site.page:
        leads = f"{site.page.shown} is a login form"
    if site.settings.login is None:
        return CheckFailed(f"{leads}, not to the dashboard", remedy=_LOG_IN)
    return CheckFailed(f"the login was not accepted: after it, {leads}", remedy=REMEDY)


def explain_status(
    site: Site, address: SiteAddress, response: HttpResponse
) -> CheckFailed | MeasurementUnavailable:
    """Return the failure that the status of a response means."""
    if response.status == 429:
        return MeasurementUnavailable(
            f"{address.shown} refuses the request by its rate limit (status 429"
            f"{explain_rate_limit(response)})",
            remedy="exempt this machine from the server's rate limit, or check less often",
        )
    text = f"{address.shown} responds with status {response.status}"
    certificate = _find_certificate_error(response)
    if certificate is not None:
        return CheckFailed(f"{text}: {certificate}", remedy=tls_remedy("certificate required"))
    if response.status in (401, 403, 407):
        return _explain_unauthorized(site, response, text)
    remedy = _find_remedy(response.status, site)
    return CheckFailed(text, remedy=remedy, diagnosis=None if remedy else SERVER_LOG)


def _explain_unauthorized(site: Site, response: HttpResponse, text: str) -> CheckFailed:
    has_login = site.settings.login is not None
    if response.status == 401 and has_login:
        return CheckFailed(f"{text}: the login is not accepted", remedy=REMEDY)
    scheme = (response.header("www-authenticate") or "").partition(" ")[0].lower()
    if response.status == 401 and scheme == "basic":
        return CheckFailed(
            f"{text}: it requires basic authentication",
            remedy='[dashboard.login] method = "basic", user = "...", secret_env = "..." in '
            "flowhealth.toml",
        )
    return CheckFailed(text, remedy=REMEDY if has_login else _LOG_IN)


def _find_certificate_error(response: HttpResponse) -> str | None:
    """Return what a server such as nginx writes about a client certificate, over HTTP."""
    if response.status not in (400, 403, 495, 496):
        return None
    with contextlib.suppress(HttpError):
        title = parse_page(read_content(response).text).title
        return one_line(title, 100) if "certificate" in title.lower() else None
    return None


def _find_remedy(status: int, site: Site) -> str | None:
    if status == 400 and not site.page.origin.secure:
        return "if the server serves TLS at this port, write https://"
    if status in (404, 410):
        return "correct dashboard.url in flowhealth.toml, or serve a page there"
    return None
