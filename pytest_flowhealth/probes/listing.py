"""Many findings in one sentence, and many errors in one."""

from __future__ import annotations

from collections.abc import Sequence

from pytest_flowhealth.errors import CheckFailed, FlowHealthError, MeasurementUnavailable

SHOWN = 10
"""Findings that a message holds; the others are counted."""


def list_findings(findings: Sequence[str], of: str) -> str:
    """Return one finding as it is, and several as "3 OF: one; two; three".

    Args:
        findings: The findings; at least one.
        of: What they are, in the plural, with a verb: "files are broken".
    """
    if len(findings) == 1:
        return findings[0]
    rest = len(findings) - SHOWN
    more = f"; and {rest:,} more" if rest > 0 else ""
    return f"{len(findings):,} {of}: {'; '.join(findings[:SHOWN])}{more}"


def raise_worst(
    errors: Sequence[FlowHealthError], *, broken: str, unread: str, remedy: str | None = None
) -> None:
    """Raise what is broken, all in one error; without such, what could not be looked at.

    Args:
        errors: `CheckFailed` and `MeasurementUnavailable`; without any, nothing is raised.
        broken: What the former are, as `of` in `list_findings`.
        unread: The same for the latter.
        remedy: For the broken ones, where their errors have none.

    Raises:
        CheckFailed: There is one.
        MeasurementUnavailable: There is one, and no `CheckFailed`.
    """
    failed = [error for error in errors if isinstance(error, CheckFailed)]
    if failed:
        raise CheckFailed(_messages(failed, broken), remedy=_remedy(failed) or remedy)
    if errors:
        raise MeasurementUnavailable(_messages(errors, unread), remedy=_remedy(errors))


def _messages(errors: Sequence[FlowHealthError], of: str) -> str:
    return list_findings([error.message for error in errors], of)


def _remedy(errors: Sequence[FlowHealthError]) -> str | None:
    return next((error.remedy for error in errors if error.remedy), None)
