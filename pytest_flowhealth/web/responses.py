"""Answers in JSON."""

from __future__ import annotations

import math
from typing import Any

import msgspec
from starlette.responses import Response

from pytest_flowhealth.web import schemas
from pytest_flowhealth.web.authenticator import RequestError


def make_json_response(
    content: Any, status: int = 200, media: str = "application/json"
) -> Response:
    """Return an answer with JSON."""
    return Response(msgspec.json.encode(content), status, media_type=media)


def make_empty_response() -> Response:
    """Return an answer without a body."""
    return Response(status_code=204)


def make_error_response(error: RequestError) -> Response:
    """Return the answer that says why something is refused."""
    response = make_json_response(schemas.Problem(error.message), error.status)
    if error.wait is not None:
        response.headers["retry-after"] = str(math.ceil(error.wait))
    if error.status == 401:
        response.headers["www-authenticate"] = "Bearer"
    return response
