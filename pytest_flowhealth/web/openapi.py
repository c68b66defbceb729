"""The OpenAPI 3.1 document of the API, https://spec.openapis.org/oas/v3.1.1.html , made from its routes."""

from __future__ import annotations

import re
from collections.abc import Iterable
from importlib.metadata import version
from typing import Any

import msgspec

from pytest_flowhealth.web import schemas
from pytest_flowhealth.web.routes import Endpoint

_PLACE = re.compile(r"{(\w+)}")


def make_document(endpoints: Iterable[Endpoint]) -> dict[str, Any]:
    """Return the description of these endpoints."""
    every = [*endpoints]
    named = [
        kind
        for endpoint in every
        for kind in (endpoint.route.takes, endpoint.route.gives)
        if kind is not None
    ]
    kinds = dict.fromkeys([schemas.Problem, *named])
    _, components = msgspec.json.schema_components(
        [*kinds], ref_template="#/components/schemas/{name}"
    )
    paths: dict[str, dict[str, Any]] = {}
    for endpoint in every:
        paths.setdefault(endpoint.route.path, {})[endpoint.route.method.lower()] = _operation(
            endpoint
        )
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "pytest-flowhealth",
            "version": version("pytest-flowhealth"),
            "description": "What a monitor knows of an application's health. Times are in seconds since "
            "1970. `/api/live` is a WebSocket: see docs/web.md.",
        },
        "paths": paths,
        "components": {
            "schemas": components,
            "securitySchemes": {
                "session": {"type": "apiKey", "in": "cookie", "name": "flowhealth-PORT"},
                "token": {"type": "http", "scheme": "bearer"},
            },
        },
    }


def _operation(endpoint: Endpoint) -> dict[str, Any]:
    operation: dict[str, Any] = {
        "summary": endpoint.summary,
        "operationId": endpoint.name,
        "responses": {str(endpoint.route.status): _answer(endpoint)},
    }
    parameters = [
        _parameter(name, str, None, "path") for name in _PLACE.findall(endpoint.route.path)
    ]
    parameters += [_parameter(*given) for given in endpoint.route.parameters]
    if parameters:
        operation["parameters"] = parameters
    if endpoint.route.takes is not None:
        operation["requestBody"] = {"required": True, "content": _content(endpoint.route.takes)}
    operation["security"] = _security(endpoint.route.scope)
    for status in sorted({*endpoint.route.refuses, *((401, 403) if endpoint.route.scope else ())}):
        operation["responses"][str(status)] = {
            "description": _MEANINGS[status],
            "content": _content(schemas.Problem),
        }
    return operation


_MEANINGS = {
    400: "The request is invalid.",
    401: "Nobody is logged in.",
    403: "It is not open to who asks.",
    404: "There is none.",
    409: "There are too many already.",
    413: "The body is too large.",
    415: "The body is no JSON by its type, or it is compressed.",
    429: "Too many attempts; Retry-After says how long to wait.",
    503: "The history can't be read or written now.",
}


def _security(scope: str | None) -> list[dict[str, list[str]]]:
    if scope is None:
        return []
    return [{"session": []}] if scope == "write" else [{"session": []}, {"token": []}]


def _answer(endpoint: Endpoint) -> dict[str, Any]:
    if endpoint.route.gives is None:
        described = {"description": endpoint.summary}
        return described | ({"content": {endpoint.route.media: {}}} if endpoint.route.media else {})
    return {
        "description": str(endpoint.route.gives.__doc__),
        "content": _content(endpoint.route.gives),
    }


def _content(kind: type) -> dict[str, Any]:
    return {"application/json": {"schema": {"$ref": f"#/components/schemas/{kind.__name__}"}}}


def _parameter(name: str, kind: type, default: Any, location: str = "query") -> dict[str, Any]:
    schema: dict[str, Any] = {"type": {str: "string", float: "number", int: "integer"}[kind]}
    if default is not None:
        schema["default"] = default
    return {
        "name": name,
        "in": location,
        "required": location == "path" or default is None,
        "schema": schema,
    }
