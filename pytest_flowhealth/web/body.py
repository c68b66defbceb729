"""A request's body: small, in time, and of the form that is expected."""

from __future__ import annotations

import asyncio
from typing import TypeVar

import msgspec
from starlette.requests import ClientDisconnect, Request

from pytest_flowhealth.web.visitors import Refused

LARGEST = 64 * 1024
"""Bytes of a body at the most."""

PATIENCE = 10.0
"""Seconds in which it must have come."""

Kind = TypeVar("Kind")


async def body_of(request: Request, kind: type[Kind]) -> Kind:
    """Return a body.

    Raises:
        Refused: It is too large, too slow, or not what is expected.
    """
    content = bytearray()
    try:
        async with asyncio.timeout(PATIENCE):
            async for part in request.stream():
                content += part
                if len(content) > LARGEST:
                    raise Refused(413, f"a body may have {LARGEST} bytes")
    except TimeoutError:
        raise Refused(408, "the body did not come in time") from None
    except ClientDisconnect:
        raise Refused(400, "the body broke off") from None
    if request.headers.get("content-type", "").partition(";")[0].strip() != "application/json":
        # Another site's form can't send this type without being asked (CORS).
        raise Refused(415, "the body must be application/json")
    try:
        return msgspec.json.decode(bytes(content), type=kind)
    except (msgspec.DecodeError, ValueError, RecursionError) as error:
        # Not the value itself: it may be a password.
        what = str(error) if isinstance(error, msgspec.ValidationError) else "it is no JSON"
        raise Refused(400, f"the body can't be meant: {what}") from None
