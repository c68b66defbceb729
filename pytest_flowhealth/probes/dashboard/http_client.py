"""HTTP requests by libcurl: HTTP/1.1 and 2, cookies, TLS, and the time of each step as libcurl takes it."""

from __future__ import annotations

import io
import os
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Self
from urllib.parse import urlsplit

import msgspec

from pytest_flowhealth.domain.text import format_number, one_line
from pytest_flowhealth.errors import MeasurementUnavailable
from pytest_flowhealth.probes.dashboard.tls import (
    SYSTEM_TLS,
    TlsFiles,
    explain_tls,
    find_refusal,
    join_authorities,
    tls_remedy,
)

LARGEST_BODY = 16 * 2**20
"""Bytes of a response's body, as transferred, that are read."""

TOO_LARGE = f"responds with more than {LARGEST_BODY // 2**20} MiB"
"""The problem of a response whose body is larger."""

USER_AGENT = "pytest-flowhealth"

_ACCEPT = "text/html,application/json;q=0.9,*/*;q=0.8"
_CODINGS = "gzip, deflate, br, zstd"
_VERSIONS = {1: "HTTP/1.0", 2: "HTTP/1.1", 3: "HTTP/2", 30: "HTTP/3"}


class HttpError(Exception):
    """A request that got no usable response; the text is a predicate such as "can't be reached: ..."."""

    def __init__(self, problem: str, remedy: str | None = None) -> None:
        super().__init__(problem)
        self.problem = problem
        self.remedy = remedy


class Timing(msgspec.Struct, frozen=True):
    """The steps of one request, each in ms.

    Attributes:
        dns, connect, tls: Of opening the connection; None on a connection that was open, and
            without TLS.
        first_byte: From the request's last byte sent to the response's first.
        total: From the start of the request to the last byte.
    """

    dns: float | None
    connect: float | None
    tls: float | None
    first_byte: float
    total: float


class HttpResponse(msgspec.Struct, frozen=True):
    """A whole response.

    Attributes:
        url: The address that was requested.
        status: The status code, such as 200.
        version: ``HTTP/1.1``, ``HTTP/2``.
        headers: Names in small letters with their values, in their order.
        body: The body as transferred, which may be compressed.
        received: Bytes of headers and body.
        timing: What the steps took.
    """

    url: str
    status: int
    version: str
    headers: tuple[tuple[str, str], ...]
    body: bytes
    received: int
    timing: Timing

    def header(self, name: str) -> str | None:
        """Return the first value of a header, None without it."""
        return next((value for key, value in self.headers if key == name.lower()), None)


class HttpClient:
    """Requests over connections that are kept, with the cookies that servers set.

    Redirects are not followed, proxies of the environment are not used. One thread at a time.

    Args:
        timeout: Seconds for a request, from its start to the last byte.
        tls: Authorities and client certificate.
        cookies: Cookies to begin with, as `cookies` of another client returns them.

    Raises:
        MeasurementUnavailable: pycurl is not installed.
    """

    def __init__(
        self, timeout: float, tls: TlsFiles = SYSTEM_TLS, cookies: Iterable[str] = ()
    ) -> None:
        curl = load_pycurl()
        self._timeout = timeout
        self._tls = tls
        self._handle = curl.Curl()
        options: dict[int, object] = {
            curl.NOSIGNAL: 1,
            curl.PROXY: "",
            curl.COOKIEFILE: "",
            curl.USERAGENT: USER_AGENT,
            curl.TIMEOUT_MS: max(1, int(1_000 * timeout)),
            curl.CONNECTTIMEOUT_MS: max(1, int(1_000 * timeout)),
            curl.BUFFERSIZE: 2**18,
            curl.HTTP_VERSION: curl.CURL_HTTP_VERSION_2TLS,
            curl.PROTOCOLS: curl.PROTO_HTTP | curl.PROTO_HTTPS,
            curl.CAINFO: join_authorities(tls.authorities),
        }
        if tls.certificate is not None:
            options[curl.SSLCERT] = tls.certificate
            options[curl.SSLKEY] = tls.key or tls.certificate
        for option, value in options.items():
            self._handle.setopt(option, value)
        for cookie in cookies:
            self._handle.setopt(curl.COOKIELIST, cookie)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def cookies(self) -> tuple[str, ...]:
        """The cookies of all hosts, as lines of the Netscape format."""
        return tuple(self._handle.getinfo(load_pycurl().INFO_COOKIELIST))

    def close(self) -> None:
        """Close the connections."""
        self._handle.close()

    def request(
        self,
        url: str,
        *,
        method: str = "GET",
        headers: Mapping[str, str] | None = None,
        body: bytes | None = None,
        fresh: bool = False,
    ) -> HttpResponse:
        """Send a request and return the whole response.

        Args:
            url: http or https; a user and password in it are sent as basic authentication.
            method: The request's method.
            headers: Headers besides the usual ones; they replace those of the same name.
            body: The request's body.
            fresh: Open a connection for this request and close it afterwards.

        Raises:
            HttpError: There is no whole response in time, or it is no HTTP.
        """
        curl, handle, received = load_pycurl(), self._handle, _Received()
        self._prepare(url, headers, received, fresh=fresh)
        if body is None:
            handle.setopt(curl.HTTPGET, 1)
        else:
            handle.setopt(curl.POST, 1)
            handle.setopt(curl.POSTFIELDS, body)
        handle.setopt(curl.CUSTOMREQUEST, method)
        try:
            handle.perform()
        except curl.error as error:
            raise self._explain(error, received, url) from None
        return self._response(url, received)

    def listen(
        self,
        url: str,
        headers: Mapping[str, str],
        see: Callable[[bytes], None],
        seconds: float,
    ) -> HttpResponse:
        """Request a response that does not end, and read it for some seconds.

        Args:
            url: http or https.
            headers: Headers besides the usual ones.
            see: Called with each piece of the body.
            seconds: How long it is read, from the request's start.

        Returns:
            The response, without its body; `timing.total` is below `seconds` if it ended.

        Raises:
            HttpError: It fails before that.
        """
        curl, handle, received = load_pycurl(), self._handle, _Received(see)
        self._prepare(url, {**headers, "Accept-Encoding": None}, received, fresh=True)
        handle.setopt(curl.HTTPGET, 1)
        handle.setopt(curl.TIMEOUT_MS, int(1_000 * seconds))
        # All codings that libcurl decodes by itself.
        handle.setopt(curl.ACCEPT_ENCODING, "")
        try:
            handle.perform()
        except curl.error as error:
            if error.args[0] != curl.E_OPERATION_TIMEDOUT or not received.headers:
                raise self._explain(error, received, url) from None
        finally:
            handle.setopt(curl.TIMEOUT_MS, max(1, int(1_000 * self._timeout)))
            handle.unsetopt(curl.ACCEPT_ENCODING)
        return self._response(url, received)

    def _prepare(
        self,
        url: str,
        headers: Mapping[str, str | None] | None,
        received: _Received,
        *,
        fresh: bool,
    ) -> None:
        curl, handle = load_pycurl(), self._handle
        sent = {"Accept": _ACCEPT, "Accept-Encoding": _CODINGS, "Expect": "", **(headers or {})}
        handle.setopt(curl.URL, url)
        lines = [_header(name, value) for name, value in sent.items() if value is not None]
        handle.setopt(curl.HTTPHEADER, lines)
        handle.setopt(curl.FRESH_CONNECT, fresh)
        handle.setopt(curl.FORBID_REUSE, fresh)
        handle.setopt(curl.DNS_CACHE_TIMEOUT, 0 if fresh else 60)
        handle.setopt(curl.HEADERFUNCTION, received.take_header)
        handle.setopt(curl.WRITEFUNCTION, received.take_body)

    def _response(self, url: str, received: _Received) -> HttpResponse:
        curl, get = load_pycurl(), self._handle.getinfo
        opened = get(curl.NUM_CONNECTS) > 0
        dns, connected, secured, sent, first, total = (
            get(info) / 1_000
            for info in (
                curl.NAMELOOKUP_TIME_T,
                curl.CONNECT_TIME_T,
                curl.APPCONNECT_TIME_T,
                curl.PRETRANSFER_TIME_T,
                curl.STARTTRANSFER_TIME_T,
                curl.TOTAL_TIME_T,
            )
        )
        return HttpResponse(
            url=url,
            status=get(curl.RESPONSE_CODE),
            version=_VERSIONS.get(get(curl.INFO_HTTP_VERSION), "HTTP"),
            headers=tuple(received.headers),
            body=received.body.getvalue(),
            received=get(curl.HEADER_SIZE) + received.size,
            timing=Timing(
                dns=dns if opened else None,
                connect=connected - dns if opened else None,
                tls=secured - connected if opened and secured else None,
                first_byte=first - sent,
                total=total,
            ),
        )

    def _explain(self, error: Exception, received: _Received, url: str) -> HttpError:
        code, text = error.args[0], one_line(str(error.args[1]), 200)
        curl = load_pycurl()
        parts = urlsplit(url)
        lost = (curl.E_SEND_ERROR, curl.E_RECV_ERROR, curl.E_GOT_NOTHING, curl.E_SSL_CONNECT_ERROR)
        if parts.scheme == "https" and code in lost and explain_tls(text) is None:
            host, port = parts.hostname or "", parts.port or 443
            refusal = find_refusal(host, port, self._tls, self._timeout)
            if refusal is not None:
                return HttpError(*refusal)
        number = self._handle.getinfo(curl.OS_ERRNO)
        if code == curl.E_COULDNT_CONNECT and number:
            # libcurl's own text has a duration, which would make each message another one.
            text = os.strerror(number)
        return explain(code, text, self._timeout, oversized=received.size > LARGEST_BODY)


class _Received:
    """The headers and the body of a response while it comes in."""

    def __init__(self, see: Callable[[bytes], None] | None = None) -> None:
        self._see = see
        self.headers: list[tuple[str, str]] = []
        self.body = io.BytesIO()
        self.size = 0

    def take_header(self, line: bytes) -> None:
        text = line.decode("latin-1").strip()
        if text.startswith("HTTP/"):
            self.headers.clear()
        elif ":" in text:
            name, _, value = text.partition(":")
            self.headers.append((name.strip().lower(), value.strip()))

    def take_body(self, data: bytes) -> int:
        self.size += len(data)
        if self._see is not None:
            self._see(data)
            return len(data)
        # Another count than that of the data ends the transfer.
        return self.body.write(data) if self.size <= LARGEST_BODY else 0


def explain(code: int, text: str, timeout: float, *, oversized: bool = False) -> HttpError:
    """Return what an error of libcurl means (curl.se/libcurl/c/libcurl-errors.html).

    Args:
        code: libcurl's code, such as 7.
        text: Its message.
        timeout: The seconds that the request had.
        oversized: Whether the body was larger than `LARGEST_BODY`.
    """
    curl = load_pycurl()
    closed = "closes the connection without a whole response"
    problems = {
        curl.E_OPERATION_TIMEDOUT: f"gives no whole response within {format_number(timeout)} s",
        curl.E_GOT_NOTHING: closed,
        curl.E_PARTIAL_FILE: closed,
        curl.E_COULDNT_RESOLVE_HOST: f"can't be reached: {text}",
        curl.E_COULDNT_CONNECT: f"can't be reached: {text}",
        curl.E_UNSUPPORTED_PROTOCOL: f"responds with something that is no HTTP: {text}",
    }
    if oversized:
        return HttpError(TOO_LARGE)
    if code in problems:
        return HttpError(problems[code])
    return HttpError(explain_tls(text) or f"fails: {text}", tls_remedy(text))


def _header(name: str, value: str) -> str:
    # "Name:" removes a header of libcurl's own.
    return f"{name}: {value}" if value else f"{name}:"


def load_pycurl() -> Any:
    """Return the module pycurl.

    Raises:
        MeasurementUnavailable: It is not installed.
    """
    try:
        import pycurl
    except ImportError:
        raise MeasurementUnavailable(
            "HTTP is measured with libcurl by the package pycurl, which is not installed",
            remedy="pip install 'pytest-flowhealth[dashboard]'",
        ) from None
    return pycurl
