"""What an answer tells of itself: how its body is packed, and which headers protect it."""

from __future__ import annotations

import zlib
from collections.abc import Mapping

import msgspec

from pytest_flowhealth.domain.text import one_line
from pytest_flowhealth.probes.dashboard.exchange import Reply
from pytest_flowhealth.probes.dashboard.failure import Broken

LARGEST = 64 * 2**20
"""Bytes that a body may have when it is unpacked."""

PROTECTING = (
    "content-security-policy",
    "cross-origin-opener-policy",
    "cross-origin-resource-policy",
    "permissions-policy",
    "referrer-policy",
    "strict-transport-security",
    "x-content-type-options",
    "x-frame-options",
)
"""The headers that protect a page (OWASP Secure Headers Project)."""

TELLING = ("server", "x-powered-by", "x-aspnet-version")
"""The headers that tell an attacker what serves it."""

_WINDOWS = {"gzip": 31, "x-gzip": 31, "deflate": 47}


class Content(msgspec.Struct, frozen=True):
    """A body: `size` as transferred and `unpacked`, in bytes; None where we can't unpack it."""

    encoding: str
    size: int
    unpacked: int | None
    text: str

    @property
    def ratio(self) -> float | None:
        """How many times smaller the packing made it; None where it is not packed."""
        if self.encoding == "identity" or not self.unpacked or not self.size:
            return None
        return self.unpacked / self.size


def content_of(reply: Reply) -> Content:
    """Return what the body of an answer is.

    Raises:
        Broken: It is not what its header says, or unpacks to more than `LARGEST`.
    """
    encoding = one_line((reply.header("content-encoding") or "identity").strip().lower(), 40)
    if encoding == "identity":
        return Content(encoding, reply.size, reply.size, _text(reply.body))
    window = _WINDOWS.get(encoding)
    if window is None:
        return Content(encoding, reply.size, None, "")
    body = _unpacked(reply.body, window, encoding)
    return Content(encoding, reply.size, len(body), _text(body))


def security_headers(headers: tuple[tuple[str, str], ...]) -> Mapping[str, str]:
    """Return those of the headers that protect or tell, by their names in small letters."""
    told = {name.lower(): one_line(value, 300) for name, value in reversed(headers)}
    return {name: told[name] for name in (*PROTECTING, *TELLING) if name in told}


def missing_security_headers(headers: Mapping[str, str], *, secure: bool) -> list[str]:
    """Return what a page that others than this machine's users reach should have, and has not.

    Args:
        headers: As `protection` returns them.
        secure: Whether it comes over TLS.
    """
    policy = headers.get("content-security-policy", "")
    missing = []
    if not policy:
        missing.append("content-security-policy")
    if "x-frame-options" not in headers and "frame-ancestors" not in policy:
        missing.append("x-frame-options, or frame-ancestors in content-security-policy")
    if headers.get("x-content-type-options", "").lower() != "nosniff":
        missing.append("x-content-type-options: nosniff")
    if secure and "strict-transport-security" not in headers:
        missing.append("strict-transport-security")
    return missing


def _unpacked(body: bytes, window: int, encoding: str) -> bytes:
    unpacker = zlib.decompressobj(window)
    parts, size, rest = [], 0, body
    try:
        while rest and not unpacker.eof:
            part = unpacker.decompress(rest, 2**20)
            size += len(part)
            if size > LARGEST:
                raise Broken(f"answers with more than {LARGEST // 2**20} MiB, packed as {encoding}")
            parts.append(part)
            rest = unpacker.unconsumed_tail
    except zlib.error:
        raise Broken(f"answers with what is no {encoding}, though its header says so") from None
    if not unpacker.eof:
        raise Broken(f"breaks off in the midst of its {encoding}")
    return b"".join(parts)


def _text(body: bytes) -> str:
    return body.decode("utf-8", "replace")
