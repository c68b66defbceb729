"""Projects for `flowhealth init`, its example checks, and what GitHub takes for an issue form.

"Syntax for issue forms", "Syntax for GitHub's form schema" and "Common validation errors
when creating issue forms", docs.github.com.
"""

from __future__ import annotations

import importlib.util
import re
from collections.abc import Iterator
from importlib.machinery import SourceFileLoader
from pathlib import Path
from typing import Any

from pytest_flowhealth.feedback import scaffold

PLAIN = '{\n  "name": "a",\n  "main": "index.js"\n}\n'

TABS = '{\n\t"name": "plain",\n\t"version": "1.0.0",\n\t"main": "index.js",\n\t"dependencies": {\n\t\t"ms": "^2.1.3"\n\t}\n}'


TYPED = """{
  "name": "@acme/typed",
  "version": "2.0.0",
  "type": "commonjs",
  "main": "dist/index.js",
  "types": "dist/index.d.ts",
  "files": ["dist"],
  "scripts": {
    "build": "tsc -p ."
  },
  "engines": {"node": ">=20", "npm": ">=9"},
  "devDependencies": {"typescript": "5.9.3"}
}
""".replace("\n", "\r\n")


SPACES = '{"name": "spaces", "private": true, "workspaces": ["packages/*"], "scripts": {}}\n'


ESM = (
    '{\n    "name": "esm",\n    "version": "0.1.0",\n    "type": "module",\n'
    '    "exports": {".": {"import": "./src/index.js"}, "./package.json": "./package.json"},\n'
    '    "bin": {"esm": "./bin/cli.js"},\n    "dependencies": {"nanoid": "^5.1.5"}\n}\n'
)


SERVED = (
    '\ufeff{\n  "name": "served",\n  "version": "3.1.4",\n  "private": true,\n  "scripts": {\n'
    '    "start": "node server.js",\n    "monitor:health": "node my-own.js"\n  },\n'
    '  "dependencies": {\n    "ms": "^2.1.3"\n  }\n}\n'
)


PROJECTS: dict[str, dict[str, str]] = {
    "plain": {
        "package.json": TABS,
        "index.js": 'const ms = require("ms");\nmodule.exports = { day: ms("1d") };\n',
    },
    "typescript": {
        "package.json": TYPED,
        "src/index.ts": "export const twice = (one: number): number => 2 * one;\n",
        "tsconfig.json": '{"compilerOptions": {"outDir": "dist", "rootDir": "src", "declaration": true, '
        '"module": "commonjs", "types": []}, "include": ["src"]}\n',
    },
    "workspaces": {
        "package.json": SPACES,
        "packages/one/package.json": '{"name": "one", "version": "1.0.0", "main": "./lib/one.js"}\n',
        "packages/one/lib/one.js": "module.exports = 1;\n",
        "packages/two/package.json": '{"name": "two", "version": "1.0.0", "exports": "./two.mjs", '
        '"dependencies": {"one": "^1.0.0"}}\n',
        "packages/two/two.mjs": 'import one from "one";\nexport const two = one + one;\n',
    },
    "esm": {
        "package.json": ESM,
        "src/index.js": 'import { nanoid } from "nanoid";\nexport const name = () => nanoid();\n',
        "bin/cli.js": "#!/usr/bin/env node\nimport { name } from 'esm';\nconsole.log(name());\n",
    },
    "own .github": {
        "package.json": SERVED,
        "server.js": 'require("http").createServer((q, a) => a.end("ok")).listen(process.env.PORT);\n',
        "my-own.js": "",
        ".github/ISSUE_TEMPLATE/bug_report.md": "---\nname: Bug\nabout: A bug\n---\nWhat?\n",
        ".github/ISSUE_TEMPLATE/feature_request.yml": "name: Mine\n",
        ".github/workflows/ci.yml": "name: ci\non: push\njobs: {}\n",
        "flowhealth.toml": "[dependencies]\naudit = false\n",
    },
}
"""Five unlike projects, by name, with their files."""

TEMPLATES = Path(scaffold.__file__).parent / "templates/checks"


TOP = {"name", "description", "body", "assignees", "labels", "title", "projects", "type"}
ATTRIBUTES = {
    "markdown": {"value"},
    "textarea": {"label", "description", "placeholder", "value", "render"},
    "input": {"label", "description", "placeholder", "value"},
    "dropdown": {"label", "description", "multiple", "options", "default"},
    "checkboxes": {"label", "description", "options"},
}
NEEDED = {
    "markdown": ("value",),
    "textarea": ("label",),
    "input": ("label",),
    "dropdown": ("label", "options"),
    "checkboxes": ("label", "options"),
}
FORBIDDEN_KEYS = {"y", "yes", "n", "no", "true", "false", "on", "off"}
FORBIDDEN_WORDS = re.compile("password", re.IGNORECASE)


def problems_of(form: Any) -> list[str]:
    """Return what GitHub would refuse of a form."""
    if not isinstance(form, dict):
        return ["no mapping"]
    found = [f"{key} is not a permitted key" for key in form if key not in TOP]
    found += [f"required top level key {key} is missing" for key in ("name", "description", "body") if key not in form]  # fmt: skip
    for key in ("name", "description", "title"):
        found += _text(form, key, key)
    found += _names(form.get("labels", []))
    body = form.get("body")
    if not isinstance(body, list) or not all(isinstance(one, dict) for one in body):
        return [*found, "body must be an array of elements"]
    if all(one.get("type") == "markdown" for one in body):
        found.append("body must contain at least one non-markdown field")
    for place, element in enumerate(body):
        found += [f"body[{place}]: {said}" for said in _element(element)]
    return [*found, *_unique(body)]


def _text(mapping: dict[Any, Any], key: str, where: str) -> Iterator[str]:
    if key in mapping and not (isinstance(mapping[key], str) and mapping[key].strip()):
        yield f"{where} must be a string"


def _names(labels: Any) -> Iterator[str]:
    texts = labels.split(",") if isinstance(labels, str) else labels
    if not isinstance(texts, list) or not all(
        isinstance(one, str) and one.strip() for one in texts
    ):
        yield "labels must be an array or comma-delimited string"


def _element(element: dict[Any, Any]) -> Iterator[str]:
    kind = element.get("type")
    if kind not in ATTRIBUTES:
        yield f"{kind} is not a valid input type"
        return
    for key in element.keys() - {"type", "id", "attributes", "validations"}:
        yield f"{key} is not a permitted key"
    if "id" in element and not re.fullmatch(r"[A-Za-z0-9_-]+", str(element["id"])):
        yield "id can only contain numbers, letters, -, _"
    if kind == "markdown" and "id" in element:
        yield "markdown has no id"
    yield from _attributes(kind, element.get("attributes", {}))
    validations = element.get("validations", {})
    if validations.keys() - {"required"} or not isinstance(validations.get("required", True), bool):
        yield "validations must be required: true or false"
    if kind == "checkboxes" and validations:
        yield "checkboxes are required one by one"


def _attributes(kind: str, attributes: dict[Any, Any]) -> Iterator[str]:
    for key in attributes.keys() - ATTRIBUTES[kind]:
        yield f"{key} is not a permitted attribute"
    for key in NEEDED[kind]:
        if key not in attributes:
            yield f"required attribute key {key} is missing"
    for key in ("label", "description", "placeholder", "value", "render"):
        yield from _text(attributes, key, key)
    if kind in ("input", "textarea") and FORBIDDEN_WORDS.search(str(attributes.get("label"))):
        yield "label contains forbidden word"
    if kind in ("dropdown", "checkboxes") and "options" in attributes:
        yield from _options(kind, attributes["options"])


def _options(kind: str, options: Any) -> Iterator[str]:
    if not isinstance(options, list) or not options:
        yield "options must be an array and not empty"
        return
    if kind == "checkboxes":
        for one in options:
            if (
                not isinstance(one, dict)
                or one.keys() - {"label", "required"}
                or "label" not in one
            ):
                yield "a checkbox has a label, and may be required"
        options = [one.get("label") for one in options if isinstance(one, dict)]
    if not all(isinstance(one, str) and one.strip() for one in options):
        yield "options must not include booleans, numbers or empty texts"
    if len({str(one) for one in options}) < len(options):
        yield "options must be unique"
    if any(str(one).lower() in {"none", *FORBIDDEN_KEYS} for one in options):
        yield "options must not include the reserved word, none"


def _unique(body: list[dict[Any, Any]]) -> Iterator[str]:
    fields = [one for one in body if one.get("type") != "markdown"]
    ids = [one["id"] for one in fields if "id" in one]
    if len(set(ids)) < len(ids):
        yield "body must have unique ids"
    labels = [_reference(str(one.get("attributes", {}).get("label"))) for one in fields]
    boxes = [
        _reference(str(option.get("label")))
        for one in fields
        if one.get("type") == "checkboxes"
        for option in one["attributes"]["options"]
    ]
    if len({*labels, *boxes}) < len(labels) + len(boxes):
        yield "body must have unique labels"


def _reference(label: str) -> str:
    """Return a label as GitHub makes a reference of it (Rails' `parameterize`)."""
    return re.sub(r"[^a-z0-9_-]+", "-", label.lower()).strip("-")


def make(root: Path, manifest: str = PLAIN, **files: str) -> Path:
    """Write a package.json and other files; return the folder."""
    (root / "package.json").write_bytes(manifest.encode())
    for path, text in files.items():
        place = root / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(text)
    return root


def listing(root: Path) -> dict[str, bytes]:
    """Return everything below a folder, with its content."""
    return {
        str(path.relative_to(root)): path.read_bytes() if path.is_file() else b""
        for path in root.rglob("*")
    }


def make_project(root: Path, name: str) -> Path:
    """Write one of `PROJECTS`; return the folder."""
    for path, text in PROJECTS[name].items():
        file = root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(text.encode())
    return root


def example_check(kind: str) -> Any:
    """Return the module of an example check: server, library, command or scripts."""
    loader = SourceFileLoader(f"example_{kind}", str(TEMPLATES / f"{kind}.py.txt"))
    spec = importlib.util.spec_from_loader(loader.name, loader)
    assert spec is not None
    module = importlib.util.module_from_spec(spec)
    loader.exec_module(module)
    return module
