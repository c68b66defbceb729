"""Hooks that this plugin calls, for other plugins and conftest.py files to implement."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pytest_flowhealth.domain.checks import CheckResult
    from pytest_flowhealth.domain.report import Document


def pytest_flowhealth_check_result(result: CheckResult) -> None:
    """Called when a check has ended, with its result.

    Under pytest-xdist it is called in the controller. A failure may still be attributed to a root
    cause that ends later; the report has the final results.

    :param result: The evaluated check. Its texts contain no secrets and no control characters.
    """


def pytest_flowhealth_report(report: Document) -> None:
    """Called once at the end of a run, with the whole report, before it is written anywhere.

    An exception that an implementation raises makes the run unknown.

    :param report: The report: `report.health` is the verdict with all checks.
    """
