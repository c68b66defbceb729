"""The body of a response, decompressed and decoded; the headers that protect it."""

from __future__ import annotations

import email.message
import re
import sys
import zlib
from collections.abc import Mapping
from typing import Any

import msgspec

from pytest_flowhealth.domain.text import one_line
from pytest_flowhealth.probes.dashboard.http_client import HttpError, HttpResponse

LARGEST = 64 * 2**20
"""Bytes that a body may have when it is decompressed."""

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

DISCLOSING = ("server", "x-powered-by", "x-aspnet-version")
"""The headers that disclose to an attacker what serves a page."""

_PIECE = 2**20
_KNOWN = ("gzip", "x-gzip", "deflate", "br", "zstd")
_CHARSET = re.compile(rb"<meta[^>]{0,100}charset\s*=\s*[\"']?([\w-]+)", re.IGNORECASE)


class Content(msgspec.Struct, frozen=True):
    """A decompressed body.

    Attributes:
        encoding: The content codings, ``identity`` without one.
        size: Bytes as transferred. `unpacked`: bytes decompressed.
        text: The body as text.
    """

    encoding: str
    size: int
    unpacked: int
    text: str

    @property
    def ratio(self) -> float | None:
        """How many times smaller the compression made it; None without compression."""
        if self.encoding == "identity" or not self.unpacked or not self.size:
            return None
        return self.unpacked / self.size


def read_content(response: HttpResponse) -> Content:
    """Return the decompressed body of a response (RFC 9110, 8.4; RFC 7932; RFC 8878).

    As in browsers, a body with a coding that is not known is taken as it is.

    Raises:
        HttpError: It is not what its header says, or is larger than `LARGEST`.
    """
    names = [name for key, name in response.headers if key == "content-encoding"]
    codings = [name.strip().lower() for name in ",".join(names).split(",") if name.strip()]
    codings = [coding for coding in codings if coding != "identity"]
    body = response.body
    if all(coding in _KNOWN for coding in codings):
        for coding in reversed(codings):
            body = _decompress(body, coding)
    encoding = one_line(", ".join(codings), 80) or "identity"
    return Content(encoding, len(response.body), len(body), _decode(response, body))


def _decode(response: HttpResponse, body: bytes) -> str:
    """Return a body as text, in the charset that its header or the page itself names."""
    message = email.message.Message()
    message["content-type"] = response.header("content-type") or ""
    named = _CHARSET.search(body[:1024])
    charset = message.get_content_charset() or (named[1].decode() if named else "utf-8")
    try:
        return body.decode(charset, "replace")
    except LookupError:
        return body.decode("utf-8", "replace")


def _decompress(body: bytes, coding: str) -> bytes:
    unpack, is_finished, error = _decoder(coding, body)
    parts, size, rest = [], 0, body
    try:
        while not is_finished():
            part = unpack(rest)
            rest = b""
            size += len(part)
            parts.append(part)
            if size > LARGEST:
                raise HttpError(
                    f"responds with more than {LARGEST // 2**20} MiB, compressed as {coding}"
                )
            if not part:
                raise HttpError(f"breaks off its body, which is compressed as {coding}")
    except error:
        raise HttpError(f"responds with a body that is not {coding}, as its header says") from None
    return b"".join(parts)


def _decoder(coding: str, body: bytes) -> tuple[Any, Any, Any]:
    """Return a function that decompresses a piece, one that tells the end, and the library's error."""
    if coding in ("gzip", "x-gzip", "deflate"):
        raw = coding == "deflate" and not _is_zlib(body)
        inflater = zlib.decompressobj(-15 if raw else 47)
        unpack = lambda data: inflater.decompress(data or inflater.unconsumed_tail, _PIECE)  # noqa: E731
        return unpack, lambda: inflater.eof, zlib.error
    if coding == "br":
        import brotli

        brotli_decoder = brotli.Decompressor()
        return brotli_decoder.process, brotli_decoder.is_finished, brotli.error
    if sys.version_info >= (3, 14):
        from compression import zstd
    else:
        from backports import zstd

    zstd_decoder = zstd.ZstdDecompressor()
    return (
        lambda data: zstd_decoder.decompress(data, _PIECE),
        lambda: zstd_decoder.eof,
        zstd.ZstdError,
    )


def _is_zlib(body: bytes) -> bool:
    # Some servers send deflate without the header of zlib; browsers accept both.
    return len(body) >= 2 and body[0] & 0x0F == 8 and (body[0] * 256 + body[1]) % 31 == 0


def security_headers(headers: tuple[tuple[str, str], ...]) -> Mapping[str, str]:
    """Return those of the headers that protect or disclose, by their names in small letters."""
    found = {name.lower(): one_line(value, 300) for name, value in reversed(headers)}
    return {name: found[name] for name in (*PROTECTING, *DISCLOSING) if name in found}


def missing_security_headers(headers: Mapping[str, str], *, secure: bool) -> list[str]:
    """Return what a page should have that others than this machine's users reach.

    Args:
        headers: As `security_headers` returns them.
        secure: Whether it is served over TLS.
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
