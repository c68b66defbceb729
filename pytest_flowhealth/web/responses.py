"""JSON responses."""

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
    """Return a JSON response."""
    return Response(msgspec.json.encode(content), status, media_type=media)


def make_empty_response() -> Response:
    """Return a response without a body (204)."""
    return Response(status_code=204)


def make_error_response(error: RequestError) -> Response:
    """Return the response of a rejected request."""
    response = make_json_response(schemas.Problem(error.message), error.status)
    if error.wait is not None:
        response.headers["retry-after"] = str(math.ceil(error.wait))
    if error.status == 401:
        response.headers["www-authenticate"] = "Bearer"
    return response
