"""The forms, the title and the visible text of an HTML page."""

from __future__ import annotations

from html.parser import HTMLParser

import msgspec

LARGEST = 2 * 2**20
"""Characters of a page that are parsed."""

_HIDDEN_TEXT = frozenset({"script", "style", "template", "noscript"})
_CONTENT = frozenset({"script", "img", "svg", "canvas", "iframe", "video", "object", "embed"})
_TEXTS = frozenset({"text", "email", "tel", "url", "search", ""})


class Field(msgspec.Struct):
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
    fields: list[Field]

    @property
    def passwords(self) -> list[Field]:
        """The fields for a password, without those for a new one."""
        return [
            one
            for one in self.fields
            if one.kind == "password" and one.autocomplete != "new-password"
        ]

    @property
    def is_login(self) -> bool:
        """Whether it asks for one password and hardly anything else."""
        texts = [one for one in self.fields if one.kind in _TEXTS]
        return len(self.passwords) == 1 and len(texts) <= 2

    def user_field(self, password: str) -> str | None:
        """Return the text or email field before the password's, None without one."""
        names: list[str] = []
        for one in self.fields:
            if one.name == password:
                break
            if one.kind in _TEXTS:
                names.append(one.name)
        return names[-1] if names else None


class PageText(msgspec.Struct):
    """What an HTML page contains.

    Attributes:
        title: Its title.
        forms: Its forms; inputs outside of any form make one more, without an action.
        text: Its visible text.
        has_content: Whether it has text, a script, an image or a frame, or is but a title.
    """

    title: str
    forms: list[Form]
    text: str
    has_content: bool


def parse_page(html: str) -> PageText:
    """Return what a page contains, whatever its errors."""
    parser = _Parser()
    parser.feed(html[:LARGEST])
    parser.close()
    text = " ".join(" ".join(parser.texts).split())
    title = " ".join("".join(parser.titles).split())
    return PageText(
        title=title,
        forms=[one for one in (*parser.forms, parser.outside) if one.fields],
        text=text,
        has_content=bool(text or (title and not parser.has_body)) or parser.has_content,
    )


class _Parser(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.forms: list[Form] = []
        self.outside = Form(None, "", "", [])
        self.titles: list[str] = []
        self.texts: list[str] = []
        self.has_content = False
        self.has_body = False
        self._open: Form | None = None
        self._hidden: list[str] = []
        self._in_title = False
        self._select: Field | None = None

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in reversed(attrs)}
        self.has_content = self.has_content or tag in _CONTENT
        self.has_body = self.has_body or tag == "body"
        if tag == "form":
            scripted = "action" not in given and "method" not in given
            method = "" if scripted else given.get("method", "get")
            encoding = given.get("enctype", "")
            self._open = Form(given.get("action"), method.lower(), encoding.lower(), [])
            self.forms.append(self._open)
        elif tag in ("input", "button", "select", "textarea"):
            self._add_field(tag, given)
        elif tag == "option" and self._select is not None:
            if "selected" in given or not self._select.submits:
                self._select.value = given.get("value", "")
                self._select.submits = True
        elif tag == "title":
            self._in_title = not self.titles
        if tag in _HIDDEN_TEXT:
            self._hidden.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag == "form":
            self._open = None
        elif tag == "title":
            self._in_title = False
        elif tag == "select":
            self._select = None
        if tag in self._hidden:
            self._hidden.remove(tag)

    def handle_data(self, data: str) -> None:
        if self._in_title:
            self.titles.append(data)
        elif not self._hidden:
            self.texts.append(data)

    def _add_field(self, tag: str, given: dict[str, str]) -> None:
        kind = given.get("type", "").lower() if tag == "input" else tag
        if tag == "button":
            kind = given.get("type", "submit").lower()
        checked = kind not in ("checkbox", "radio") or "checked" in given
        field = Field(
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
