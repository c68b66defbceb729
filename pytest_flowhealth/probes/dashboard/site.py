"""The dashboard as it is configured: its addresses, how to get in, and how long to wait."""

from __future__ import annotations

import os
import ssl
from collections.abc import Iterator
from contextlib import contextmanager

import msgspec

from pytest_flowhealth.config.dashboard import Dashboard
from pytest_flowhealth.config.files import reason
from pytest_flowhealth.config.target import Target
from pytest_flowhealth.domain.text import Redactor
from pytest_flowhealth.domain.units import parse_duration
from pytest_flowhealth.errors import CheckFailed, FlowHealthError, NotApplicable
from pytest_flowhealth.probes.dashboard.address import Address, Origin, parsed
from pytest_flowhealth.probes.dashboard.login import Access, access_of

LONGEST = 60.0
"""Seconds of `dashboard.timeout` that count at the most."""

NONE = "no dashboard is configured: [dashboard] url in flowhealth.toml"

_SET = 'set it in flowhealth.toml: [dashboard] url = "http://localhost:3001/"'


class Site(msgspec.Struct, frozen=True):
    """A dashboard to look at; `context` is how TLS is spoken, None where nothing is secure."""

    page: Address
    settings: Dashboard
    timeout: float
    interval: float
    websocket: Address | None = None
    counter: Address | None = None
    context: ssl.SSLContext | None = None
    access: Access = Access()

    @property
    def origins(self) -> frozenset[Origin]:
        """Whom we may ask: the servers of the configured addresses."""
        login = self.settings.login
        found = [self.page, self.websocket, self.counter]
        found += [parsed("dashboard.login.url", login.url)] if login and login.url else []
        return frozenset(one.origin for one in found if one is not None)


def of_target(target: Target) -> Site:
    """Return the target's dashboard; logs in where that is configured.

    Raises:
        NotApplicable: None is configured.
        CheckFailed: The configuration, or the log-in, does not do.
        MeasurementUnavailable: The log-in's secret is not there.
    """
    settings = target.config.dashboard
    if settings.url is None:
        if settings == Dashboard():
            raise NotApplicable(NONE)
        raise CheckFailed(
            "dashboard.url is not set, but other keys of [dashboard] are", remedy=_SET
        )
    with told_safely(settings):
        page = parsed("dashboard.url", settings.url)
        timeout = min(LONGEST, parse_duration(settings.timeout))
        context = _context(target)
        return Site(
            page=page,
            settings=settings,
            timeout=timeout,
            interval=min(60.0, parse_duration(settings.update_interval)),
            websocket=_optional("dashboard.websocket", settings.websocket),
            counter=_optional("dashboard.connections.url", settings.connections.url),
            context=context,
            access=access_of(settings.login, os.environ, context, timeout),
        )


def redactor(settings: Dashboard, access: Access | None = None) -> Redactor:
    """Return what takes the dashboard's secrets out of a text."""
    login = settings.login
    secrets = {login.secret or "", os.environ.get(login.secret_env or "", "")} if login else set()
    for address in (settings.url, settings.websocket, settings.connections.url):
        try:
            password = parsed("", address).password if address else None
        except FlowHealthError:
            password = None
        secrets.add(password or "")
    secrets |= {value for _, value in access.cookies} if access else set()
    # Of a cookie `name=value` the value alone is a secret too.
    secrets |= {one.partition("=")[2] for one in secrets}
    return Redactor(one.strip() for one in secrets if one.strip())


@contextmanager
def told_safely(settings: Dashboard, access: Access | None = None) -> Iterator[None]:
    """Take the dashboard's secrets out of the messages of our errors: a server may repeat them."""
    try:
        yield
    except FlowHealthError as error:
        redact = redactor(settings, access)
        told = type(error)(
            redact(error.message), remedy=None if error.remedy is None else redact(error.remedy)
        )
    else:
        return
    raise told


def _optional(key: str, url: str | None) -> Address | None:
    return None if url is None else parsed(key, url)


def _context(target: Target) -> ssl.SSLContext:
    """Return how TLS is spoken, with the authority that is configured.

    Raises:
        CheckFailed: Its file can't be used.
    """
    context = ssl.create_default_context()
    authority = target.config.dashboard.ca
    if authority is None:
        return context
    try:
        context.load_verify_locations(target.root / authority)
    except (OSError, ValueError) as error:
        problem = reason(error)
    else:
        return context
    raise CheckFailed(
        f"the file that dashboard.ca names can't be used: {problem}",
        remedy="name a PEM file with the authority's certificate",
    )
