"""The routes of the API: each is declared by a decorator at the method that handles it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, TypeVar, get_type_hints

import msgspec
from starlette.requests import Request

from pytest_flowhealth.web.authenticator import Principal

Handler = Callable[[Request, Principal], Awaitable[Any]]
"""Returns a `Response`, a struct that becomes JSON, or None for an empty response."""

Method = TypeVar("Method", bound=Callable[..., Awaitable[Any]])

Parameter = tuple[str, type, Any]
"""Of a query: name, type, default (None: required)."""


class Route(msgspec.Struct, frozen=True):
    """The declaration of an endpoint.

    Attributes:
        method, path: As in HTTP; `{name}` in the path stands for a part of it.
        scope: What opens it: read, metrics, report, write (a session); None: open to all.
        takes, gives: The body and the answer; None for none, or another `media` type. By default `gives`
            is what the handler returns, if that is a struct.
        status: HTTP's, where all is well, 204 for a handler that returns None; `refuses` other ones,
            besides those of the scope.
        parameters: Of the query.
    """

    method: str
    path: str
    scope: str | None = "read"
    takes: type | None = None
    gives: type | None = None
    media: str | None = None
    status: int = 200
    refuses: tuple[int, ...] = ()
    parameters: tuple[Parameter, ...] = ()


class Endpoint(msgspec.Struct, frozen=True):
    """A route with its handler; `name` and `summary` are those of the method."""

    route: Route
    name: str
    summary: str
    handler: Handler

    @property
    def changes(self) -> bool:
        """Whether asking for it changes something."""
        return self.route.method != "GET"


_routes: dict[object, Route] = {}


def route(method: str, path: str, **more: Any) -> Callable[[Method], Method]:
    """Return a decorator that declares a method as an endpoint; `more` as in `Route`."""

    def declared(function: Method) -> Method:
        _routes[function] = Route(method, path, **more)
        return function

    return declared


def list_endpoints(*owners: object) -> tuple[Endpoint, ...]:
    """Return the endpoints of these objects, in the order of declaration."""
    found = []
    for owner in owners:
        for name, function in vars(type(owner)).items():
            route_ = _routes.get(function) if callable(function) else None
            if route_ is not None:
                returned = get_type_hints(function)["return"]
                if returned is type(None):
                    route_ = msgspec.structs.replace(route_, status=204)
                elif route_.gives is None and issubclass(returned, msgspec.Struct):
                    route_ = msgspec.structs.replace(route_, gives=returned)
                summary = str(function.__doc__).partition("\n")[0].rstrip(".")
                found.append(Endpoint(route_, name, summary, getattr(owner, name)))
    return tuple(found)
