"""The parts of an HTML page: forms, title, headings, visible text, and the files that it loads."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from typing import Literal
from urllib.parse import urljoin

import msgspec

LARGEST = 2 * 2**20
"""Characters of a page that are parsed."""

_HIDDEN_TEXT = frozenset({"script", "style", "template", "noscript"})
_CONTENT = frozenset({"script", "img", "svg", "canvas", "iframe", "video", "object", "embed"})
_TEXTS = frozenset({"text", "email", "tel", "url", "search", ""})
_SCRIPT_TYPES = frozenset({"", "module", "text/javascript", "application/javascript"})
_SERVER_FIELD = re.compile(r"host|port|url|uri|server|address|database", re.IGNORECASE)
_REFRESH = re.compile(r"\s*(\d*)[.\d]*\s*[;,]\s*(?:url\s*=\s*)?[\"']?([^\"']+)", re.IGNORECASE)
_LOCATION = re.compile(
    r"\blocation(?:\.href)?\s*=\s*[\"']([^\"']+)[\"']"
    r"|\blocation\.(?:replace|assign)\(\s*[\"']([^\"']+)[\"']"
)
_SOON = 5
"""Seconds up to which a page that loads another one is a redirect."""


class FormField(msgspec.Struct):
    """An input of a form: `kind` is its type, `submits` whether a browser sends it as it is."""

    name: str
    value: str
    kind: str
    submits: bool
    autocomplete: str = ""


class Form(msgspec.Struct):
    """A form: `action` is None without one; `method` and `encoding` are in small letters.

    `method` is empty where a script sends it: inputs outside of a form, or a form with neither
    method nor action.
    """

    action: str | None
    method: str
    encoding: str
    fields: list[FormField]

    @property
    def passwords(self) -> list[FormField]:
        """The fields for a password, without those for a new one."""
        return [
            field
            for field in self.fields
            if field.kind == "password" and field.autocomplete != "new-password"
        ]

    @property
    def is_login(self) -> bool:
        """Whether it asks for one password, hardly anything else, and not for a server's."""
        texts = [field for field in self.fields if field.kind in _TEXTS]
        of_server = any(_SERVER_FIELD.search(field.name) for field in texts)
        return len(self.passwords) == 1 and len(texts) <= 2 and not of_server

    def user_field(self, password: str) -> str | None:
        """Return the text or email field before the password's, None without one."""
        names: list[str] = []
        for field in self.fields:
            if field.name == password:
                break
            if field.kind in _TEXTS:
                names.append(field.name)
        return names[-1] if names else None


class LoadedFile(msgspec.Struct, frozen=True):
    """A script (of type module or classic) or a stylesheet; `url` may be relative to the page."""

    kind: Literal["module", "script", "stylesheet"]
    url: str


class PageText(msgspec.Struct):
    """What an HTML page contains.

    Attributes:
        title: Its title.
        headings: Its headings of the first two levels.
        forms: Its forms; inputs outside of any form make one more, without an action.
        text: Its visible text.
        has_content: Whether it has text, a script, an image or a frame, or is but a title.
        files: The scripts and stylesheets that it loads.
        refresh: The address that it leads to by itself at once, None without one.
    """

    title: str
    headings: list[str]
    forms: list[Form]
    text: str
    has_content: bool
    files: list[LoadedFile]
    refresh: str | None


def parse_page(html: str) -> PageText:
    """Return what a page contains, whatever its errors."""
    parser = _Parser()
    parser.feed(html[:LARGEST])
    parser.close()
    text = " ".join(" ".join(parser.texts).split())
    title = " ".join("".join(parser.titles).split())
    is_bare = not text and not parser.files
    return PageText(
        title=title,
        headings=[" ".join(heading.split()) for heading in parser.headings],
        forms=[form for form in (*parser.forms, parser.outside) if form.fields],
        text=text,
        has_content=bool(text or (title and not parser.has_body)) or parser.has_content,
        files=[LoadedFile(kind, urljoin(parser.base, url)) for kind, url in parser.files],
        refresh=parser.refresh or (_find_location("".join(parser.scripts)) if is_bare else None),
    )


def _find_location(script: str) -> str | None:
    """Return the address that a script of a page without anything else goes to."""
    match = _LOCATION.search(script)
    return None if match is None else match[1] or match[2]


class _Parser(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.forms: list[Form] = []
        self.outside = Form(None, "", "", [])
        self.titles: list[str] = []
        self.texts: list[str] = []
        self.headings: list[str] = []
        self.files: list[tuple[Literal["module", "script", "stylesheet"], str]] = []
        self.scripts: list[str] = []
        self.refresh: str | None = None
        self.base = ""
        self.has_content = False
        self.has_body = False
        self._in_heading = False
        self._open: Form | None = None
        self._hidden: list[str] = []
        self._in_title = False
        self._select: FormField | None = None

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in reversed(attrs)}
        self.has_content = self.has_content or tag in _CONTENT
        self.has_body = self.has_body or tag == "body"
        if tag == "form":
            self._begin_form(given)
        elif tag in ("input", "button", "select", "textarea"):
            self._add_field(tag, given)
        elif tag == "option":
            self._choose_option(given)
        elif tag == "title":
            self._in_title = not self.titles
        elif tag in ("h1", "h2"):
            self._in_heading = True
            self.headings.append("")
        if tag == "script" or not self._hidden:
            self._add_file(tag, given)
        if tag in _HIDDEN_TEXT:
            self._hidden.append(tag)

    def _begin_form(self, given: dict[str, str]) -> None:
        scripted = "action" not in given and "method" not in given
        method = "" if scripted else given.get("method", "get")
        encoding = given.get("enctype", "")
        self._open = Form(given.get("action"), method.lower(), encoding.lower(), [])
        self.forms.append(self._open)

    def _choose_option(self, given: dict[str, str]) -> None:
        if self._select is not None and ("selected" in given or not self._select.submits):
            self._select.value = given.get("value", "")
            self._select.submits = True

    def handle_endtag(self, tag: str) -> None:
        if tag == "form":
            self._open = None
        elif tag == "title":
            self._in_title = False
        elif tag in ("h1", "h2"):
            self._in_heading = False
        elif tag == "select":
            self._select = None
        if tag in self._hidden:
            self._hidden.remove(tag)

    def handle_data(self, data: str) -> None:
        if self._in_title:
            self.titles.append(data)
        elif not self._hidden:
            self.texts.append(data)
            if self._in_heading:
                self.headings[-1] += data
        elif self._hidden[-1] == "script":
            self.scripts.append(data)

    def _add_file(self, tag: str, given: dict[str, str]) -> None:
        if tag == "base":
            self.base = self.base or given.get("href", "")
        elif tag == "script" and given.get("src") and "nomodule" not in given:
            kind = given.get("type", "").strip().lower()
            if kind in _SCRIPT_TYPES:
                self.files.append(("module" if kind == "module" else "script", given["src"]))
        elif tag == "link" and given.get("href"):
            if "stylesheet" in given.get("rel", "").lower().split() and "disabled" not in given:
                self.files.append(("stylesheet", given["href"]))
        elif tag == "meta" and given.get("http-equiv", "").lower() == "refresh":
            match = _REFRESH.match(given.get("content", ""))
            if match and int(match[1] or 0) <= _SOON:
                self.refresh = match[2].strip()

    def _add_field(self, tag: str, given: dict[str, str]) -> None:
        kind = given.get("type", "").lower() if tag == "input" else tag
        if tag == "button":
            kind = given.get("type", "submit").lower()
        checked = kind not in ("checkbox", "radio") or "checked" in given
        field = FormField(
            name=given.get("name", "") or given.get("id", "") * (kind == "password"),
            value=given.get("value", "on" if kind in ("checkbox", "radio") else ""),
            kind=kind,
            submits=bool(given.get("name"))
            and checked
            and "disabled" not in given
            and kind not in ("submit", "button", "reset", "image", "file", "select"),
            autocomplete=given.get("autocomplete", "").lower(),
        )
        (self._open or self.outside).fields.append(field)
        if kind == "select" and given.get("name"):
            self._select = field
