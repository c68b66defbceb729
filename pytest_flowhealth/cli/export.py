"""`flowhealth export`: files for Grafana and Prometheus."""

from __future__ import annotations

import click


@click.group("export")
def command() -> None:
    """Generate files for other tools from the metrics that this target has."""
