"""The dashboard as it is configured: its addresses, how to log in, and how long to wait."""

from __future__ import annotations

import os
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from typing import Any

from pytest_flowhealth.config.dashboard import Dashboard
from pytest_flowhealth.config.target import Target
from pytest_flowhealth.domain.text import Redactor
from pytest_flowhealth.errors import CheckFailed, FlowHealthError, NotApplicable
from pytest_flowhealth.probes.dashboard.address import ServerOrigin, SiteAddress, parse_address
from pytest_flowhealth.probes.dashboard.http_client import HttpClient
from pytest_flowhealth.probes.dashboard.login import KEY, log_in, read_secret
from pytest_flowhealth.probes.dashboard.navigation import SiteAccess
from pytest_flowhealth.probes.dashboard.tls import TlsFiles, make_context

LONGEST = 60.0
"""Seconds of `dashboard.timeout` that count at the most."""

NOT_CONFIGURED = "no dashboard is configured: [dashboard] url in flowhealth.toml"

_SET = 'set it in flowhealth.toml: [dashboard] url = "http://localhost:3001/"'


class Site:
    """A configured dashboard. It logs in when `access` is first read.

    Args:
        settings: ``[dashboard]``.
        tls: Authorities and client certificate.

    Attributes:
        page, websocket, events, counter, login: The addresses, None where none is configured.
        timeout: Seconds that a response may take. `interval`: seconds between updates.
        origins: The servers of those addresses; no other is reached.

    Raises:
        CheckFailed: An address is not valid, or a file of TLS can't be used.
        NotApplicable: No dashboard is configured.
    """

    def __init__(self, settings: Dashboard, tls: TlsFiles) -> None:
        if settings.url is None:
            if settings == Dashboard():
                raise NotApplicable(NOT_CONFIGURED)
            raise CheckFailed(
                "dashboard.url is not set, but other keys of [dashboard] are", remedy=_SET
            )
        self.settings = settings
        self.tls = tls
        self.page = parse_address("dashboard.url", settings.url)
        self.websocket = _optional("dashboard.websocket", settings.websocket)
        self.events = _optional("dashboard.events", settings.events)
        self.counter = _optional("dashboard.connections.url", settings.connections.url)
        self.login = _optional(KEY, settings.login.url if settings.login else None)
        self.timeout = min(LONGEST, settings.timeout)
        self.interval = min(60.0, settings.update_interval)
        addresses = (self.page, self.websocket, self.events, self.counter, self.login)
        self.origins = frozenset[ServerOrigin](
            address.origin for address in addresses if address is not None
        )

    @cached_property
    def context(self) -> ssl.SSLContext:
        """How WebSockets speak TLS."""
        return make_context(self.tls)

    @cached_property
    def access(self) -> SiteAccess:
        """What opens the dashboard.

        Raises:
            CheckFailed: The login is refused, or its configuration is not valid.
            MeasurementUnavailable: The secret's variable is not set.
        """
        login = self.settings.login
        if login is None:
            return SiteAccess()
        secret = read_secret(login, os.environ)
        with HttpClient(self.timeout, self.tls) as client:
            return log_in(login, secret, self.login, self.origins, client)

    def client(self) -> HttpClient:
        """Return a client that is logged in."""
        return HttpClient(self.timeout, self.tls, self.access.jar)

    def socketio_auth(self) -> dict[str, Any]:
        """Return what a client of Socket.IO sends as `auth`."""
        options = self.settings.socketio
        token = os.environ.get(options.token_env or "", "")
        return {**options.auth, "token": token} if token else dict(options.auth)


def make_site(target: Target) -> Site:
    """Return the target's dashboard.

    Raises:
        NotApplicable: None is configured.
        CheckFailed: The configuration is not valid.
    """
    settings = target.config.dashboard

    def path(name: str | None) -> str | None:
        return None if name is None else str(target.root / name)

    tls = TlsFiles(path(settings.ca), path(settings.certificate), path(settings.key))
    with redact_errors(settings):
        return Site(settings, tls)


def make_redactor(settings: Dashboard, access: SiteAccess | None = None) -> Redactor:
    """Return what removes the dashboard's secrets from a text."""
    login = settings.login
    variables = [login.secret_env if login else None, settings.socketio.token_env]
    secrets = {os.environ.get(name or "", "") for name in variables}
    secrets |= {(login.secret or "") if login else "", *settings.socketio.auth.values()}
    for url in (settings.url, settings.websocket, settings.events, settings.connections.url):
        try:
            secrets.add((parse_address("", url).password or "") if url else "")
        except FlowHealthError:
            continue
    if access is not None:
        secrets |= {cookie.value for cookie in access.cookies} | {access.cookie or ""}
        secrets.add((access.authorization or "").partition(" ")[2])
    # Of a cookie `name=value` the value alone is a secret too.
    secrets |= {secret.partition("=")[2] for secret in secrets}
    return Redactor(secret.strip() for secret in secrets if secret.strip())


@contextmanager
def redact_errors(settings: Dashboard, access: SiteAccess | None = None) -> Iterator[None]:
    """Remove the dashboard's secrets from the messages of errors: a server may repeat them."""
    try:
        yield
    except FlowHealthError as error:
        redact = make_redactor(settings, access)
        redacted = type(error)(
            redact(error.message),
            remedy=None if error.remedy is None else redact(error.remedy),
            diagnosis=None if error.diagnosis is None else redact(error.diagnosis),
        )
    else:
        return
    raise redacted


def _optional(key: str, url: str | None) -> SiteAddress | None:
    return None if url is None else parse_address(key, url)
