"""`flowhealth config`: the configuration in force, each value with its source."""

from __future__ import annotations

from collections.abc import Iterator

import click
import msgspec

from pytest_flowhealth.cli.common import echo, project_option, read_target
from pytest_flowhealth.config.target import Target
from pytest_flowhealth.errors import FlowHealthError
from pytest_flowhealth.probes.redis.application import find_address


@click.command("config")
@project_option
@click.option("--changed", is_flag=True, help="Leave out the values that are defaults.")
def command(project: str | None, *, changed: bool) -> None:
    """Show the configuration in force, each value with its source, and the assumed values."""
    target = read_target(project)
    echo(f"# {target.name or 'unnamed'} {target.version or ''}".rstrip() + f" in {target.root}")
    rows = [
        (key, value, source)
        for key, value, source in iterate_values(target)
        if not (changed and source == "default")
    ]
    width = max((len(key) + len(value) for key, value, _ in rows), default=0)
    for key, value, source in rows:
        echo(f"{f'{key} = {value}':<{min(width, 60) + 3}}  # {source}")
    assumed = list(iterate_assumptions(target))
    if assumed:
        echo("")
        echo("# Assumed, because nothing says otherwise:")
        for text in assumed:
            echo(f"# {text}")


def iterate_values(target: Target) -> Iterator[tuple[str, str, str]]:
    """Yield each key, its value as JSON, and where it is set."""
    plain = msgspec.to_builtins(target.config)
    yield from _iterate(plain, "", target.sources)


def iterate_assumptions(target: Target) -> Iterator[str]:
    """Yield each value that is assumed, with the reason."""
    try:
        address = find_address(target)
    except FlowHealthError as error:
        yield f"redis.url: none: {error.message}"
    else:
        if not target.config.redis.url:
            yield f"redis.url = {address.shown} ({address.origin})"


def _iterate(
    values: dict[str, object], prefix: str, sources: dict[str, str]
) -> Iterator[tuple[str, str, str]]:
    for name, value in values.items():
        key = f"{prefix}{name}"
        if isinstance(value, dict) and value and key not in sources:
            yield from _iterate(value, f"{key}.", sources)
        else:
            yield key, msgspec.json.encode(value).decode(), sources.get(key, "default")
