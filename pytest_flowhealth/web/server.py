"""The web server of a monitor, a part of its service; the monitor updates it once a second."""

from __future__ import annotations

import contextlib
import errno
import os
import platform
import resource
import socket
import time
from collections import deque
from collections.abc import Iterator
from typing import Any

import msgspec
import uvicorn

from pytest_flowhealth.alerts.daemon_threads import run_in_thread
from pytest_flowhealth.errors import UsageError
from pytest_flowhealth.history.location import HistoryLocation
from pytest_flowhealth.install_reports.batch_writer import BatchWriter
from pytest_flowhealth.monitor.loop import Monitor
from pytest_flowhealth.monitor.observer import MonitorEvent
from pytest_flowhealth.monitor.settings import Settings
from pytest_flowhealth.web.api import Api
from pytest_flowhealth.web.app import make_application
from pytest_flowhealth.web.authenticator import Authenticator
from pytest_flowhealth.web.delta_log import DeltaLog
from pytest_flowhealth.web.history_api import HistoryApi
from pytest_flowhealth.web.history_queries import HistoryQueries
from pytest_flowhealth.web.live import Live
from pytest_flowhealth.web.login_api import LoginApi
from pytest_flowhealth.web.login_throttle import LoginThrottle
from pytest_flowhealth.web.monitor_snapshot import MonitorSnapshot
from pytest_flowhealth.web.notifications import Notifications
from pytest_flowhealth.web.protocol import Http, Socket
from pytest_flowhealth.web.public import Public
from pytest_flowhealth.web.reports import Reports
from pytest_flowhealth.web.routes import list_endpoints
from pytest_flowhealth.web.sessions import Sessions
from pytest_flowhealth.web.settings import (
    Address,
    Secrets,
    ServerSettings,
    make_access,
    make_server_settings,
)
from pytest_flowhealth.web.state_serializer import StateSerializer

SESSIONS = "web-sessions.json"
"""Where log-ins are kept, beside the history."""

CONNECTIONS = 4_000
"""Connections at the most."""

_FILES = 8_192
_BACKLOG = 1_024
_KEEP_ALIVE = 20


class WebServer:
    """The web server of one monitor.

    Args:
        address: Where it is served.
        settings: The monitor's configuration.
        location: Where the history is.
        secrets: The secrets from the environment.

    Raises:
        UsageError: It can't be served there, or not so.
    """

    def __init__(
        self, address: Address, settings: Settings, location: HistoryLocation, secrets: Secrets
    ) -> None:
        self._secrets = secrets
        self._location = location
        self._served = make_server_settings(address, settings.target, secrets)
        self._sessions = Sessions(location.path.with_name(SESSIONS), time.time)
        access = make_access(settings.target.config.web, secrets, self._sessions.hash)
        self._authenticator = Authenticator(self._sessions, access)
        self._admit()
        self._deltas = DeltaLog()
        self._live = Live(self._deltas)
        self._serializer = StateSerializer()
        self._events: deque[MonitorEvent] = deque(maxlen=1_000)
        name = settings.target.name or settings.target.root.name
        self._snapshot = MonitorSnapshot(name, platform.node(), settings.target.instance)
        self._socket = _bind(self._served.address)
        port = self._socket.getsockname()[1]
        self._address = msgspec.structs.replace(self._served.address, port=port)
        self._server: uvicorn.Server | None = None

    @property
    def url(self) -> str:
        """Where it is, for people."""
        scheme = "https" if self._served.tls else "http"
        host, port = self._socket.getsockname()[:2]
        named = "localhost" if host in ("0.0.0.0", "::") else host  # noqa: S104  # compared, not bound
        return f"{scheme}://{f'[{named}]' if ':' in named else named}:{port}/"

    def start(self, monitor: Monitor) -> None:
        """Make what answers requests."""
        target, record_event = monitor.settings.target, self._events.append
        writer = monitor.pipeline.writer
        self._history = HistoryQueries(self._location, writer, monitor.ring, target)
        self._reports = Reports(
            self._authenticator,
            self._history,
            BatchWriter(writer.change),
            target,
            key=self._secrets.key,
            record_event=record_event,
        )
        self._login_api = LoginApi(self._authenticator, LoginThrottle(time.monotonic), record_event)
        self._api = Api(self._deltas, self._snapshot, self._history, record_event)
        self._notifications = Notifications(monitor.settings, os.environ, record_event)
        self._api.endpoints = list_endpoints(
            *(self._api, HistoryApi(self._history), self._login_api, self._reports),
            *(Public(self._authenticator, self._api.verdict, self._history), self._notifications),
        )

    async def serve(self) -> None:
        """Serve until `close`."""
        if self._socket.fileno() < 0:  # it has been served before, and failed
            self._socket = _bind(self._address)
        await run_in_thread(self._reports.look)
        app = make_application(
            *(self._api.endpoints, self._authenticator, self._live, self._login_api),
            self._tell_link,
        )
        if self._authenticator.access.users:
            self._events.append(MonitorEvent("page", {"url": self.url}))
        else:
            self._tell_link()
        self._server = _Server(uvicorn.Config(app, **_make_options(self._served)))
        await self._server.serve(sockets=[self._socket])

    # -- what the monitor tells

    def on_tick(self, monitor: Monitor, at: float) -> None:
        """Take in how things are."""
        self._reports.on_tick(at)
        if self._server is None:
            return
        state = self._serializer.of(monitor, at)
        health = monitor.board.state.report
        ended = monitor.board.state.ended
        self._api.snapshot = MonitorSnapshot(
            target=self._snapshot.target,
            host=self._snapshot.host,
            instance=self._snapshot.instance,
            ends=monitor.alive(),
            health=health,
            at=None if ended is None else ended.timestamp(),
            firing=frozenset(alert.subject.name for alert in monitor.pipeline.firing()),
        )
        self._live.publish(self._deltas.take(state, at))

    def drain_events(self) -> list[MonitorEvent]:
        """Return what was done since the last time."""
        found = []
        while self._events:
            found.append(self._events.popleft())
        return found

    def reconfigure(self, monitor: Monitor) -> None:
        """Go by other users and tokens; where it is served stays."""
        self._reports.reconfigure(monitor.settings.target)
        self._history.target = monitor.settings.target
        self._notifications.settings = monitor.settings
        web = monitor.settings.target.config.web
        try:
            access = make_access(web, self._secrets, self._sessions.hash)
        except UsageError as error:
            self._events.append(MonitorEvent(f"the page's users stay as they were: {error}"))
            return
        before, self._authenticator.access = self._authenticator.access, access
        self._admit()
        if bool(before.users) is not bool(access.users):
            self._tell_link()

    def close(self) -> None:
        """End."""
        if self._server is not None:
            self._server.should_exit = True

    def _tell_link(self) -> None:
        """Print the next one-time link; where there are passwords, the last one is void and there is none."""
        secret = self._login_api.new_link()
        if secret is not None:
            self._events.append(MonitorEvent("page", {"link": f"{self.url}?token={secret}"}))

    def _admit(self) -> None:
        access = self._authenticator.access
        made = None if self._secrets.password is None else access.users["admin"]
        self._sessions.admit(access.users, made)


class _Server(uvicorn.Server):
    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave the signals to the monitor."""
        yield


def _make_options(served: ServerSettings) -> dict[str, Any]:
    more: dict[str, Any] = {}
    if served.tls is not None:
        certificate, key = served.tls
        more = {"ssl_certfile": str(certificate), "ssl_keyfile": str(key)}
    return more | {
        "http": Http,
        "ws": Socket,
        "loop": "asyncio",
        "lifespan": "off",
        "log_config": None,
        "access_log": False,
        "server_header": False,
        "proxy_headers": bool(served.proxies),
        "forwarded_allow_ips": ",".join(served.proxies) or None,
        "limit_concurrency": CONNECTIONS,
        "timeout_graceful_shutdown": 1,
        "timeout_keep_alive": _KEEP_ALIVE,
        "ws_max_size": 4_096,
        # 1,000 small messages at once cost more packed than they save.
        "ws_per_message_deflate": False,
    }


def _bind(address: Address) -> socket.socket:
    """Return a listening socket.

    Raises:
        UsageError: There can't be one.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = _FILES if hard == resource.RLIM_INFINITY else min(hard, _FILES)
    if soft != resource.RLIM_INFINITY and soft < most:
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
    try:
        family = socket.AF_INET6 if ":" in address.host else socket.AF_INET
        return socket.create_server((address.host, address.port), family=family, backlog=_BACKLOG)
    except (OSError, OverflowError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        other = "; name another port, as in --web 3002"
        more = other if getattr(error, "errno", None) == errno.EADDRINUSE else ""
        raise UsageError(
            f"--web: {address.host}:{address.port} can't be listened on: {reason}{more}"
        ) from None
