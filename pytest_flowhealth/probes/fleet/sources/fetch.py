"""One GET of a configured address: bounded in time and in bytes, with no other address ever asked."""

from __future__ import annotations

import contextlib
import os
import socket
from collections.abc import Mapping
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from pytest_flowhealth.domain.text import format_number, one_line
from pytest_flowhealth.errors import CheckFailed
from pytest_flowhealth.probes.deadline import within

LARGEST = 4 * 2**20
"""Bytes of an answer that are read; a larger one is none."""

_PIECE = 2**16


class WebAddress(NamedTuple):
    """An address, the token that it wants, and the seconds that an answer may take."""

    url: str
    token: str | None = None
    timeout: float = 5.0

    @property
    def shown(self) -> str:
        """The address for messages: without user, password and query."""
        parts = urlsplit(self.url)
        return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"

    @property
    def local(self) -> bool:
        """Whether it is on this machine."""
        host = urlsplit(self.url).hostname or ""
        return host in {"localhost", "::1"} or host.startswith("127.")


def fetch(place: WebAddress, path: str = "", parameters: Mapping[str, str] | None = None) -> bytes:
    """Return the body of the answer to a GET.

    Args:
        place: Who is asked.
        path: What is added to its address.
        parameters: The query.

    Raises:
        CheckFailed: There is no whole answer in time, a status other than 200, or too much of it.
    """
    opened: list[Any] = []
    outcome = within(
        place.timeout, lambda: _get(place, path, parameters, opened), lambda: _cut(opened)
    )
    # On a busy machine, the library's own limit can be seen first.
    if outcome.late or isinstance(_cause(outcome.error), TimeoutError):
        raise CheckFailed(
            f"{place.shown} gave no whole answer within {format_number(place.timeout)} s",
            diagnosis=f"curl -i {place.shown}{path}",
        )
    if outcome.error is not None:
        raise _meant(outcome.error, place)
    return outcome.results[0]


def _get(
    place: WebAddress, path: str, parameters: Mapping[str, str] | None, opened: list[Any]
) -> bytes:
    import requests

    headers = {"Accept": "application/json, text/plain", "User-Agent": "pytest-flowhealth"}
    if place.token:
        headers["Authorization"] = f"Bearer {place.token}"
    with requests.Session() as session:
        response = session.get(
            place.url.rstrip("/") + path if path else place.url,
            params=dict(parameters or {}),
            headers=headers,
            # Without one, requests would look for a password in the user's .netrc.
            auth=lambda request: request,
            timeout=place.timeout,
            allow_redirects=False,
            stream=True,
        )
        opened.append(response)
        with response:
            body = _body(response)
    if response.status_code != 200:
        raise CheckFailed(
            f"{place.shown} answers with status {response.status_code}",
            remedy="set [fleet] token_env to the variable that holds the token"
            if response.status_code in (401, 403)
            else None,
            diagnosis=f"curl -i {place.shown}{path}",
        )
    if body is None:
        raise CheckFailed(f"{place.shown} answers with more than {LARGEST / 2**20:g} MiB")
    return body


def _body(response: Any) -> bytes | None:
    parts, size = [], 0
    for part in response.iter_content(_PIECE):
        size += len(part)
        if size > LARGEST:
            return None
        parts.append(part)
    return b"".join(parts)


def _meant(error: BaseException, place: WebAddress) -> BaseException:
    import requests
    import urllib3

    ours = (requests.RequestException, urllib3.exceptions.HTTPError, OSError, ValueError)
    if not isinstance(error, ours):
        return error
    return CheckFailed(
        f"{place.shown} can't be reached: {_reason(error)}",
        remedy="start what serves it, or correct [fleet] url in flowhealth.toml",
    )


def _cause(error: BaseException | None) -> BaseException | None:
    """Return the innermost cause; the outer ones repeat the address, with its query."""
    seen: list[BaseException] = []
    cause = error
    while cause is not None and cause not in seen:
        seen.append(cause)
        cause = getattr(cause, "reason", None) if not isinstance(cause, OSError) else None
        cause = cause if isinstance(cause, BaseException) else _below(seen[-1])
    return seen[-1] if seen else None


def _reason(error: BaseException) -> str:
    last = _cause(error)
    if isinstance(last, OSError) and last.strerror:
        return one_line(last.strerror, 200)
    return one_line(f"{type(last).__name__}" if "://" in str(last) else str(last), 200)


def _below(error: BaseException) -> BaseException | None:
    inner = next((cause for cause in error.args if isinstance(cause, BaseException)), None)
    return inner or error.__cause__ or error.__context__


def _cut(opened: list[Any]) -> None:
    """End what still comes in: closing alone would not wake the one who reads."""
    for response in opened:
        with (
            contextlib.suppress(OSError, ValueError),
            socket.socket(fileno=os.dup(response.raw.fileno())) as connection,
        ):
            connection.shutdown(socket.SHUT_RDWR)
