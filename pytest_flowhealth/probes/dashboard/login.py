"""Logging in: what is added to each request, and to whom; told nowhere."""

from __future__ import annotations

import ssl
import time
from collections.abc import Mapping
from html.parser import HTMLParser
from http.cookies import CookieError, SimpleCookie
from urllib.parse import urlencode

import msgspec

from pytest_flowhealth.config.dashboard import DashboardLogin
from pytest_flowhealth.errors import CheckFailed, MeasurementUnavailable
from pytest_flowhealth.probes.dashboard.address import Address, parsed
from pytest_flowhealth.probes.dashboard.exchange import Reply, Request, exchange
from pytest_flowhealth.probes.dashboard.failure import Failures, down
from pytest_flowhealth.probes.dashboard.wire import open_wire

KEY = "dashboard.login.url"

_REMEDY = "correct [dashboard.login] in flowhealth.toml, and the variable that secret_env names"


class Access(msgspec.Struct, frozen=True):
    """What opens the dashboard.

    A token goes to every configured address, cookies only to the `host` that they belong to
    (None: to all).
    """

    bearer: str | None = None
    cookies: tuple[tuple[str, str], ...] = ()
    host: str | None = None

    def __repr__(self) -> str:
        """Tell nothing."""
        return "Access(...)"

    def headers(self, address: Address) -> tuple[tuple[str, str], ...]:
        """Return the headers for a request to `address`, its own user and password included."""
        found = []
        if self.bearer is not None:
            found.append(("Authorization", f"Bearer {self.bearer}"))
        elif address.basic is not None:
            found.append(("Authorization", address.basic))
        if self.cookies and self.host in (None, address.origin.host):
            pairs = (f"{name}={value}" for name, value in self.cookies)
            found.append(("Cookie", "; ".join(pairs)))
        return tuple(found)


def secret_of(login: DashboardLogin | None, environ: Mapping[str, str]) -> str | None:
    """Return the configured secret, None where nothing is configured.

    Raises:
        CheckFailed: The variable is not set, or it holds what no header can.
    """
    if login is None:
        return None
    if login.secret_env is not None:
        secret = environ.get(login.secret_env, "").strip()
        if not secret:
            raise MeasurementUnavailable(
                f"the variable {login.secret_env}, which dashboard.login.secret_env names, "
                "is not set",
                remedy=f"export {login.secret_env}=...",
            )
    else:
        secret = (login.secret or "").strip()
        if not secret:
            raise CheckFailed("dashboard.login has neither secret_env nor secret", remedy=_REMEDY)
    if not secret.isprintable() or not secret.isascii():
        raise CheckFailed("dashboard.login's secret has characters that no header can have")
    return secret


def access_of(
    login: DashboardLogin | None,
    environ: Mapping[str, str],
    context: ssl.SSLContext | None,
    timeout: float,
) -> Access:
    """Log in, and return what opens the dashboard.

    Args:
        login: How.
        environ: Where the secret's variable is looked for.
        context: How TLS is spoken.
        timeout: Seconds that an answer may take.

    Raises:
        CheckFailed: The log-in is refused, or can't be meant.
        MeasurementUnavailable: The secret's variable is not set.
    """
    secret = secret_of(login, environ)
    if login is None or secret is None:
        return Access()
    if login.method == "bearer":
        return Access(bearer=secret)
    if login.method == "cookie":
        return Access(cookies=_pairs(secret))
    if login.url is None:
        raise CheckFailed("dashboard.login.url is not set: where the form is", remedy=_REMEDY)
    return _by_form(login, secret, _Session(parsed(KEY, login.url), context, timeout))


class _Session:
    """Requests to the form's server, each over a connection of its own, with its cookies."""

    def __init__(self, address: Address, context: ssl.SSLContext | None, timeout: float) -> None:
        self.address = address
        self.cookies: dict[str, str] = {}
        self._context = context
        self._timeout = timeout

    def ask(self, body: bytes | None = None) -> Reply:
        """Ask for the form, or send it."""
        headers: list[tuple[str, str]] = [("Connection", "close")]
        headers += Access(cookies=tuple(self.cookies.items())).headers(self.address)
        if body is not None:
            headers += [("Origin", self.address.origin.text), ("Referer", self.address.url)]
        deadline = time.monotonic() + self._timeout
        try:
            wire = open_wire(self.address.origin, self._context, deadline)
            try:
                reply = exchange(wire, Request(self.address, tuple(headers), body), deadline)
            finally:
                wire.close()
        except Failures as error:
            problem = down(self.address, error, self._timeout)
        else:
            self._keep(reply)
            return reply
        raise problem

    def _keep(self, reply: Reply) -> None:
        for text in reply.all("set-cookie")[:50]:
            first = text.partition(";")[0]
            self.cookies |= dict(_pairs(first)) if "=" in first else {}


def _by_form(login: DashboardLogin, secret: str, session: _Session) -> Access:
    page = session.ask()
    if page.status >= 400:
        raise CheckFailed(
            f"the log-in form {session.address.shown} answers with status {page.status}",
            remedy=_REMEDY,
        )
    before = dict(session.cookies)
    fields = _hidden(page.body, login.password_field) | login.fields
    if login.user is not None:
        fields[login.user_field] = login.user
    fields[login.password_field] = secret
    reply = session.ask(urlencode(fields).encode())
    if reply.status >= 400:
        raise CheckFailed(
            f"the log-in at {session.address.shown} is refused with status {reply.status}",
            remedy=_REMEDY,
        )
    if session.cookies == before:
        raise CheckFailed(
            f"the log-in at {session.address.shown} gives no cookie: it was not accepted",
            remedy=_REMEDY,
        )
    return Access(cookies=tuple(session.cookies.items()), host=session.address.origin.host)


def _pairs(text: str) -> tuple[tuple[str, str], ...]:
    """Return the names and values of a cookie header (RFC 6265), its attributes left out."""
    try:
        pairs = tuple((name, one.coded_value) for name, one in SimpleCookie(text).items())
    except CookieError:
        pairs = ()
    if pairs:
        return pairs
    name, _, value = text.partition("=")
    return ((name.strip(), value.strip()),)


def _hidden(body: bytes, password_field: str) -> dict[str, str]:
    """Return the hidden fields of the form that has the field for the password, else of the first."""
    parser = _Forms()
    parser.feed(body[: 2**20].decode("utf-8", "replace"))
    forms = parser.forms or [{}]
    chosen = next((one for one in forms if password_field in one), forms[0])
    return {name: value for name, (value, kind) in chosen.items() if kind == "hidden"}


class _Forms(HTMLParser):
    """Collects the inputs of each form: name, value and type."""

    def __init__(self) -> None:
        super().__init__()
        self.forms: list[dict[str, tuple[str, str]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "form":
            self.forms.append({})
        elif tag == "input" and self.forms:
            told = {name: value or "" for name, value in attrs}
            if told.get("name"):
                self.forms[-1][told["name"]] = (told.get("value", ""), told.get("type", "").lower())
