"""Projects for `flowhealth init`, its example checks, and what GitHub takes for an issue form.

"Syntax for issue forms", "Syntax for GitHub's form schema" and "Common validation errors
when creating issue forms", docs.github.com.
"""

import importlib.util
from importlib.machinery import SourceFileLoader
from pathlib import Path
from typing import Any

from pytest_flowhealth import scaffold
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


RESERVED = {"none", "y", "yes", "n", "no", "true", "false", "on", "off"}
TEXTS = {"label", "description", "placeholder", "value"}
ELEMENTS = {
    "markdown": ({"value"}, {"value"}),
    "input": ({"label"}, TEXTS),
    "textarea": ({"label"}, {*TEXTS, "render"}),
    "dropdown": ({"label", "options"}, {"label", "description", "multiple", "options", "default"}),
    "checkboxes": ({"label", "options"}, {"label", "description", "options"}),
}
"""The attributes of each type of element that are required, and those that are permitted."""


def problems_of(form: Any) -> list[str]:
    """Return what GitHub would refuse of a form."""
    permitted = {"name", "description", "body", "assignees", "labels", "title", "projects", "type"}
    found = [f"{key} is not permitted" for key in form.keys() - permitted]
    found += [f"{key} must be a text" for key in ("name", "description") if not _is_text(form, key)]
    names: list[str] = []
    for element in form["body"]:
        found += _problems_of_element(element)
        if element["type"] != "markdown":
            attributes = element["attributes"]
            names += [element.get("id", "no id"), attributes.get("label", "")]
            if element["type"] == "checkboxes":
                names += [box["label"] for box in attributes["options"]]
    names = [name for name in names if name != "no id"]
    if len({*names}) < len(names) or not names:
        found.append("body must have fields with unique ids and labels")
    return found


def _problems_of_element(element: Any) -> list[str]:
    kind, attributes = element["type"], element["attributes"]
    required, permitted = ELEMENTS.get(kind, (set(), set()))
    options = attributes.get("options", [])
    if kind == "checkboxes":
        options = [box["label"] for box in options]
    wrong = {
        "other keys": element.keys() - {"type", "id", "attributes", "validations"},
        "other attributes": not required <= attributes.keys() <= permitted,
        "attributes without a text": not all(
            _is_text(attributes, key) for key in TEXTS & {*attributes}
        ),
        "options that are no texts": not all(isinstance(option, str) for option in options),
        "reserved words as options": RESERVED & {str(option).lower() for option in options},
        "options twice": len({*map(str, options)}) < len(options),
        "a forbidden word": "password" in str(attributes.get("label")).lower(),
    }
    return [f"{kind} has {problem}" for problem, is_so in wrong.items() if is_so]


def _is_text(mapping: dict[str, Any], key: str) -> bool:
    return isinstance(mapping.get(key), str) and bool(mapping[key].strip())


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
