"""The section of the application's dashboard: `[dashboard]` and its tables."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from pytest_flowhealth.config.notation import (
    Duration,
    NonEmpty,
    Secret,
    WebAddress,
    WebSocketAddress,
)


class DashboardLogin(msgspec.Struct, frozen=True):
    """How to log in to the dashboard; no message or report contains the secret."""

    method: Literal["basic", "bearer", "cookie", "form", "json"]
    """User and password (`Authorization: Basic`), a token (`Authorization: Bearer`), a cookie, a form of
    an HTML page, submitted as a browser does it, or a JSON object, posted as a page's script does it."""
    secret_env: NonEmpty | None = None
    """The environment variable with the token, the cookie (`name=value`) or the password.
    Example: `"DASHBOARD_TOKEN"`."""
    secret: Secret | None = None
    """The secret itself, if no variable can contain it."""
    url: WebAddress | None = None
    """The page with the form; for `json`, the address to which the object is posted.
    Example: `"http://localhost:3001/login"`."""
    user: str | None = None
    """The user. Example: `"health"`."""
    user_field: str | None = None
    """The field of the user; default: the form's text or email field, `username` for `json`."""
    password_field: str | None = None
    """The field of the password; default: the form's password field, `password` for `json`."""
    fields: dict[str, str] = {}
    """Other fields; the hidden fields of a form are sent as they are.
    Example: `{ remember = "no" }`."""
    token_field: str | None = None
    """The path of a token in the response to `json`, which is then sent as `Authorization: Bearer`;
    default: the response's cookies are sent. Example: `"data.token"`."""


class DashboardHeartbeat(msgspec.Struct, frozen=True):
    """A message of the application's protocol that keeps its WebSocket open."""

    send: str
    """The text that is sent. Example: `'{"type": "pong"}'`."""
    answers: str | None = None
    """A text in a message of the server to which it is the reply. Example: `'"type":"ping"'`."""
    every: Duration | None = None
    """How often it is sent by itself. Example: `"10 s"`."""


class DashboardSocketIo(msgspec.Struct, frozen=True):
    """How to connect to a Socket.IO server."""

    namespace: str = "/"
    """The namespace. Example: `"/admin"`."""
    auth: dict[str, str] = {}
    """The `auth` payload of the connection. Example: `{ user = "health" }`."""
    token_env: str | None = None
    """The environment variable whose value is sent as `auth.token`. Example: `"DASHBOARD_TOKEN"`."""


class DashboardMessage(msgspec.Struct, frozen=True):
    """A message to which the application replies, to measure the round trip through it."""

    send: NonEmpty
    """The text that is sent; `{id}` is replaced by a number. Example: `'{"type": "ping", "id": {id}}'`."""
    reply: NonEmpty
    """A text that the reply contains; `{id}` is replaced by the same number.
    Example: `'"pong","id":{id}'`."""


class DashboardConnections(msgspec.Struct, frozen=True):
    """How many connections the dashboard has, and how many it can hold."""

    url: WebAddress | None = None
    """An address that responds with the number of open connections, as JSON.
    Example: `"http://localhost:3001/api/connections"`."""
    field: NonEmpty = "connections"
    """The path of the number in the JSON. Example: `"stats.sockets[0].open"`."""
    open: Annotated[int, Meta(ge=0, le=1_000)] = 0
    """WebSocket connections that are opened together and held, to see how many stay open; 0 for none."""
    hold: Duration = 2.0
    """How long they are held, at most 1 min."""


class Dashboard(msgspec.Struct, frozen=True):
    """The application's dashboard: its page, and the WebSocket that updates it."""

    url: WebAddress | None = None
    """The page's address; no address outside this section is requested.
    Example: `"http://localhost:3001/"`."""
    websocket: WebSocketAddress | None = None
    """The address of its WebSocket; for Socket.IO it ends with `/socket.io/?EIO=4&transport=websocket`.
    Example: `"ws://localhost:3001/ws"`."""
    subprotocols: tuple[str, ...] = ()
    """The sub-protocols that the client offers (`Sec-WebSocket-Protocol`).
    Example: `["graphql-transport-ws"]`."""
    events: WebAddress | None = None
    """The address of server-sent events (`text/event-stream`); they are then the updates, instead of the
    WebSocket's messages. Example: `"http://localhost:3001/events"`."""
    update_interval: Duration = 1.0
    """The interval of updates, at most 1 min."""
    updates: bool = True
    """Whether updates come at that interval, rather than at any time."""
    update: NonEmpty | None = None
    """A text that an update contains, if there are other messages too. Example: `'["metrics",'`."""
    subscribe: tuple[str, ...] = ()
    """Texts that are sent after connecting, to receive updates.
    Example: `['{"type": "subscribe"}']`."""
    window: Duration | None = None
    """How long updates are observed, at most 10 min; default: 22 intervals and half a second, which gives
    the 20 distances that a p95 needs. Example: `"30 s"`."""
    contains: NonEmpty | None = None
    """A text that the page contains, so that another page is recognised.
    Example: `"<title>Fleet</title>"`."""
    requests: Annotated[int, Meta(ge=20, le=1_000)] = 40
    """Requests over new connections, and as many over kept-alive ones; fewer if the server's rate limit
    or its speed does not allow them."""
    timeout: Duration = 5.0
    """The time limit of a response, at most 1 min."""
    ca: NonEmpty | None = None
    """A file with the certificate authority of the server's certificate, relative to the project, in
    addition to those that the system trusts. Example: `"config/dashboard-ca.pem"`."""
    certificate: NonEmpty | None = None
    """A PEM file with the client's certificate, if the server requires one, relative to the project.
    Example: `"config/health.pem"`."""
    key: NonEmpty | None = None
    """The PEM file with the certificate's key, unless the certificate's file contains it.
    Example: `"config/health.key"`."""
    browser: NonEmpty | None = None
    """The Chromium that opens the page; default: the environment's `CHROMIUM`, the one on the PATH, or
    Playwright's. Example: `"/usr/bin/chromium"`."""
    login: DashboardLogin | None = None
    message: DashboardMessage | None = None
    heartbeat: DashboardHeartbeat | None = None
    socketio: DashboardSocketIo = DashboardSocketIo()
    connections: DashboardConnections = DashboardConnections()
