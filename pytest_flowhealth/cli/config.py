"""`flowhealth config`: the configuration in force, each value with its source."""

from __future__ import annotations

import contextlib
import json
import os
import re
from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Any

import click
import msgspec

from pytest_flowhealth.cli.common import echo, project_option, read_target
from pytest_flowhealth.config.fields import join_key, known_fields, tables, write_value
from pytest_flowhealth.config.manifest import Manifest
from pytest_flowhealth.config.model import Configuration, Limits
from pytest_flowhealth.config.reference import read_schema
from pytest_flowhealth.config.target import Target
from pytest_flowhealth.domain.text import HIDDEN, Redactor, find_secrets
from pytest_flowhealth.errors import CheckFailed, FlowHealthError
from pytest_flowhealth.probes.project import NpmProject, find_build, find_config_files
from pytest_flowhealth.probes.redis.application import find_address

_SECRETS = ("dashboard.login.secret", "web.users")
"""Keys whose values are not printed."""

_WIDTH = 60

DEFAULT = "default"
"""The source of a value that is not set."""


@click.command("config", short_help="Show every setting with its source.")
@project_option
@click.option("--changed", is_flag=True, help="Leave out the values that are defaults.")
@click.option("--schema", is_flag=True, help="Print the JSON Schema of flowhealth.toml.")
def command(project: str | None, *, changed: bool, schema: bool) -> None:
    """Show the configuration in force, each value with its source, and the assumed values.

    The output is TOML; a key that is not set is a comment, and what is used instead is listed under
    "Assumed". Passwords are not shown.
    """
    if schema:
        click.echo(read_schema(), nl=False)
        return
    target = read_target(project)
    redact = Redactor(find_secrets(os.environ))
    echo(f"# {target.name or 'unnamed'} {target.version or ''}".rstrip() + f" in {target.root}")
    rows = [
        (f"# {key} is not set" if value is None else f"{key} = {to_toml(value)}", source)
        for key, value, source in iterate_values(target)
        if not (changed and source == DEFAULT)
    ]
    width = max((len(text) for text, _ in rows), default=0)
    for text, source in rows:
        echo(redact(f"{text:<{min(width, _WIDTH)}}  # {source}"))
    echo("")
    echo("# Assumed, because it is not set:")
    for key, value in iterate_assumptions(target):
        echo(redact(f"# {key}: {value}"))


def iterate_values(target: Target) -> Iterator[tuple[str, object, str]]:
    """Yield each key, its value as it is written (None if it is not set), and its source."""
    for table, struct in tables().items():
        section = _find_section(target.config, table)
        for field in msgspec.structs.fields(struct) if section is not None else ():
            key = join_key(table, field.name)
            value = write_value(getattr(section, field.name), field.type)
            entries = {
                name.removeprefix(f"{key}."): source
                for name, source in target.sources.items()
                if name.startswith(f"{key}.") and isinstance(value, dict)
            }
            if key not in known_fields():
                if value is None:
                    yield key, None, DEFAULT
            elif entries:
                for name, source in entries.items():
                    yield f"{key}.{_quote_key(name)}", value[name], source
            else:
                yield key, _hide(key, value), target.sources.get(key, DEFAULT)
    for name, limits in target.environment_thresholds.items():
        value = write_value(limits, Limits)
        yield f"thresholds.{_quote_key(name)}", value, "environment FLOWHEALTH_THRESHOLDS"


def iterate_assumptions(target: Target) -> Iterator[tuple[str, str]]:
    """Yield what takes the place of keys that are not set, with the reason."""
    try:
        manifest = target.manifest
    except CheckFailed as error:
        manifest = Manifest()
        yield "package.json", error.message
    with contextlib.closing(NpmProject(target.root)) as project:
        manager = _describe_manager(project)
        artifacts = _describe_artifacts(project)
    assumed = {
        "package manager": manager,
        "system.node": _describe_range(manifest, "node", ">=20"),
        "system.npm": _describe_range(manifest, "npm", ">=9"),
        "package.critical": _list(manifest.dependencies, "package.json: dependencies"),
        "build.artifacts": artifacts,
        "configuration.files": _describe_files(target),
        "redis.url": _describe_redis(target),
        "npm.package": _describe_package(manifest),
        "npm.registry": "what `npm config get registry` names",
        "fleet.source": "none: the component fleet does not apply",
        "dashboard.url": "none: the component dashboard does not apply",
        "wasm.module": "none: the component wasm does not apply",
    }
    values = {key: value for key, value, _ in iterate_values(target)}
    for key, text in assumed.items():
        if values.get(key) is None:
            yield key, text


def to_toml(value: object) -> str:
    """Return a value as TOML; a key of a table that is not set is left out."""
    if isinstance(value, dict):
        parts = [
            f"{_quote_key(str(key))} = {to_toml(HIDDEN if _is_secret(key, each) else each)}"
            for key, each in value.items()
            if each is not None
        ]
        return f"{{ {', '.join(parts)} }}" if parts else "{}"
    if isinstance(value, (list, tuple)):
        return f"[{', '.join(to_toml(each) for each in value)}]"
    if isinstance(value, datetime):
        return value.isoformat()
    # A text, number or boolean is the same in JSON and TOML.
    return json.dumps(value, ensure_ascii=False)


def _is_secret(key: str, value: object) -> bool:
    named = re.search(r"pass|secret|token|api_?key|sha256", key, re.IGNORECASE)
    return named is not None and isinstance(value, str) and not key.endswith("_env")


def _find_section(config: Configuration, table: str) -> Any:
    """Return the struct of a table; None if it is optional and not set."""
    section: Any = config
    for name in table.split(".") if table else ():
        section = getattr(section, name, None)
    return section


def _hide(key: str, value: Any) -> Any:
    """Return a value without what must not be shown."""
    if not value or key not in _SECRETS:
        return value
    return dict.fromkeys(value, HIDDEN) if isinstance(value, dict) else HIDDEN


def _quote_key(key: str) -> str:
    return key if re.fullmatch(r"[A-Za-z0-9_-]+", key) else json.dumps(key, ensure_ascii=False)


def _list(names: Iterable[str], origin: str) -> str:
    return f"{', '.join(names) or 'none'} ({origin})"


def _describe_range(manifest: Manifest, name: str, default: str) -> str:
    wanted = manifest.engines.get(name)
    return f"{wanted} (package.json: engines.{name})" if wanted else f"{default} (the default)"


def _describe_package(manifest: Manifest) -> str:
    if manifest.private:
        return "none (package.json: private)"
    return f"{manifest.name} (package.json: name)" if manifest.name else "none"


def _describe_manager(project: NpmProject) -> str:
    try:
        layout = project.layout()
    except FlowHealthError as error:
        return f"unknown: {error.message}"
    if layout.manager is None:
        return "npm (nothing names another)"
    return f"{layout.manager} ({layout.evidence})"


def _describe_artifacts(project: NpmProject) -> str:
    try:
        files = find_build(project).files
    except FlowHealthError as error:
        return f"unknown: {error.message}"
    return _list([file.label for file, _ in files], "start scripts and fields of package.json")


def _describe_files(target: Target) -> str:
    try:
        found = find_config_files(
            target.root, [package.path for package in target.packages] or [target.root]
        )
    except FlowHealthError as error:
        return f"none: {error.message}"
    return _list([file.label for file in found], "the well-known files that exist")


def _describe_redis(target: Target) -> str:
    try:
        address = find_address(target)
    except FlowHealthError as error:
        return f"none: {error.message}"
    return f"{address.shown} ({address.origin})"
