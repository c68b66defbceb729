"""package.json as npm reads it (docs.npmjs.com, "package.json"), whatever is in it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec

from pytest_flowhealth.config.files import is_absent, read_text
from pytest_flowhealth.errors import CheckFailed

_DEPENDENCIES = "dependencies"


class Manifest(msgspec.Struct, frozen=True):
    """The parts of a package.json that checks use; absent parts are empty or None."""

    name: str | None = None
    version: str | None = None
    private: bool = False
    type: str = "commonjs"
    dependencies: dict[str, str] = {}
    dev_dependencies: dict[str, str] = {}
    optional_dependencies: dict[str, str] = {}
    peer_dependencies: dict[str, str] = {}
    engines: dict[str, str] = {}
    main: str | None = None
    bin: dict[str, str] = {}
    exports: Any = None
    module: str | None = None
    types: str | None = None
    scripts: dict[str, str] = {}
    workspaces: tuple[str, ...] = ()
    package_manager: str | None = None
    os: tuple[str, ...] = ()
    cpu: tuple[str, ...] = ()
    repository: str | None = None


class Package(msgspec.Struct, frozen=True):
    """A folder with a package.json; `label` is its path relative to the root, "." for the root."""

    path: Path
    label: str
    manifest: Manifest


def read_manifest(path: Path, *, strict: bool = True) -> Manifest:
    """Read a package.json.

    Not `strict`: fields of a wrong type are taken as absent, as npm does with
    those of installed packages.

    Raises:
        CheckFailed: It can't be read, is no JSON object, or has fields of a wrong
            type; every one of them is named.
    """
    raw = _decode(path)
    reader = _Reader(raw)
    manifest = reader.manifest()
    if reader.wrong and strict:
        raise CheckFailed(
            f"package.json: {'; '.join(reader.wrong)}", remedy=f"mend {path.name}, or: npm pkg fix"
        )
    return manifest


def _decode(path: Path) -> dict[str, Any]:
    try:
        text = read_text(path)
    except CheckFailed as error:
        remedy = "npm init" if is_absent(path) else f"mend {path.name}"
        raise CheckFailed(error.message, remedy=error.remedy or remedy) from None
    try:
        raw = json.loads(text)
    except json.JSONDecodeError as error:
        where = f"line {error.lineno} column {error.colno}"
        raise CheckFailed(
            f"package.json is no JSON: {error.msg} at {where}", remedy=f"mend package.json, {where}"
        ) from None
    except (RecursionError, ValueError):
        raise CheckFailed(
            "package.json is no JSON that can be read: nested too deep, or a number too long",
            remedy="mend package.json",
        ) from None
    if not isinstance(raw, dict):
        raise CheckFailed(
            f"package.json holds a JSON {_kind(raw)}, not an object", remedy="mend package.json"
        )
    return raw


class _Reader:
    """Reads fields of a given type, and collects those that have another one."""

    def __init__(self, raw: dict[str, Any]) -> None:
        self._raw = raw
        self.wrong: list[str] = []

    def manifest(self) -> Manifest:
        return Manifest(
            name=self._text("name"),
            version=self._text("version"),
            private=self._raw.get("private") in (True, "true"),
            type="module" if self._raw.get("type") == "module" else "commonjs",
            dependencies=self._texts(_DEPENDENCIES),
            dev_dependencies=self._texts("devDependencies"),
            optional_dependencies=self._texts("optionalDependencies"),
            peer_dependencies=self._texts("peerDependencies"),
            engines=self._engines(),
            main=self._text("main"),
            bin=self._bin(),
            exports=self._raw.get("exports"),
            module=self._lenient("module"),
            types=self._lenient("types") or self._lenient("typings"),
            scripts=self._texts("scripts"),
            workspaces=self._workspaces(),
            package_manager=self._lenient("packageManager"),
            os=self._list("os"),
            cpu=self._list("cpu"),
            repository=self._repository(),
        )

    def _read(self, name: str, fits: Callable[[Any], bool], wanted: str, default: Any) -> Any:
        value = self._raw.get(name)
        if value is None:
            return default
        if fits(value):
            return value
        self.wrong.append(f"{name!r} must be {wanted}, not {_kind(value)}")
        return default

    def _text(self, name: str) -> str | None:
        text: str | None = self._read(name, _is_text, "a string", None)
        return text

    def _lenient(self, name: str) -> str | None:
        value = self._raw.get(name)
        return value if isinstance(value, str) else None

    def _repository(self) -> str | None:
        value = self._raw.get("repository")
        url = value.get("url") if isinstance(value, dict) else value
        return url if isinstance(url, str) else None

    def _texts(self, name: str) -> dict[str, str]:
        texts: dict[str, str] = self._read(name, _are_texts, "an object of strings", {})
        return texts

    def _list(self, name: str) -> tuple[str, ...]:
        value = self._read(name, _is_list, "a list of strings", ())
        return (value,) if isinstance(value, str) else tuple(value)

    def _engines(self) -> dict[str, str]:
        # Old packages have a list here, which npm ignores.
        return {} if isinstance(self._raw.get("engines"), list) else self._texts("engines")

    def _bin(self) -> dict[str, str]:
        value = self._raw.get("bin")
        if isinstance(value, str):
            return {(self._lenient("name") or "").rpartition("/")[2]: value}
        return self._texts("bin")

    def _workspaces(self) -> tuple[str, ...]:
        value = self._raw.get("workspaces")
        if isinstance(value, dict):
            value = value.get("packages", [])
        if value is None:
            return ()
        if _is_list(value) and not isinstance(value, str):
            return tuple(value)
        self.wrong.append(f"'workspaces' must be a list of strings, not {_kind(value)}")
        return ()


def _is_text(value: object) -> bool:
    return isinstance(value, str)


def _is_list(value: object) -> bool:
    return _is_text(value) or (isinstance(value, list) and all(map(_is_text, value)))


def _are_texts(value: object) -> bool:
    return isinstance(value, dict) and all(map(_is_text, value.values()))


def _kind(value: object) -> str:
    kinds = {dict: "object", list: "list", str: "string", bool: "boolean", type(None): "null"}
    return kinds.get(type(value), "number")
