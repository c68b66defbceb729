"""Responses with a status below 300 that are an error, a maintenance page, a login or nothing."""

from __future__ import annotations

import re
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

import msgspec

from pytest_flowhealth.domain.text import one_line
from pytest_flowhealth.probes.dashboard.content import Content
from pytest_flowhealth.probes.dashboard.forms import PageText, parse_page
from pytest_flowhealth.probes.dashboard.http_client import HttpResponse

LOGIN_FORM = "is a login form"
"""The problem of a page that is one."""

_SHORT = 400
"""Characters of visible text up to which one form, or one heading, is what a page is about."""

_PHRASES = "|".join(re.escape(status.phrase) for status in HTTPStatus if status >= 400)
_ERROR = (
    rf"(?:{_PHRASES}|(?:the |this )?page (?:could )?not (?:be )?found|not found|bad gateway"
    r"|service temporarily unavailable|gateway time-?out|access denied|(?:internal )?server error"
    r"|(?:sorry\W+|oops\W+)?something went wrong|application error|runtime error|error"
    r"|an? (?:unexpected )?error(?: has)? occurred|the page you(?:'re| are) looking for .{0,60})"
)
_MAINTENANCE = (
    r"(?:[\w']+ ){0,5}(?:under|down for|undergoing|in|scheduled|planned|site) maintenance(?: mode)?"
    r"|maintenance(?: mode| in progress)?|we(?:'ll| will) be (?:right )?back(?: soon| shortly)?"
    r"|be right back|(?:[\w']+ ){0,4}temporarily (?:unavailable|offline|down)"
    r"|under construction|coming soon"
)
_SERVER_PAGE = (
    r"welcome to nginx!|apache2? .*default page.*|iis windows.*|it works!|(?:index of|directory"
    r" listing for|listing directory) /.*|caddy works!|test page for .*"
)
_ERROR_PAGE = re.compile(
    rf"(?:error\W+)?[45]\d\d(?:\W+{_ERROR})?(?:\W+\d*)?|(?:error\W+)?{_ERROR}(?:\W+[45]\d\d)?\W*"
    rf"|(?:{_MAINTENANCE})\W*|{_SERVER_PAGE}|cannot (?:get|post) /.*",
    re.IGNORECASE | re.DOTALL,
)
_STATUS_ALONE = re.compile(r"[45]\d\d\W*")
_TITLE_PARTS = re.compile(r"\s+[|\u00b7\u2014\u2013-]\s+")
_SIGN_IN = re.compile(
    r"\b(?:log|sign) ?in\b|\blogin\b|\banmelde|\bse connecter\b|\biniciar sesi", re.IGNORECASE
)
_SHOWN_TYPES = re.compile(r"text/(?!css|javascript)|json|xml")
_NAMED_FAILURES = frozenset({"error", "fail", "failed", "failure", "down", "unhealthy"})
_REFUSALS = ("success", "ok", "authenticated", "loggedIn", "logged_in")
_ABOUT_ERRORS = frozenset(
    {"error", "errors", "message", "status", "statusCode", "code", "data", "detail", "details"}
    | {"title", "type", "path", "timestamp", "extensions", "success", "ok", "instance", "stack"}
)


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
    if has_login_form(page, wanted, redirected=redirected):
        return LOGIN_FORM
    if wanted is not None:
        missing = wanted not in content.text
        return (
            f"does not contain {one_line(wanted, 100)!r}: it is another page" if missing else None
        )
    return _find_error(response, content, page)


def _find_error(response: HttpResponse, content: Content, page: PageText) -> str | None:
    kind = (response.header("content-type") or "").lower()
    if kind and not _SHOWN_TYPES.search(kind):
        return f"is no page: its content type is {one_line(kind, 60)}"
    if "json" in kind or content.text.lstrip()[:1] in "{[":
        return find_json_problem(content.text, problem_type="problem+json" in kind)
    return _find_page_problem(page)


def has_login_form(page: PageText, wanted: str | None, *, redirected: bool) -> bool:
    """Tell whether a page is a login page.

    A page with a login form beside other content is none, unless the address redirected to it or
    it calls itself one.
    """
    if not any(form.is_login for form in page.forms):
        return False
    if redirected:
        return True
    if wanted is not None and wanted in page.text:
        return False
    names = (page.title, *page.headings)
    return len(page.text) <= _SHORT or any(_SIGN_IN.search(name) for name in names)


def _find_page_problem(page: PageText) -> str | None:
    if not page.has_content:
        return "is empty: no text, script or image"
    parts = [part for part in _TITLE_PARTS.split(page.title) if is_error_text(part)]
    if len(page.text) > _SHORT:
        # Somebody's maintenance may be what a whole dashboard is about.
        parts = [part for part in parts if not re.search(_MAINTENANCE, part, re.IGNORECASE)]
    if parts:
        return f"is an error page or a server's own: its title is {one_line(page.title, 100)!r}"
    if len(page.text) > _SHORT:
        return None
    # The first heading names the page, a later one a part of it.
    headings = [text for text in page.headings if not _STATUS_ALONE.fullmatch(text)]
    texts = [page.text, *headings[:1]]
    text = next((text for text in texts if is_error_text(text)), None)
    return None if text is None else f"is an error page: it reads {one_line(text, 100)!r}"


def is_error_text(text: str) -> bool:
    """Tell whether a title, a heading or a whole text is that of an error or of maintenance."""
    plain = text.replace("\u2019", "'").strip()
    return bool(plain) and _ERROR_PAGE.fullmatch(plain) is not None


def find_json_problem(text: str, *, problem_type: bool = False) -> str | None:
    """Return what makes a JSON document the report of an error, None if it is none.

    Args:
        text: The document.
        problem_type: Whether its type is that of problem details (RFC 9457).
    """
    try:
        found = msgspec.json.decode(text)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None
    if found is None:
        return "is empty: null as JSON"
    if not isinstance(found, dict) or not (problem_type or _reports_error(found)):
        return None
    error = next((found[key] for key in ("error", "errors") if found.get(key)), None)
    reason = error if isinstance(error, str) else _message(error) or _message(found)
    status = found.get("status")
    return f"is an error as JSON: {one_line(str(reason or error or status or 'no reason'), 100)}"


def _reports_error(found: Mapping[str, Any]) -> bool:
    """Tell whether an object reports an error; a number of errors is a figure of a dashboard."""
    error = found.get("error")
    if (
        any(str(found.get(key)).lower() == "false" for key in _REFUSALS)
        or str(found.get("status")).lower() in _NAMED_FAILURES
        or error is True
        or (error and isinstance(error, str | dict))
    ):
        return True
    return found.keys() <= _ABOUT_ERRORS and _is_error_only(found)


def _is_error_only(found: Mapping[str, Any]) -> bool:
    """Tell whether an object that has nothing but what errors have is one."""
    codes = [found.get(key) for key in ("statusCode", "status", "code")]
    if any(isinstance(code, int) and 400 <= code < 600 for code in codes):
        return True
    errors = found.get("errors")
    if errors and isinstance(errors, list | dict):
        return not found.get("data")
    message = found.get("message")
    return isinstance(message, str) and is_error_text(message)


def _message(found: object) -> str | None:
    if isinstance(found, list):
        found = found[0] if found else None
    if not isinstance(found, dict):
        return found if isinstance(found, str) else None
    texts = (found.get(key) for key in ("message", "detail", "title"))
    return next((text for text in texts if isinstance(text, str) and text), None)
