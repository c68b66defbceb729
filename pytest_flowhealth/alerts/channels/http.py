"""Send JSON over HTTP within a time limit."""

from __future__ import annotations

import datetime
import email.utils
from collections.abc import Mapping
from typing import TYPE_CHECKING

from pytest_flowhealth.alerts.channels.errors import (
    DeliveryError,
    PermanentError,
    RetryableError,
    TooLargeError,
)
from pytest_flowhealth.config.alerts import Receiver

if TYPE_CHECKING:
    import requests

_LATER = frozenset({408, 425, 429})
_TOO_LARGE = 413


def find_address(receiver: Receiver, environ: Mapping[str, str]) -> str:
    """Return a receiver's address, from where it is configured.

    Raises:
        PermanentError: The variable that should hold it is not set.
    """
    if receiver.url_env is None:
        return receiver.url or ""
    return read_variable(receiver.url_env, "url_env", environ)


def read_variable(name: str, key: str, environ: Mapping[str, str]) -> str:
    """Return what an environment variable holds.

    Raises:
        PermanentError: It is not set.
    """
    value = environ.get(name, "").strip()
    if not value:
        raise PermanentError(f"the variable {name}, which {key} names, is not set")
    return value


def post(
    url: str,
    content: bytes,
    headers: Mapping[str, str],
    receiver: Receiver,
    environ: Mapping[str, str],
) -> None:
    """Send `content` as JSON.

    Raises:
        RetryableError: The server can't be reached, does not answer in time, or has an error.
        PermanentError: It does not want it.
    """
    import requests

    sent = {"Content-Type": "application/json", "User-Agent": "pytest-flowhealth", **headers}
    if receiver.token_env is not None:
        sent["Authorization"] = f"Bearer {read_variable(receiver.token_env, 'token_env', environ)}"
    seconds = receiver.timeout
    try:
        with requests.Session() as session:
            answer = session.post(
                url, data=content, headers=sent, timeout=seconds, stream=True, allow_redirects=False
            )
            with answer:  # its body is nobody's business: not read, it can't hold us
                _judge(answer)
    except requests.exceptions.SSLError:
        raise RetryableError("its certificate is not trusted, or the connection broke") from None
    except requests.exceptions.Timeout:
        raise RetryableError(f"no answer within {receiver.timeout:g} s") from None
    except requests.exceptions.ConnectionError as error:
        raise RetryableError(_why(error)) from None
    except (requests.exceptions.InvalidURL, requests.exceptions.InvalidSchema, ValueError):
        raise PermanentError("its address can't be used") from None
    except requests.exceptions.RequestException:
        raise RetryableError("the connection broke") from None


def _judge(answer: requests.Response) -> None:
    code = answer.status_code
    if 200 <= code < 300:
        return
    text = f"HTTP {code} {answer.reason or ''}".strip()
    raise make_status_error(code, text, parse_retry_after(answer.headers.get("Retry-After")))


def make_status_error(code: int, text: str, wait: float | None = None) -> DeliveryError:
    """Return the error that an HTTP status stands for: an outage, a refusal, or a refusal for its size."""
    if code in _LATER or code >= 500:
        return RetryableError(text, wait)
    return TooLargeError(text) if code == _TOO_LARGE else PermanentError(text)


def parse_retry_after(text: str | None, now: datetime.datetime | None = None) -> float | None:
    """Return the seconds that a Retry-After header asks for (RFC 9110, 10.2.3)."""
    if text is None:
        return None
    if text.strip().isdigit():
        return float(text)
    try:
        at = email.utils.parsedate_to_datetime(text)
    except (TypeError, ValueError):
        return None
    if at.tzinfo is None:
        at = at.replace(tzinfo=datetime.UTC)
    return max(0.0, (at - (now or datetime.datetime.now(datetime.UTC))).total_seconds())


def _why(error: Exception) -> str:
    """Return why there is no connection, without the address: it may hold a password."""
    text = str(error)
    reasons = {
        "Connection refused": "connection refused",
        "Name or service not known": "its host has no address",
        "Temporary failure in name resolution": "its host's address can't be looked up now",
        "Network is unreachable": "the network is unreachable",
        "timed out": "no answer in time",
    }
    return next(
        (reason for word, reason in reasons.items() if word in text), "the connection broke"
    )
