"""What can be configured of the dashboard: `[dashboard]` and the tables in it."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import Meta


class DashboardLogin(msgspec.Struct, frozen=True):
    """How to log in to the dashboard; its secrets appear in no message or report."""

    method: Annotated[
        Literal["basic", "bearer", "cookie", "form", "json"],
        Meta(
            description="A user and password (`Authorization: Basic`), a token (`Authorization: "
            "Bearer`), a cookie, a form of an HTML page that is sent as a browser sends it, or a "
            "JSON object that is posted as a page's script does."
        ),
    ]
    secret_env: Annotated[
        str | None,
        Meta(
            description="The environment variable with the token, the cookie (`name=value`) or the "
            "password.",
            examples=["DASHBOARD_TOKEN"],
        ),
    ] = None
    secret: Annotated[
        str | None, Meta(description="The same itself, where no variable can hold it.")
    ] = None
    url: Annotated[
        str | None,
        Meta(
            description="The page with the form; for `json`, the address that the object is posted to.",
            examples=["http://localhost:3001/login"],
        ),
    ] = None
    user: Annotated[str | None, Meta(description="The user.", examples=["health"])] = None
    user_field: Annotated[
        str | None,
        Meta(
            description="The field for the user; else the form's text or email field, and "
            "`username` for `json`."
        ),
    ] = None
    password_field: Annotated[
        str | None,
        Meta(
            description="The field for the password; else the form's password field, and "
            "`password` for `json`."
        ),
    ] = None
    fields: Annotated[
        dict[str, str],
        Meta(
            description="Other fields; hidden ones of a form are sent as they are found.",
            examples=[{"remember": "no"}],
        ),
    ] = {}
    token_field: Annotated[
        str | None,
        Meta(
            description="Where the response to `json` has a token, which is then sent as "
            "`Authorization: Bearer`; without it, the response's cookies are.",
            examples=["data.token"],
        ),
    ] = None


class DashboardHeartbeat(msgspec.Struct, frozen=True):
    """A message of the application's own that keeps its WebSocket open."""

    send: Annotated[str, Meta(description="The text that is sent.", examples=['{"type": "pong"}'])]
    answers: Annotated[
        str | None,
        Meta(
            description="A text that a message of the server contains which it answers.",
            examples=['"type":"ping"'],
        ),
    ] = None
    every: Annotated[
        str | None, Meta(description="How often it is sent unasked.", examples=["10 s"])
    ] = None


class DashboardSocketIo(msgspec.Struct, frozen=True):
    """How to join a Socket.IO server."""

    namespace: Annotated[
        str, Meta(description="The namespace that is joined.", examples=["/admin"])
    ] = "/"
    auth: Annotated[
        dict[str, str],
        Meta(
            description="What the client sends as `auth` when it joins.",
            examples=[{"user": "health"}],
        ),
    ] = {}
    token_env: Annotated[
        str | None,
        Meta(
            description="The environment variable whose value is sent as `auth.token`.",
            examples=["DASHBOARD_TOKEN"],
        ),
    ] = None


class DashboardMessage(msgspec.Struct, frozen=True):
    """A message that the application answers, to measure the way through it."""

    send: Annotated[
        str,
        Meta(
            description="The text that is sent; `{id}` in it stands for a number of its own.",
            examples=['{"type": "ping", "id": {id}}'],
        ),
    ]
    reply: Annotated[
        str,
        Meta(
            description="A text that the reply contains; `{id}` in it stands for the same number.",
            examples=['"pong","id":{id}'],
        ),
    ]


class DashboardConnections(msgspec.Struct, frozen=True):
    """How many connections the dashboard has, and how many it can hold."""

    url: Annotated[
        str | None,
        Meta(
            description="An address that tells the number of open connections, as JSON.",
            examples=["http://localhost:3001/api/connections"],
        ),
    ] = None
    field: Annotated[
        str, Meta(description="Where in the JSON the number is: `stats.sockets[0].open`.")
    ] = "connections"
    open: Annotated[
        int,
        Meta(
            description="WebSocket connections that are opened at once and held, to see how many "
            "stay; 0 opens none.",
            ge=0,
            le=1_000,
        ),
    ] = 0
    hold: Annotated[str, Meta(description="How long they are held, a minute at the most.")] = "2 s"


class Dashboard(msgspec.Struct, frozen=True):
    """The application's dashboard: its page, and the WebSocket that keeps it up to date."""

    url: Annotated[
        str | None,
        Meta(
            description="The page's address; no other address is asked than those in this section.",
            examples=["http://localhost:3001/"],
        ),
    ] = None
    websocket: Annotated[
        str | None,
        Meta(
            description="The address of its WebSocket; that of Socket.IO ends with "
            "`/socket.io/?EIO=4&transport=websocket`.",
            examples=["ws://localhost:3001/ws"],
        ),
    ] = None
    subprotocols: Annotated[
        tuple[str, ...],
        Meta(
            description="The sub-protocols that the client offers (`Sec-WebSocket-Protocol`).",
            examples=[["graphql-transport-ws"]],
        ),
    ] = ()
    events: Annotated[
        str | None,
        Meta(
            description="The address of server-sent events (`text/event-stream`); updates are "
            "then these, and not the WebSocket's messages.",
            examples=["http://localhost:3001/events"],
        ),
    ] = None
    update_interval: Annotated[
        str, Meta(description="How often an update comes, a minute at the most.")
    ] = "1 s"
    updates: Annotated[
        bool, Meta(description="Whether updates come at that interval, and not when they may.")
    ] = True
    update: Annotated[
        str | None,
        Meta(
            description="A text that an update contains, where other messages come too.",
            examples=['["metrics",'],
        ),
    ] = None
    subscribe: Annotated[
        tuple[str, ...],
        Meta(
            description="Texts that are sent after connecting, so that updates come.",
            examples=[['{"type": "subscribe"}']],
        ),
    ] = ()
    window: Annotated[
        str | None,
        Meta(
            description="How long updates are watched, ten minutes at the most; else 22 intervals "
            "and half a second, which gives the 20 distances that a p95 needs.",
            examples=["30 s"],
        ),
    ] = None
    contains: Annotated[
        str | None,
        Meta(
            description="A text that the page contains, so that no other page is taken for it.",
            examples=["<title>Fleet</title>"],
        ),
    ] = None
    requests: Annotated[
        int,
        Meta(
            description="Requests over fresh connections, and as many over kept ones; fewer where "
            "the server's rate limit or its speed leaves no room.",
            ge=20,
            le=1_000,
        ),
    ] = 40
    timeout: Annotated[str, Meta(description="How long an answer may take, a minute at most.")] = (
        "5 s"
    )
    ca: Annotated[
        str | None,
        Meta(
            description="A file with the authority that signed the server's certificate, relative "
            "to the project; besides those that the system trusts.",
            examples=["config/dashboard-ca.pem"],
        ),
    ] = None
    certificate: Annotated[
        str | None,
        Meta(
            description="A PEM file with the client's certificate, for a server that requires one, "
            "relative to the project.",
            examples=["config/health.pem"],
        ),
    ] = None
    key: Annotated[
        str | None,
        Meta(
            description="The PEM file with the certificate's key, unless the certificate's own has it.",
            examples=["config/health.key"],
        ),
    ] = None
    browser: Annotated[
        str | None,
        Meta(
            description="The Chromium that shows the page; else `CHROMIUM` of the environment, the "
            "one on the PATH, or Playwright's own.",
            examples=["/usr/bin/chromium"],
        ),
    ] = None
    login: DashboardLogin | None = None
    message: DashboardMessage | None = None
    heartbeat: DashboardHeartbeat | None = None
    socketio: DashboardSocketIo = DashboardSocketIo()
    connections: DashboardConnections = DashboardConnections()
