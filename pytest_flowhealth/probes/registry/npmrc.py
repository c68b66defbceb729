"""Who we are to a registry: the credentials in npm's own files, which `npm config get` won't tell.

docs.npmjs.com, ".npmrc": the nearest file wins, ``${NAME}`` is an environment variable, and a
credential belongs to the part of an address that stands before its name:
``//host/path/:_authToken=...``.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from urllib.parse import urlsplit

from pytest_flowhealth.config.files import read_text
from pytest_flowhealth.errors import CheckFailed

_VARIABLE = re.compile(r"(?<!\\)\$\{([^${}?]+)(\?)?\}")
_ENVIRONMENT = re.compile(r"npm_config_(?=//)", re.IGNORECASE)


class Credential:
    """What a registry is told of us; it shows itself to nobody.

    Attributes:
        header: The value of the header `Authorization`; "" for none.
        place: The part of an address that it belongs to, as npm writes it: ``//host/path/``.
    """

    def __init__(self, header: str = "", place: str = "") -> None:
        header = header.strip()
        # http.client would show what it refuses to send.
        self.header = header if header.isascii() and header.isprintable() else ""
        self.place = place

    def __repr__(self) -> str:
        return "Credential(***)" if self.header else "Credential()"

    def __bool__(self) -> bool:
        return bool(self.header)

    @property
    def environment(self) -> dict[str, str]:
        """The variable that tells npm the same."""
        kind, _, value = self.header.partition(" ")
        name = {"Bearer": "_authToken", "Basic": "_auth"}.get(kind)
        return {f"npm_config_{self.place}:{name}": value} if name else {}


def settings_of(files: Iterable[Path], environ: Mapping[str, str]) -> dict[str, str]:
    """Return the credentials' settings by key, such as ``//host/:_authToken``.

    Args:
        files: The .npmrc files, the nearest first; those that can't be read are passed over, as
            npm does.
        environ: The environment: its ``npm_config_//...`` win.
    """
    found: dict[str, str] = {}
    for name, value in environ.items():
        if _ENVIRONMENT.match(name):
            found.setdefault(_ENVIRONMENT.sub("", name), value)
    for path in files:
        for key, value in _read(path, environ):
            found.setdefault(key, value)
    return found


def credential(registry: str, settings: Mapping[str, str]) -> Credential:
    """Return what belongs to the address `registry`, as npm finds it: the longest path first.

    github.com/npm/npm-registry-fetch, lib/auth.js. A user and a password in the address itself
    come first.
    """
    parts = urlsplit(registry)
    place = f"//{parts.netloc.rpartition('@')[2]}{parts.path}"
    if parts.username is not None:
        return Credential(_basic(f"{parts.username}:{parts.password or ''}"), _folder(place))
    while len(place) > 2:
        header = _header(settings, place)
        if header:
            return Credential(header, place)
        place = re.sub(r"(?:[^/]+|/)\Z", "", place)
    return Credential()


def _header(settings: Mapping[str, str], place: str) -> str:
    told = {name: settings.get(f"{place}:{name}", "") for name in _NAMES}
    if told["_authToken"]:
        return f"Bearer {told['_authToken']}"
    if told["_auth"]:
        return f"Basic {told['_auth']}"
    if told["username"] and told["_password"]:
        try:
            password = base64.b64decode(told["_password"], validate=True).decode()
        except (binascii.Error, UnicodeDecodeError):
            return ""
        return _basic(f"{told['username']}:{password}")
    return ""


_NAMES = ("_authToken", "_auth", "username", "_password")


def _basic(text: str) -> str:
    return f"Basic {base64.b64encode(text.encode()).decode()}"


def _folder(place: str) -> str:
    return place if place.endswith("/") else f"{place}/"


def _read(path: Path, environ: Mapping[str, str]) -> Iterable[tuple[str, str]]:
    try:
        text = read_text(path)
    except CheckFailed:
        return
    for line in text.splitlines():
        key, equals, value = line.strip().partition("=")
        if equals and key.startswith("//"):
            yield _filled(key.strip(), environ), _filled(_unquoted(value.strip()), environ)


def _unquoted(value: str) -> str:
    if len(value) > 1 and value[0] == value[-1] and value[0] in "\"'":
        return value[1:-1]
    return re.split(r"(?<!\\)[;#]", value)[0].strip()


def _filled(text: str, environ: Mapping[str, str]) -> str:
    """Put the environment's values in; one that is not set stays as written, with ``?`` empty."""
    return _VARIABLE.sub(lambda match: environ.get(match[1], "" if match[2] else match[0]), text)
