"""A report as CSV, one line per check."""

import csv
import io

from pytest_flowhealth import Report


def render(health: Report) -> str:
    """Return the report as CSV: check, outcome, message."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["check", "outcome", "message"])
    writer.writerows([check.id, check.outcome, check.message] for check in health.checks)
    return text.getvalue()
