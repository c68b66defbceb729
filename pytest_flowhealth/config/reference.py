"""Makes docs/configuration.md from the structs: `python -m pytest_flowhealth.config.reference`."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Annotated, Any, get_args, get_origin, get_type_hints

import msgspec

from pytest_flowhealth.config.fields import (
    Structure,
    joined,
    known_fields,
    parts_of,
    table_of,
    tables,
    told,
)
from pytest_flowhealth.config.model import Configuration, Limits

_HEAD = """# Configuration

Nothing needs configuring to start. What differs from the defaults goes into `flowhealth.toml` in
the project's folder, or into `[tool.flowhealth]` of its `pyproject.toml`. An unknown key, a wrong
type or a bad unit is a usage error (exit code 4) that names the key.

The nearest source of a value wins: environment, file, preset, default. In the environment a list
is `a,b,c` and a table `name=value,name=value`; where a value has a comma in it, JSON says either.

<!-- Made by: python -m pytest_flowhealth.config.reference > docs/configuration.md -->
"""


def render(root: Structure = Configuration) -> str:
    """Return the reference as Markdown."""
    variables = {key: one.variable for key, one in known_fields(root).items()}
    parts = [_HEAD]
    for name, struct in tables(root).items():
        head = [f"## [{name}]\n", f"{struct.__doc__}\n"] if name else ["## Top level\n"]
        parts += [*head, _table(name, struct, variables)]
    for name, struct in _lists(root).items():
        parts += [f"## [[{name}]]\n", f"{struct.__doc__}\n", _table(f"{name}[]", struct, {})]
    parts += [
        "## [thresholds]\n",
        'Other limits by name: `"redis.connect.p95" = { warn = 5, fail = 50, unit = "ms" }`. '
        "In the environment: `FLOWHEALTH_THRESHOLDS=redis.connect.p95=5:50,system.disk=80:90`. "
        "On the command line: `--health-threshold redis.connect.p95=5:50`. A limit that is left out "
        "stays as it was; the direction can't be turned round.\n",
        _table("thresholds.NAME", Limits, {}),
    ]
    return "\n".join(parts)


def _table(table: str, struct: Structure, variables: Mapping[str, str | None]) -> str:
    hints = get_type_hints(struct, include_extras=True)
    rows = []
    for field in msgspec.structs.fields(struct):
        meta = _meta(hints[field.name])
        if meta is None or table_of(field.type) is not None:
            continue
        name = variables.get(joined(table, field.name))
        meaning = " ".join(part for part in (meta.description, _example(meta)) if part)
        rows.append(
            f"| `{field.encode_name}` | {told(field.type)} | {_default(field)} | {meaning} | "
            f"{f'`{name}`' if name else ''} |"
        )
    if not rows:
        return ""
    head = "| key | type | default | meaning | variable |\n| --- | --- | --- | --- | --- |\n"
    return head + "\n".join(rows) + "\n"


def _lists(root: Structure) -> dict[str, Structure]:
    """Return the struct of each list of tables by its name."""
    kinds = {one.name: parts_of(one.type) for one in msgspec.structs.fields(root)}
    return {name: kind for name, kind in kinds.items() if kind is not None and name != "thresholds"}


def _meta(hint: Any) -> msgspec.Meta | None:
    if get_origin(hint) is not Annotated:
        return None
    return next((one for one in get_args(hint) if isinstance(one, msgspec.Meta)), None)


def _example(meta: msgspec.Meta) -> str:
    return f"Example: `{json.dumps(meta.examples[0])}`." if meta.examples else ""


def _default(field: Any) -> str:
    if field.default is msgspec.NODEFAULT or field.default is None:
        return ""
    return f"`{json.dumps(field.default)}`"


if __name__ == "__main__":
    import sys

    sys.stdout.write(render())
