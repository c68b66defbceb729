"""Configuration files, each read as the tool it belongs to reads it.

The file's name decides the format, tried with the tools' own readers: TypeScript, Nx and Turborepo
take comments and trailing commas in their JSON, ESLint and Mocha comments alone, Babel, Expo and
node-config JSON5, Prettier and nyc plain JSON. A name whose reader is unknown is read as strictly as
its ending says; where only a more lenient format fits, that is a warning, for the reader may be one
that takes it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from fnmatch import fnmatchcase
from pathlib import Path

import msgspec

from pytest_flowhealth.config.files import read_text, reason
from pytest_flowhealth.errors import CheckFailed, FlowHealthError, MeasurementUnavailable
from pytest_flowhealth.probes.project import formats
from pytest_flowhealth.probes.project.formats import SyntaxProblem
from pytest_flowhealth.probes.project.layout import ProjectPackage
from pytest_flowhealth.probes.project.npm_project import NpmProject
from pytest_flowhealth.probes.project.source_file import SourceFile
from pytest_flowhealth.probes.project.syntax import parse_files

KNOWN_FILES: tuple[tuple[str, tuple[str, ...]], ...] = (
    (
        "json5",
        (
            *(".babelrc", ".babelrc.json", ".prettierrc.json5", "api-extractor.json", "app.json"),
            *("babel.config.json", "renovate.json", "renovate.json5", "rush.json"),
        ),
    ),
    (
        "jsonc",
        (
            *(".oxlintrc.json", "angular.json", "biome.jsonc", "deno.json", "deno.jsonc"),
            *("jsconfig*.json", "nx.json", "project.json", "tsconfig*.json", "turbo.json"),
            *("turbo.jsonc", "wrangler.json", "wrangler.jsonc", ".mocharc.jsonc"),
        ),
    ),
    # SWC takes single quotes too, but no other part of JSON5.
    ("jsonc?", (".swcrc",)),
    ("commented json", (".eslintrc.json", ".jshintrc", ".mocharc.json")),
    (
        "json",
        (
            *(".commitlintrc.json", ".lintstagedrc.json", ".nycrc", ".nycrc.json"),
            *(".prettierrc.json", ".stylelintrc.json", "nest-cli.json", "nodemon.json"),
        ),
    ),
    ("json?", ("biome.json", "lerna.json", "vercel.json")),
    ("rc", (".commitlintrc", ".eslintrc", ".lintstagedrc", ".prettierrc", ".stylelintrc")),
    (
        "yaml",
        (
            *(".commitlintrc.y*ml", ".eslintrc.y*ml", ".lintstagedrc.y*ml", ".mocharc.y*ml"),
            *(".prettierrc.y*ml", ".stylelintrc.y*ml", ".yarnrc.yml", "compose*.y*ml"),
            *("docker-compose*.y*ml", "pnpm-workspace.yaml"),
        ),
    ),
    ("toml", (".prettierrc.toml",)),
    (
        "javascript",
        tuple(
            f"{name}.{ending}"
            for name in (
                *(".babelrc", ".commitlintrc", ".eslintrc", ".lintstagedrc", ".mocharc"),
                *(".prettierrc", ".stylelintrc", "babel.config", "commitlint.config"),
                *("ecosystem.config", "eslint.config", "jest.config", "next.config"),
                *("playwright.config", "postcss.config", "prettier.config", "rollup.config"),
                *("svelte.config", "tailwind.config", "tsup.config", "vite.config"),
                *("vitest.config", "webpack.config"),
            )
            for ending in ("js", "cjs", "mjs", "ts", "cts", "mts")
        ),
    ),
    ("env", (".env",)),
    ("text", (".editorconfig", ".npmrc")),
)
"""Formats and the names of well-known files in them; `?` marks one whose reader may take more."""

_ENDINGS = (
    ("jsonc", ("tsconfig*.json", "jsconfig*.json", "*.jsonc")),
    ("json5", ("*.json5",)),
    ("json?", ("*.json", "*.webmanifest", "*.map")),
    ("yaml", ("*.yaml", "*.yml")),
    ("toml", ("*.toml",)),
    ("javascript", ("*.js", "*.cjs", "*.mjs", "*.ts", "*.cts", "*.mts")),
    ("env", (".env", ".env.*", "*.env")),
)

_FOLDERS = {
    ".vscode": ("*.json",),
    ".devcontainer": ("devcontainer.json",),
    "config": ("*.json", "*.json5", "*.yaml", "*.yml", "*.toml"),
}
"""Folders of configuration files in a package's folder, and the names that are looked at."""

_PARSERS: dict[str, Callable[[str], None]] = {
    "json": formats.parse_json,
    "commented json": formats.parse_commented_json,
    "jsonc": formats.parse_jsonc,
    "json5": formats.parse_json5,
    "yaml": formats.parse_yaml,
    "rc": formats.parse_rc,
    "toml": formats.parse_toml,
}

_FAILS_WHEN_EMPTY = frozenset(("json", "json?", "commented json", "jsonc?", "json5"))


class ConfigFile(msgspec.Struct, frozen=True):
    """A configuration file that was read.

    Attributes:
        label: Its path below the project.
        format: Such as "json", "jsonc", "yaml" or "javascript"; "text" for one that is not parsed.
        error: CheckFailed if it is missing or broken, MeasurementUnavailable if it could not be
            parsed here, otherwise None.
        warning: What is unusual about it, though its reader may accept it; otherwise None.
    """

    label: str
    format: str
    error: FlowHealthError | None = None
    warning: str | None = None


def format_of(path: Path, *, node_config: bool = False) -> str:
    """Return the format of a file, "text" where its name says nothing.

    Args:
        path: The file; the names of its folder and its own count.
        node_config: Whether the package depends on node-config, which reads `config/*.json`.
    """
    name, folder = path.name, path.parent.name
    if folder in {".vscode", ".devcontainer"} and name.endswith(".json"):
        return "jsonc"
    if folder == "config" and node_config and name.endswith(".json"):
        return "json5"
    return next(
        (
            kind
            for kind, patterns in (*KNOWN_FILES, *_ENDINGS)
            if any(fnmatchcase(name, pattern) for pattern in patterns)
        ),
        "text",
    )


def read_config_files(
    project: NpmProject, files: Sequence[SourceFile], *, node_config: bool = False
) -> list[ConfigFile]:
    """Read files to their ends; none is run.

    Args:
        project: Its Node process parses JavaScript and TypeScript.
        files: The files; they need not exist.
        node_config: As in `format_of`.
    """
    found = [read_config_file(file, node_config=node_config) for file in files]
    scripts = [
        number
        for number, file in enumerate(found)
        if file.format == "javascript" and not file.error
    ]
    errors = parse_files(project, [(files[number], "either") for number in scripts])
    for number, error in zip(scripts, errors, strict=True):
        found[number] = msgspec.structs.replace(found[number], error=error)
    return found


def find_config_files(root: Path, folders: Iterable[Path]) -> tuple[SourceFile, ...]:
    """Return the well-known configuration files that exist in the packages' `folders`.

    Raises:
        CheckFailed: A folder can't be read.
    """
    known = tuple(pattern for _, patterns in KNOWN_FILES for pattern in patterns)
    found: dict[Path, SourceFile] = {}
    for folder in folders:
        places = [(folder, known), *((folder / name, at) for name, at in _FOLDERS.items())]
        for path in (path for place, patterns in places for path in _named(place, patterns)):
            found.setdefault(path, SourceFile.below(root, path))
    return tuple(found.values())


def read_config_file(file: SourceFile, *, node_config: bool = False) -> ConfigFile:
    """Read a file, and parse it unless it is JavaScript or TypeScript.

    Args:
        file: The file; it need not exist.
        node_config: As in `format_of`.
    """
    kind = format_of(file.path, node_config=node_config)
    shown = kind.removesuffix("?")
    try:
        text = read_text(file.path, file.label)
        if not text.strip() and kind not in _FAILS_WHEN_EMPTY:
            warning = None if kind == "env" else f"{file.label} is empty"
            return ConfigFile(file.label, "text", warning=warning)
        return ConfigFile(file.label, shown, warning=_parse(text, kind, file.label))
    except SyntaxProblem as problem:
        return ConfigFile(file.label, shown, CheckFailed(f"{file.label} {problem}"))
    except MeasurementUnavailable as error:
        message = f"{file.label} was not parsed: {error.message}"
        return ConfigFile(file.label, shown, MeasurementUnavailable(message, remedy=error.remedy))
    except CheckFailed as error:
        return ConfigFile(file.label, shown, error)


def _parse(text: str, kind: str, label: str) -> str | None:
    """Parse a text; return what is unusual about it."""
    parse = _PARSERS.get(kind.removesuffix("?"))
    try:
        if parse:
            parse(text)
    except SyntaxProblem as problem:
        if not kind.endswith("?") or not _is_json5(text):
            raise
        return f"{label} {problem}; it is JSON5, which not every reader takes"
    return None


def _is_json5(text: str) -> bool:
    try:
        formats.parse_json5(text)
    except SyntaxProblem:
        return False
    return True


def _named(folder: Path, patterns: Sequence[str]) -> Iterator[Path]:
    try:
        names = sorted(entry.name for entry in folder.iterdir() if not entry.is_dir())
    except (FileNotFoundError, NotADirectoryError):
        return
    except OSError as error:
        raise CheckFailed(f"the folder {folder.name} can't be read: {reason(error)}") from None
    for name in names:
        if any(fnmatchcase(name, pattern) for pattern in patterns):
            yield folder / name


def uses_node_config(packages: Iterable[ProjectPackage]) -> bool:
    """Tell whether a package depends on node-config (npm's `config`)."""
    dependencies = (package.manifest.get("dependencies") for package in packages)
    return any(isinstance(names, dict) and "config" in names for names in dependencies)
