"""Whether files of configuration are there and parse, each as its name says.

Names stand for kinds as the tools that read them take them: TypeScript and SWC
allow comments in their JSON, Babel reads JSON5, ESLint's and Prettier's files
without an extension are JSON or YAML.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from fnmatch import fnmatchcase
from pathlib import Path

import msgspec

from pytest_flowhealth.config.files import read_text, reason
from pytest_flowhealth.errors import CheckFailed, FlowHealthError, MeasurementUnavailable
from pytest_flowhealth.probes import javascript, textfiles, typescript
from pytest_flowhealth.probes.javascript import Source
from pytest_flowhealth.probes.jsonc import SyntaxProblem

KINDS: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("json5", ("*.json5", ".babelrc", ".babelrc.json", "babel.config.json")),
    (
        "jsonc",
        (
            "*.jsonc",
            ".eslintrc.json",
            ".jshintrc",
            ".swcrc",
            "angular.json",
            "api-extractor.json",
            "deno.json",
            "jsconfig*.json",
            "tsconfig*.json",
            "turbo.json",
        ),
    ),
    ("json", ("*.json", "*.webmanifest", "*.map")),
    ("yaml", ("*.yaml", "*.yml")),
    (
        "rc",
        (".commitlintrc", ".eslintrc", ".lintstagedrc", ".nycrc", ".prettierrc", ".stylelintrc"),
    ),
    ("toml", ("*.toml",)),
    ("javascript", ("*.js", "*.cjs", "*.mjs")),
    ("typescript", ("*.ts", "*.cts", "*.mts")),
    ("env", (".env", ".env.*", "*.env")),
    ("ini", ("*.ini", ".editorconfig", ".npmrc")),
)
"""Kinds of files and the names that have them; the first that fits holds."""

WELL_KNOWN = (
    ".babelrc*",
    ".commitlintrc*",
    ".editorconfig",
    ".env",
    ".eslintrc*",
    ".lintstagedrc*",
    ".mocharc.*",
    ".npmrc",
    ".nycrc*",
    ".prettierrc*",
    ".stylelintrc*",
    ".swcrc",
    ".yarnrc.yml",
    "angular.json",
    "babel.config.*",
    "biome.json*",
    "commitlint.config.*",
    "compose*.y*ml",
    "deno.json*",
    "docker-compose*.y*ml",
    "ecosystem.config.*",
    "eslint.config.*",
    "jest.config.*",
    "jsconfig*.json",
    "lerna.json",
    "nest-cli.json",
    "next.config.*",
    "nodemon.json",
    "nx.json",
    "playwright.config.*",
    "pnpm-workspace.yaml",
    "postcss.config.*",
    "prettier.config.*",
    "rollup.config.*",
    "svelte.config.*",
    "tailwind.config.*",
    "tsconfig*.json",
    "tsup.config.*",
    "turbo.json",
    "vercel.json",
    "vite.config.*",
    "vitest.config.*",
    "webpack.config.*",
)
"""Names of configuration files in a package's folder that are looked at where they are there."""

CONFIG_FOLDER = ("*.json", "*.yaml", "*.yml", "*.toml")
"""The same, of files in the folder `config`."""

_PARSERS: dict[str, textfiles.Parser] = {
    "json5": textfiles.parse_json5,
    "jsonc": textfiles.parse_jsonc,
    "json": textfiles.parse_json,
    "yaml": textfiles.parse_yaml,
    "rc": textfiles.parse_rc,
    "toml": textfiles.parse_toml,
    "env": textfiles.parse_env,
    "ini": textfiles.parse_ini,
}


class Looked(msgspec.Struct, frozen=True):
    """What was found of one file.

    Attributes:
        label: Its path below the target.
        kind: Such as "json"; "text" for one of no known kind, which was not parsed.
        error: A `CheckFailed` where it is missing or broken, an `MeasurementUnavailable`
            where it could not be parsed here, `None` where it is whole.
    """

    label: str
    kind: str
    error: FlowHealthError | None


def kind_of(name: str) -> str:
    """Return the kind of the file called `name`, "text" where there is none for it."""
    for kind, patterns in KINDS:
        if any(fnmatchcase(name, pattern) for pattern in patterns):
            return kind
    return "text"


def well_known(root: Path, folders: Iterable[Path]) -> tuple[Source, ...]:
    """Return the well-known configuration files that are in `folders`.

    Args:
        root: The target's folder; labels are relative to it.
        folders: The packages' folders.

    Raises:
        CheckFailed: A folder can't be read.
    """
    found: dict[str, Source] = {}
    for folder in folders:
        for path in (*_named(folder, WELL_KNOWN), *_named(folder / "config", CONFIG_FOLDER)):
            label = path.relative_to(root).as_posix() if path.is_relative_to(root) else str(path)
            found.setdefault(label, Source(path, label))
    return tuple(found.values())


def configured(root: Path, names: Iterable[str]) -> tuple[Source, ...]:
    """Return the files that the configuration names, relative to `root`, there or not."""
    return tuple(Source(root / name, name) for name in dict.fromkeys(names))


def look(files: Sequence[Source], root: Path) -> tuple[Looked, ...]:
    """Parse every one of `files`.

    Args:
        files: The files and their labels.
        root: The target's folder, whose `typescript` is used.
    """
    kinds = {source: kind_of(source.path.name) for source in files}
    errors = {source: _text_problem(source, kind) for source, kind in kinds.items()}
    whole = [source for source in files if errors[source] is None]
    scripts = [source for source in whole if kinds[source] == "javascript"]
    typed = [source for source in whole if kinds[source] == "typescript"]
    errors.update(zip(scripts, javascript.syntax_problems(scripts), strict=True))
    errors.update(zip(typed, typescript.syntax_problems(typed, root), strict=True))
    return tuple(Looked(source.label, kinds[source], errors[source]) for source in files)


def _named(folder: Path, patterns: Iterable[str]) -> Iterator[Path]:
    """Yield the files in `folder` with a name among `patterns` and a kind, in order."""
    try:
        names = sorted(entry.name for entry in folder.iterdir() if not entry.is_dir())
    except (FileNotFoundError, NotADirectoryError):
        return
    except OSError as error:
        raise CheckFailed(f"the folder {folder.name} can't be read: {reason(error)}") from None
    for name in names:
        if kind_of(name) != "text" and any(fnmatchcase(name, pattern) for pattern in patterns):
            yield folder / name


def _text_problem(source: Source, kind: str) -> FlowHealthError | None:
    """Read a file, and parse it where that needs no Node."""
    try:
        text = read_text(source.path, source.label)
        if not text.strip() and kind not in {"env", "ini"}:
            return CheckFailed(f"{source.label} is empty")
        parse = _PARSERS.get(kind)
        if parse:
            parse(text)
    except SyntaxProblem as problem:
        return CheckFailed(f"{source.label} {problem}")
    except MeasurementUnavailable as error:
        return MeasurementUnavailable(
            f"{source.label} was not parsed: {error.message}", remedy=error.remedy
        )
    except CheckFailed as error:
        return error
    return None
