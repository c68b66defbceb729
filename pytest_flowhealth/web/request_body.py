"""Read and decode a request's body, with limits of size and time."""

from __future__ import annotations

import asyncio
from typing import TypeVar

import msgspec
from starlette.requests import ClientDisconnect, Request

from pytest_flowhealth.web.authenticator import RequestError

LARGEST = 64 * 1024
"""Bytes of a body at the most."""

PATIENCE = 10.0
"""Seconds in which it must have come."""

Kind = TypeVar("Kind")


async def read_body(request: Request, kind: type[Kind]) -> Kind:
    """Return a body.

    Raises:
        Refused: It is too large, too slow, or not what is expected.
    """
    _require_head(request)
    content = bytearray()
    try:
        async with asyncio.timeout(PATIENCE):
            async for part in request.stream():
                content += part
                if len(content) > LARGEST:
                    raise RequestError(413, f"a body may have {LARGEST} bytes")
    except TimeoutError:
        raise RequestError(408, "the body did not come in time") from None
    except ClientDisconnect:
        raise RequestError(400, "the body broke off") from None
    try:
        return msgspec.json.decode(bytes(content), type=kind)
    except (msgspec.DecodeError, ValueError, RecursionError) as error:
        # Not the value itself: it may be a password.
        what = str(error) if isinstance(error, msgspec.ValidationError) else "it is no JSON"
        raise RequestError(400, f"the body is invalid: {what}") from None


def _require_head(request: Request) -> None:
    """Refuse by its head what need not be read."""
    head = request.headers
    if head.get("content-type", "").partition(";")[0].strip() != "application/json":
        # Another site's form can't send this type without being asked (CORS).
        raise RequestError(415, "the body must be application/json")
    if head.get("content-encoding", "identity") != "identity":
        raise RequestError(415, "the body must not be compressed")
    length = head.get("content-length", "")
    if length.isascii() and length.isdigit() and (len(length) > 9 or int(length) > LARGEST):
        raise RequestError(413, f"a body may have {LARGEST} bytes")
