"""The web server of a monitor, in a thread of its own; the monitor updates it once a second."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
import platform
import resource
import socket
import threading
import time
from collections import deque
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import msgspec

from pytest_flowhealth.errors import UsageError
from pytest_flowhealth.github_issues.scheduler import IssueScheduler
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

if TYPE_CHECKING:
    import uvicorn

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
        self._intake = BatchWriter(location.path)
        self._deltas = DeltaLog()
        self._live = Live(self._deltas)
        self._serializer = StateSerializer()
        self._events: deque[MonitorEvent] = deque(maxlen=1_000)
        self._issues = IssueScheduler(location.path, os.environ)
        name = settings.target.name or settings.target.root.name
        self._snapshot = MonitorSnapshot(name, platform.node(), settings.target.instance)
        self._socket = _bind(self._served.address)
        port = self._socket.getsockname()[1]
        self._address = msgspec.structs.replace(self._served.address, port=port)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._server: uvicorn.Server | None = None
        self._thread = threading.Thread()

    @property
    def url(self) -> str:
        """Where it is, for people."""
        scheme = "https" if self._served.tls else "http"
        host, port = self._socket.getsockname()[:2]
        named = "localhost" if host in ("0.0.0.0", "::") else host  # noqa: S104  # compared, not bound
        return f"{scheme}://{f'[{named}]' if ':' in named else named}:{port}/"

    def start(self, monitor: Monitor) -> None:
        """Begin to serve."""
        target = monitor.settings.target
        self._history = HistoryQueries(self._location, monitor.ring, target)
        self._reports = Reports(
            self._authenticator,
            self._history,
            self._intake,
            target,
            key=self._secrets.key,
            record_event=self._events.append,
        )
        self._thread = threading.Thread(
            target=monitor.supervisor.run, args=("page", self._serve), daemon=True, name="page"
        )
        self._notifications = Notifications(monitor.settings, os.environ, self._events.append)
        self._thread.start()

    # -- what the monitor tells, in its thread

    def on_tick(self, monitor: Monitor, at: float) -> None:
        """Take in how things are."""
        self._issues.on_tick(monitor.settings.target, at)
        loop = self._loop
        self._reports.on_tick(at)
        if loop is None:
            return
        state = self._serializer.of(monitor, at)
        health = monitor.board.state.report
        ended = monitor.board.state.ended
        snapshot = MonitorSnapshot(
            target=self._snapshot.target,
            host=self._snapshot.host,
            instance=self._snapshot.instance,
            ends=monitor.alive(),
            health=health,
            at=None if ended is None else ended.timestamp(),
            firing=frozenset(alert.subject.name for alert in monitor.pipeline.firing()),
        )
        # RuntimeError: it is just ending.
        with contextlib.suppress(RuntimeError):
            loop.call_soon_threadsafe(self._publish, state, snapshot, at)

    def drain_events(self) -> list[MonitorEvent]:
        """Return what was done since the last time."""
        found = [MonitorEvent(what, facts) for what, facts in self._issues.drain_events()]
        while self._events:
            found.append(self._events.popleft())
        return found

    def reconfigure(self, monitor: Monitor) -> None:
        """Go by other users and tokens; where it is served stays."""
        self._reports.reconfigure(monitor.settings.target)
        self._history.target = monitor.settings.target
        self._notifications.settings = monitor.settings
        self._issues.reschedule()
        web = monitor.settings.target.config.web
        try:
            access = make_access(web, self._secrets, self._sessions.hash)
        except UsageError as error:
            self._events.append(MonitorEvent(f"the page's users stay as they were: {error}"))
            return
        before, self._authenticator.access = self._authenticator.access, access
        self._admit()
        if bool(before.users) is not bool(access.users) and self._loop is not None:
            self._loop.call_soon_threadsafe(self._tell_link)

    def close(self) -> None:
        """End."""
        if self._server is not None:
            self._server.should_exit = True
        self._thread.join(2.0)
        self._intake.close()

    # -- the server, in its own thread

    def _serve(self) -> None:
        if self._socket.fileno() < 0:  # it has been served before, and failed
            self._socket = _bind(self._address)
        asyncio.run(self._run())

    async def _run(self) -> None:
        import uvicorn

        login_api = LoginApi(
            self._authenticator, LoginThrottle(time.monotonic), self._events.append
        )

        self._login_api = login_api
        self._api = Api(self._deltas, self._snapshot, self._history, self._events.append)
        public = Public(self._authenticator, self._api.verdict, self._history)
        self._api.endpoints = list_endpoints(
            *(self._api, HistoryApi(self._history), login_api, self._reports),
            *(public, self._notifications),
        )
        await asyncio.to_thread(self._reports.look)
        app = make_application(
            self._api.endpoints, self._authenticator, self._live, login_api, self._tell_link
        )
        if self._authenticator.access.users:
            self._events.append(MonitorEvent("page", {"url": self.url}))
        else:
            self._tell_link()
        self._server = uvicorn.Server(uvicorn.Config(app, **_uvicorn(self._served)))
        self._loop = asyncio.get_running_loop()
        await self._server.serve(sockets=[self._socket])

    def _tell_link(self) -> None:
        """Print the next one-time link; where there are passwords, the last one is void and there is none."""
        secret = self._login_api.new_link()
        if secret is not None:
            self._events.append(MonitorEvent("page", {"link": f"{self.url}?token={secret}"}))

    def _publish(
        self, state: Mapping[str, msgspec.Raw], snapshot: MonitorSnapshot, at: float
    ) -> None:
        self._api.snapshot = snapshot
        self._live.publish(self._deltas.take(state, at))

    def _admit(self) -> None:
        access = self._authenticator.access
        made = None if self._secrets.password is None else access.users["admin"]
        self._sessions.admit(access.users, made)


def _uvicorn(served: ServerSettings) -> dict[str, Any]:
    from pytest_flowhealth.web.protocol import Http, Socket

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
