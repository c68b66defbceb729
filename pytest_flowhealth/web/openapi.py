"""The API's description: OpenAPI 3.1, https://spec.openapis.org/oas/v3.1.1.html , made from its endpoints."""

from __future__ import annotations

import re
from collections.abc import Iterable
from importlib.metadata import version
from typing import Any

import msgspec

from pytest_flowhealth.web import shapes
from pytest_flowhealth.web.endpoint import Endpoint

_PLACE = re.compile(r"{(\w+)}")


def document(endpoints: Iterable[Endpoint]) -> dict[str, Any]:
    """Return the description of these endpoints."""
    every = [*endpoints]
    named = [
        kind for one in every for kind in (one.offer.takes, one.offer.gives) if kind is not None
    ]
    kinds = dict.fromkeys([shapes.Problem, *named])
    _, components = msgspec.json.schema_components(
        [*kinds], ref_template="#/components/schemas/{name}"
    )
    paths: dict[str, dict[str, Any]] = {}
    for one in every:
        paths.setdefault(one.offer.path, {})[one.offer.method.lower()] = _operation(one)
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


def _operation(one: Endpoint) -> dict[str, Any]:
    told: dict[str, Any] = {
        "summary": one.summary,
        "operationId": one.name,
        "responses": {str(one.offer.status): _answer(one)},
    }
    parameters = [_parameter(name, str, None, "path") for name in _PLACE.findall(one.offer.path)]
    parameters += [_parameter(*given) for given in one.offer.parameters]
    if parameters:
        told["parameters"] = parameters
    if one.offer.takes is not None:
        told["requestBody"] = {"required": True, "content": _content(one.offer.takes)}
    told["security"] = _security(one.offer.scope)
    for status in sorted({*one.offer.refuses, *((401, 403) if one.offer.scope else ())}):
        told["responses"][str(status)] = {
            "description": _MEANINGS[status],
            "content": _content(shapes.Problem),
        }
    return told


_MEANINGS = {
    400: "It can't be meant.",
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


def _answer(one: Endpoint) -> dict[str, Any]:
    if one.offer.gives is None:
        described = {"description": one.summary}
        return described | ({"content": {one.offer.media: {}}} if one.offer.media else {})
    return {"description": str(one.offer.gives.__doc__), "content": _content(one.offer.gives)}


def _content(kind: type) -> dict[str, Any]:
    return {"application/json": {"schema": {"$ref": f"#/components/schemas/{kind.__name__}"}}}


def _parameter(name: str, kind: type, default: Any, place: str = "query") -> dict[str, Any]:
    schema: dict[str, Any] = {"type": {str: "string", float: "number", int: "integer"}[kind]}
    if default is not None:
        schema["default"] = default
    return {
        "name": name,
        "in": place,
        "required": place == "path" or default is None,
        "schema": schema,
    }
