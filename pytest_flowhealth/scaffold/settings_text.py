"""The text of a first flowhealth.toml: settings of the project, and all other keys as comments."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Literal, get_args

import msgspec

from pytest_flowhealth.config.fields import (
    Structure,
    alternatives,
    container,
    join_key,
    known_fields,
    parts_of,
    tables,
    write_value,
)
from pytest_flowhealth.config.reference import SCHEMA, read_examples
from pytest_flowhealth.domain.text import one_line
from pytest_flowhealth.scaffold.project import ProjectInfo

_HEAD = f"""\
#:schema ./{SCHEMA}
# Settings of `pytest --health`. Written by `flowhealth init` from package.json and the files of this project.
# Commented lines show defaults, or examples (e.g.): to set one, remove its # and that of its [section].
# The schema of the first line lets editors complete and check this file; docs/configuration.md of
# pytest-flowhealth describes each key. An invalid key or value is a usage error (exit code 4).
"""

_TAIL = """
# Conditions that raise alerts, their receivers, and silences: [[rules]], [[receivers]], [[silences]],
# see docs/alerts.md of pytest-flowhealth.

# Limits that replace those of the checks, by their names in the report.
# [thresholds]
# "redis.connect.p95" = { warn = 20, fail = 100, unit = "ms" }
"""

_REASONS = {
    "checks": "This project's own checks, in addition to the bundled ones.",
    "package.critical": "From package.json's dependencies: they must be installed and intact.",
    "configuration.files": "The configuration files that were found: they must exist and parse.",
}
"""The comment above a key that is set."""


def settings_text(found: ProjectInfo) -> str:
    """Return flowhealth.toml for a project."""
    values = {"checks": ["health/"], **found.values}
    set_here = {key: value for key, value in values.items() if key not in found.preset_values}
    parts = [_HEAD]
    if found.preset:
        parts.append(f'\n# preset = "{found.preset}"  # selected by the package\'s name\n')
    for name, struct in tables().items():
        parts.append(_section(name, struct, set_here, found))
    return "".join(parts) + _TAIL


def toml(value: Any) -> str:
    """Return a value as TOML writes it."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (list, tuple)):
        return f"[{', '.join(map(toml, value))}]"
    if isinstance(value, Mapping):
        inner = ", ".join(f"{_key(name)} = {toml(item)}" for name, item in value.items())
        return f"{{ {inner} }}" if inner else "{}"
    if isinstance(value, str):
        # JSON's escapes are TOML's too; it leaves DEL, which TOML does not.
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
    return str(value)


def _key(name: str) -> str:
    plain = name.isascii() and name.replace("_", "").replace("-", "").isalnum()
    return name if plain else toml(name)


def _section(name: str, struct: Structure, set_here: Mapping[str, Any], found: ProjectInfo) -> str:
    lines: list[str] = []
    is_open = not name
    for field in msgspec.structs.fields(struct):
        key = join_key(name, field.name)
        if key in set_here:
            is_open = True
            reason = [f"# {_REASONS[key]}"] if key in _REASONS else []
            lines += [*reason, f"{_key(field.encode_name)} = {toml(set_here[key])}"]
        elif key in found.preset_values:
            value = toml(write_value(found.preset_values[key], field.type))
            lines.append(f"# {field.encode_name} = {value}  # set by the preset")
        elif key in known_fields() and parts_of(field.type) is None:
            lines += _comment(field, struct)
    lines = [*_notes(name, found), *lines]
    if not name:
        return "\n" + "".join(f"{line}\n" for line in lines if not line.startswith("# preset"))
    about = one_line(struct.__doc__ or "")
    head = f"\n# {about}\n{'' if is_open else '# '}[{name}]\n"
    return head + "".join(f"{line}\n" for line in lines)


def _notes(name: str, found: ProjectInfo) -> list[str]:
    if name == "redis" and found.redis:
        client = one_line(found.redis, 100)
        return [
            f"# Found: {client} in the dependencies. The address comes from the environment, the start script "
            "or an .env file,",
            "# otherwise the usual port of this machine is assumed; `flowhealth config` shows it.",
        ]
    if name == "npm" and found.is_private:
        return ["# package.json says private: the registry is not queried."]
    return []


def _comment(field: Any, struct: Structure) -> list[str]:
    """Return the line that shows a key's default, or an example; none where it has neither."""
    default = None if field.default is msgspec.NODEFAULT else field.default
    if default not in (None, (), {}):
        return [f"# {field.encode_name} = {toml(write_value(default, field.type))}"]
    example = _example(field, struct)
    return [] if example is None else [f"# {field.encode_name} = {toml(example)}  # e.g."]


def _example(field: Any, struct: Structure) -> Any:
    words = [kind for kind in alternatives(field.type) if container(kind) is Literal]
    if words:
        return get_args(words[0])[0]
    return read_examples().get(f"{struct.__name__}.{field.encode_name}")
