"""Projects for `--health-init`, its example checks, and what GitHub takes for an issue form.

"Syntax for issue forms", "Syntax for GitHub's form schema" and "Common validation errors
when creating issue forms", docs.github.com.
"""

from __future__ import annotations

import importlib.util
import re
from importlib.machinery import SourceFileLoader
from pathlib import Path
from typing import Any

import jsonschema

from pytest_flowhealth.feedback import scaffold
from tests.kit.projects import write

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


TEXT = {"type": "string", "pattern": r"\S"}
OPTION = {**TEXT, "not": {"pattern": "(?i)^(none|y|yes|n|no|true|false|on|off)$"}}
BOX = {
    "type": "object",
    "additionalProperties": False,
    "required": ["label"],
    "properties": {"label": OPTION, "required": {"type": "boolean"}},
}


def _element(kind: str, *required: str, **attributes: Any) -> dict[str, Any]:
    """Return the schema of an element of a form's body."""
    field = {"id": {"type": "string", "pattern": "^[A-Za-z0-9_-]+$"}}
    if kind != "checkboxes":  # those are required box by box
        field["validations"] = {
            "type": "object",
            "additionalProperties": False,
            "properties": {"required": {"type": "boolean"}},
        }
    content = {
        "type": "object",
        "additionalProperties": False,
        "required": list(required),
        "properties": attributes,
    }
    return {
        "type": "object",
        "additionalProperties": False,
        "required": ["type", "attributes"],
        "properties": {
            "type": {"const": kind},
            "attributes": content,
            **({} if kind == "markdown" else field),
        },
    }


LABELS = {"label": TEXT, "description": TEXT}
WRITTEN = {
    **LABELS,
    "label": {**TEXT, "not": {"pattern": "(?i)password"}},
    "placeholder": TEXT,
    "value": TEXT,
}
OPTIONS = {"type": "array", "minItems": 1, "uniqueItems": True}
ELEMENTS = [
    _element("markdown", "value", value=TEXT),
    _element("input", "label", **WRITTEN),
    _element("textarea", "label", **WRITTEN, render=TEXT),
    _element(
        "dropdown",
        *("label", "options"),
        **LABELS,
        multiple={"type": "boolean"},
        options={**OPTIONS, "items": OPTION},
        default={"type": "integer"},
    ),
    _element("checkboxes", "label", "options", **LABELS, options={**OPTIONS, "items": BOX}),
]
FORM = jsonschema.Draft202012Validator(
    {
        "type": "object",
        "additionalProperties": False,
        "required": ["name", "description", "body"],
        "properties": {
            "name": TEXT,
            "description": TEXT,
            "title": TEXT,
            "labels": {"type": "array", "items": TEXT},
            "body": {
                "type": "array",
                "items": {"oneOf": ELEMENTS},
                "contains": {"properties": {"type": {"not": {"const": "markdown"}}}},
            },
        },
    }
)


def problems_of(form: Any) -> list[str]:
    """Return what GitHub would refuse of a form: the place and the problem."""
    found = [f"{error.json_path}: {error.message}" for error in FORM.iter_errors(form)]
    if found:
        return found
    fields = [element for element in form["body"] if element["type"] != "markdown"]
    ids = [field["id"] for field in fields if "id" in field]
    labels = [field["attributes"]["label"] for field in fields]
    for field in fields:
        if field["type"] == "checkboxes":
            labels += [box["label"] for box in field["attributes"]["options"]]
    # GitHub makes a reference of a label as Rails' `parameterize` does.
    references = {re.sub(r"[^a-z0-9_-]+", "-", label.lower()).strip("-") for label in labels}
    if len(set(ids)) < len(ids) or len(references) < len(labels):
        return ["body must have unique ids and labels"]
    return []


def make(root: Path, manifest: str = PLAIN, **files: str) -> Path:
    """Write a package.json and other files; return the folder."""
    return write(root, {"package.json": manifest, **files})


def listing(root: Path) -> dict[str, bytes]:
    """Return everything below a folder, with its content."""
    return {
        str(path.relative_to(root)): path.read_bytes() if path.is_file() else b""
        for path in root.rglob("*")
    }


def example_check(kind: str) -> Any:
    """Return the module of an example check: server, library, command or scripts."""
    loader = SourceFileLoader(f"example_{kind}", str(TEMPLATES / f"{kind}.py.txt"))
    spec = importlib.util.spec_from_loader(loader.name, loader)
    assert spec is not None
    module = importlib.util.module_from_spec(spec)
    loader.exec_module(module)
    return module
