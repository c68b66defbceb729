"""What can be configured of the dashboard: `[dashboard]` and the tables in it."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import Meta


class DashboardLogin(msgspec.Struct, frozen=True):
    """How to log in to the dashboard; what it needs to know is told nowhere."""

    method: Annotated[
        Literal["bearer", "cookie", "form"],
        Meta(
            description="A token (`Authorization: Bearer`), a cookie, or a form that is filled in "
            "and sent before everything else."
        ),
    ]
    secret_env: Annotated[
        str | None,
        Meta(
            description="The environment variable with the token, the cookie (`name=value`) or the "
            "form's password.",
            examples=["DASHBOARD_TOKEN"],
        ),
    ] = None
    secret: Annotated[
        str | None, Meta(description="The same itself, where no variable can hold it.")
    ] = None
    url: Annotated[
        str | None,
        Meta(
            description="The page with the form.",
            examples=["http://localhost:3001/login"],
        ),
    ] = None
    user: Annotated[
        str | None, Meta(description="The user that the form names.", examples=["health"])
    ] = None
    user_field: Annotated[str, Meta(description="The form's field for the user.")] = "username"
    password_field: Annotated[str, Meta(description="The form's field for the password.")] = (
        "password"  # noqa: S105  # a field's name
    )
    fields: Annotated[
        dict[str, str],
        Meta(
            description="Other fields of the form; hidden ones are sent as they are found.",
            examples=[{"remember": "no"}],
        ),
    ] = {}


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
    update_interval: Annotated[
        str, Meta(description="How often the WebSocket brings an update, a minute at the most.")
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
            description="Requests over fresh connections, and as many over kept ones.",
            ge=20,
            le=1_000,
        ),
    ] = 100
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
    connections: DashboardConnections = DashboardConnections()
