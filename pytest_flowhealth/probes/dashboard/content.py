"""The body of a response: decompressed, and judged as a page; the headers that protect it."""

from __future__ import annotations

import re
import sys
import zlib
from collections.abc import Mapping
from typing import Any

import msgspec

from pytest_flowhealth.domain.text import one_line
from pytest_flowhealth.probes.dashboard.forms import Form, PageText, parse_page
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

LOGIN_FORM = "is a login form"
"""The problem of a page that is one."""

_PIECE = 2**20
_DOMINATED = 400
_ERROR_TITLE = re.compile(
    r"(?:error\W+)?[45]\d\d\b.{0,60}|(?:\d{3}\W+)?(?:internal server error|(?:page )?not found"
    r"|bad gateway|service (?:temporarily )?unavailable|gateway time-?out|forbidden|access denied"
    r"|unauthori[sz]ed|application error|an? error(?: has)? occurred|error|runtime error"
    r"|welcome to nginx!|apache2? .*default page.*|iis windows.*|it works!|index of /.*)\W*",
    re.IGNORECASE,
)


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

    Raises:
        HttpError: It is not what its header says, has a coding that is not known, or is larger than
            `LARGEST`.
    """
    names = [name for key, name in response.headers if key == "content-encoding"]
    codings = [one.strip().lower() for one in ",".join(names).split(",") if one.strip()]
    codings = [one for one in codings if one != "identity"]
    body = response.body
    for coding in reversed(codings):
        body = _decompress(body, one_line(coding, 40))
    encoding = ", ".join(codings) or "identity"
    return Content(encoding, len(response.body), len(body), body.decode("utf-8", "replace"))


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
    if coding == "zstd":
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
    raise HttpError(f"responds with the content coding {coding}, which browsers do not know")


def _is_zlib(body: bytes) -> bool:
    # Some servers send deflate without the header of zlib; browsers accept both.
    return len(body) >= 2 and body[0] & 0x0F == 8 and (body[0] * 256 + body[1]) % 31 == 0


def find_problem(
    response: HttpResponse, content: Content, wanted: str | None, *, redirected: bool
) -> str | None:
    """Return why a response with a status below 300 is not the page, None if it is.

    Args:
        response: The response.
        content: Its body.
        wanted: The text that the configuration says the page contains, None for any page.
        redirected: Whether the configured address redirected to it.
    """
    if not content.text.strip():
        return "is empty"
    page = parse_page(content.text)
    if find_login_form(page, wanted, redirected=redirected) is not None:
        return LOGIN_FORM
    if wanted is not None:
        missing = wanted not in content.text
        return (
            f"does not contain {one_line(wanted, 100)!r}: it is another page" if missing else None
        )
    is_json = "json" in (response.header("content-type") or "")
    if is_json or content.text.lstrip()[:1] in "{[":
        return _json_problem(content.text)
    return _page_problem(page)


def _page_problem(page: PageText) -> str | None:
    if not page.has_content:
        return "is empty: no text, script or image"
    if _ERROR_TITLE.fullmatch(page.title):
        return f"is an error page or a server's own: its title is {one_line(page.title, 100)!r}"
    return None


def find_login_form(page: PageText, wanted: str | None, *, redirected: bool) -> Form | None:
    """Return the form that makes a page a login page, None for any other page.

    A page with a login form beside other content is none, unless the address redirected to it.
    """
    form = next((one for one in page.forms if one.is_login), None)
    if form is None or redirected:
        return form
    in_text = wanted is not None and wanted in page.text
    return None if in_text or len(page.text) > _DOMINATED else form


def _json_problem(text: str) -> str | None:
    try:
        found = msgspec.json.decode(text)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None
    if not isinstance(found, dict):
        return None
    failed = found.get("success") is False or found.get("ok") is False
    named = str(found.get("status")).lower() in ("error", "fail", "failed")
    error = found.get("error") or found.get("errors")
    if not (failed or named or error):
        return None
    said = error if isinstance(error, str) else found.get("message")
    return f"is an error as JSON: {one_line(str(said or error or 'no reason'), 100)}"


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
