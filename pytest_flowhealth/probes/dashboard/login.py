"""Logging in to the dashboard, as its configuration says."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from urllib.parse import urlencode

import msgspec

from pytest_flowhealth.config.dashboard import DashboardLogin
from pytest_flowhealth.domain.text import one_line
from pytest_flowhealth.errors import CheckFailed, MeasurementUnavailable
from pytest_flowhealth.probes.dashboard.address import ServerOrigin, SiteAddress, resolve_address
from pytest_flowhealth.probes.dashboard.content import read_content
from pytest_flowhealth.probes.dashboard.error_pages import find_json_problem
from pytest_flowhealth.probes.dashboard.forms import Form, parse_page
from pytest_flowhealth.probes.dashboard.http_client import HttpClient, HttpError, HttpResponse
from pytest_flowhealth.probes.dashboard.json_path import read_path
from pytest_flowhealth.probes.dashboard.navigation import (
    Navigation,
    SiteAccess,
    Submission,
    failure,
    navigate,
)

KEY = "dashboard.login.url"
REMEDY = "correct [dashboard.login] in flowhealth.toml, and the variable that secret_env names"

_FORM = "application/x-www-form-urlencoded"


def read_secret(login: DashboardLogin, environ: Mapping[str, str]) -> str:
    """Return the configured secret.

    Raises:
        CheckFailed: None is configured, or it has characters that a header can't have.
        MeasurementUnavailable: The variable is not set.
    """
    if login.secret_env is None and not (login.secret or "").strip():
        raise CheckFailed("dashboard.login has neither secret_env nor secret", remedy=REMEDY)
    if login.secret_env is None:
        secret = (login.secret or "").strip()
    else:
        secret = environ.get(login.secret_env, "").strip()
        if not secret:
            raise MeasurementUnavailable(
                f"the variable {login.secret_env}, which dashboard.login.secret_env names, "
                "is not set",
                remedy=f"export {login.secret_env}=...",
            )
    in_header = login.method in ("bearer", "cookie")
    if in_header and not (secret.isprintable() and secret.isascii()):
        raise CheckFailed("dashboard.login's secret has characters that no header can have")
    return secret


def log_in(
    login: DashboardLogin,
    secret: str,
    address: SiteAddress | None,
    origins: frozenset[ServerOrigin],
    client: HttpClient,
) -> SiteAccess:
    """Log in and return what later requests carry.

    Whether a form or a cookie is accepted shows only in the page: see `open_page`.

    Args:
        login: The configuration.
        secret: The token, the cookie or the password.
        address: That of `login.url`.
        origins: The servers that may be reached.
        client: Sends the requests; its cookies become those of the result.

    Raises:
        CheckFailed: The server refuses the login, or has no form to log in with.
    """
    if login.method == "bearer":
        return SiteAccess(authorization=f"Bearer {secret}")
    if login.method == "basic":
        pair = base64.b64encode(f"{login.user or ''}:{secret}".encode()).decode()
        return SiteAccess(authorization=f"Basic {pair}")
    if login.method == "cookie":
        return SiteAccess(cookie=secret.partition(";")[0] if _has_attributes(secret) else secret)
    if address is None:
        raise CheckFailed(f"{KEY} is not set", remedy=REMEDY)
    if login.method == "json":
        return _log_in_by_json(login, secret, address, origins, client)
    return _log_in_by_form(login, secret, address, origins, client)


def _has_attributes(cookie: str) -> bool:
    """Tell whether a cookie was copied from `Set-Cookie`, with its attributes."""
    later = [part.strip().partition("=")[0].lower() for part in cookie.split(";")[1:]]
    return bool({"path", "httponly", "secure", "samesite", "max-age", "expires"} & set(later))


def _log_in_by_form(
    login: DashboardLogin,
    secret: str,
    address: SiteAddress,
    origins: frozenset[ServerOrigin],
    client: HttpClient,
) -> SiteAccess:
    page = navigate(client, address, origins, SiteAccess())
    form = _find_form(login, page)
    target = page.address if form.action is None else resolve_address(page.address, form.action)
    if target.origin not in origins:
        raise CheckFailed(
            f"the login form {page.address.shown} sends to {target.place}, which is not configured; "
            "the password was not sent",
            remedy="set dashboard.login.url to an address of that server",
        )
    pairs = _fill(login, secret, form)
    sent: SiteAddress = target
    submission = Submission()
    if form.method == "post":
        body, kind = _encode(pairs, form.encoding)
        headers = {
            "Content-Type": kind,
            "Origin": page.address.origin.text,
            "Referer": page.address.url,
        }
        submission = Submission("POST", body, headers)
    else:
        path = target.target.partition("?")[0]
        sent = msgspec.structs.replace(target, target=f"{path}?{urlencode(pairs)}")
    after = navigate(client, sent, origins, SiteAccess(), submission, leave=True)
    # What it redirects to may not be there; whether the page is, its own check says.
    if len(after.passed) == 1:
        _require_accepted(after.response, target)
    if _shows_form(after, form):
        raise CheckFailed(
            f"the login was not accepted: after it, {after.address.shown} shows its form again",
            remedy=REMEDY,
        )
    return SiteAccess(jar=client.cookies)


def _shows_form(page: Navigation, form: Form) -> bool:
    """Tell whether a page has a form again, with whatever was filled in."""
    if page.response.status >= 300:
        return False
    try:
        forms = parse_page(read_content(page.response).text).forms
    except HttpError:
        return False
    names = [field.name for field in form.fields]
    return any(
        other.action == form.action and [field.name for field in other.fields] == names
        for other in forms
    )


def _find_form(login: DashboardLogin, page: Navigation) -> Form:
    response, shown = page.response, page.address.shown
    if response.status >= 400:
        raise CheckFailed(
            f"the login form {shown} responds with status {response.status}", remedy=REMEDY
        )
    try:
        forms = parse_page(read_content(response).text).forms
    except HttpError as error:
        problem = failure(page.address, error)
        raise problem from None
    name = login.password_field
    for form in forms:
        if any(field.name == name for field in form.fields) if name else form.passwords:
            if form.method:
                return form
            raise CheckFailed(
                f"the login form {shown} is sent by a script of its page",
                remedy='log in as the script does: method = "json" and the address that it posts '
                "to, in [dashboard.login] in flowhealth.toml",
            )
    raise CheckFailed(
        f"{shown} has no login form in its HTML"
        + (f" with the field {one_line(name, 60)!r}" if name else " with a password field"),
        remedy="name the page that has it in dashboard.login.url; where a script makes the form: "
        'method = "json" with the address that the script posts to',
    )


def _fill(login: DashboardLogin, secret: str, form: Form) -> list[tuple[str, str]]:
    """Return the fields that a browser would send, in their order."""
    passwords = form.passwords or [field for field in form.fields if field.kind == "password"]
    password = login.password_field or passwords[0].name
    user = login.user_field or form.user_field(password)
    filled = dict(login.fields)
    if login.user is not None:
        if user is None:
            raise CheckFailed(
                "the login form has no field for the user",
                remedy="name it: [dashboard.login] user_field in flowhealth.toml",
            )
        filled[user] = login.user
    filled[password] = secret
    sent = [
        (field.name, field.value)
        for field in form.fields
        if field.submits and field.name not in filled
    ]
    button = next(
        (field for field in form.fields if field.kind in ("submit", "button") and field.name), None
    )
    if button is not None and button.kind == "submit" and button.name not in filled:
        sent.append((button.name, button.value))
    return [*sent, *filled.items()]


def _encode(pairs: list[tuple[str, str]], encoding: str) -> tuple[bytes, str]:
    if encoding == "multipart/form-data":
        from urllib3 import encode_multipart_formdata

        body, kind = encode_multipart_formdata(pairs)
        return body, kind
    return urlencode(pairs).encode(), _FORM


def _log_in_by_json(
    login: DashboardLogin,
    secret: str,
    address: SiteAddress,
    origins: frozenset[ServerOrigin],
    client: HttpClient,
) -> SiteAccess:
    sent: dict[str, str] = dict(login.fields)
    if login.user is not None:
        sent[login.user_field or "username"] = login.user
    sent[login.password_field or "password"] = secret
    headers = {"Content-Type": "application/json", "Origin": address.origin.text}
    submission = Submission("POST", msgspec.json.encode(sent), headers)
    after = navigate(client, address, origins, SiteAccess(), submission, leave=True)
    _require_accepted(after.response, address)
    try:
        text = read_content(after.response).text
        body: object = msgspec.json.decode(text or "null")
    except (HttpError, msgspec.DecodeError, UnicodeDecodeError):
        text, body = "", None
    if login.token_field is not None:
        token = read_path(body, login.token_field)
        if not isinstance(token, str) or not token:
            raise CheckFailed(
                f"the login at {address.shown} gives no token at {one_line(login.token_field, 60)!r}",
                remedy=REMEDY,
            )
        return SiteAccess(authorization=f"Bearer {token}", jar=client.cookies)
    refusal = find_json_problem(text) if isinstance(body, dict) else None
    if refusal is not None:
        raise CheckFailed(f"the login at {address.shown} is refused: it {refusal}", remedy=REMEDY)
    if not client.cookies:
        raise CheckFailed(
            f"the login at {address.shown} gives no cookie",
            remedy="where its response has a token: [dashboard.login] token_field in "
            "flowhealth.toml",
        )
    return SiteAccess(jar=client.cookies, is_unverified=not _says_accepted(body))


def _says_accepted(body: object) -> bool:
    """Tell whether a response to a login has more than a message."""
    if not isinstance(body, dict):
        return False
    return any(body[key] for key in body if key not in ("message", "status", "code", "error"))


def _require_accepted(response: HttpResponse, address: SiteAddress) -> None:
    if response.status == 429:
        raise MeasurementUnavailable(
            f"the login at {address.shown} is limited by the server (status 429)",
            remedy="log in by a token or a cookie, or exempt this machine from the limit",
        )
    if response.status >= 400:
        raise CheckFailed(
            f"the login at {address.shown} is refused with status {response.status}",
            remedy=REMEDY,
        )
