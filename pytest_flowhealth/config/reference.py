"""Makes docs/configuration.md from the structs: `python -m pytest_flowhealth.config.reference`."""

from __future__ import annotations

import json
from typing import Annotated, Any, get_args, get_origin, get_type_hints

import msgspec

from pytest_flowhealth.config.decode import sections
from pytest_flowhealth.config.environment import variable
from pytest_flowhealth.config.model import Configuration, Limits

_HEAD = """# Configuration

Nothing needs configuring to start. What differs from the defaults goes into `flowhealth.toml` in
the project's folder, or into `[tool.flowhealth]` of its `pyproject.toml`. An unknown key, a wrong
type or a bad unit is a usage error (exit code 4) that names the key.

The nearest source of a value wins: environment, file, preset, default. Lists in the environment
are comma separated.

<!-- Made by: python -m pytest_flowhealth.config.reference > docs/configuration.md -->
"""


def render() -> str:
    """Return the reference as Markdown."""
    parts = [_HEAD, "## Top level\n", _table("", Configuration)]
    for name, struct in sections().items():
        parts += [f"## [{name}]\n", f"{struct.__doc__}\n", _table(name, struct)]
    parts += [
        "## [thresholds]\n",
        'Other limits by name: `"redis.connect" = { warn = 5, fail = 50, unit = "ms" }`. '
        "In the environment: `FLOWHEALTH_THRESHOLDS=redis.connect=5:50,system.disk=80:90`. "
        "On the command line: `--health-threshold redis.connect=5:50`. A limit that is left out "
        "stays as it was; the direction can't be turned round.\n",
        _table("thresholds.NAME", Limits, environment=False),
    ]
    return "\n".join(parts)


def _table(section: str, struct: type[msgspec.Struct], *, environment: bool = True) -> str:
    hints = get_type_hints(struct, include_extras=True)
    rows = []
    for field in msgspec.structs.fields(struct):
        meta = _meta(hints[field.name])
        if meta is None:
            continue
        key = f"{section}.{field.name}" if section else field.name
        name = f"`{variable(key)}`" if environment and key != "thresholds" else ""
        meaning = " ".join(part for part in (meta.description, _example(meta)) if part)
        rows.append(
            f"| `{field.name}` | {_kind(field.type)} | {_default(field)} | {meaning} | {name} |"
        )
    head = "| key | type | default | meaning | variable |\n| --- | --- | --- | --- | --- |\n"
    return head + "\n".join(rows) + "\n"


def _meta(hint: Any) -> msgspec.Meta | None:
    if get_origin(hint) is not Annotated:
        return None
    return next((one for one in get_args(hint) if isinstance(one, msgspec.Meta)), None)


def _example(meta: msgspec.Meta) -> str:
    return f"Example: `{json.dumps(meta.examples[0])}`." if meta.examples else ""


def _kind(kind: Any) -> str:
    text = str(kind)
    names = {"tuple": "list of texts", "dict": "table", "bool": "true or false", "float": "number"}
    return next((told for name, told in names.items() if name in text), "text")


def _default(field: Any) -> str:
    if field.default is msgspec.NODEFAULT or field.default is None:
        return ""
    return f"`{json.dumps(field.default)}`"


if __name__ == "__main__":
    import sys

    sys.stdout.write(render())
