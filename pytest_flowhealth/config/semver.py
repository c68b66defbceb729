"""npm's version ranges, as node-semver reads them (github.com/npm/node-semver, "Ranges").

A range is a union (``||``) of sets of comparators that must all hold. Carets,
tildes, x-ranges and hyphens are written out as comparators first.
"""

from __future__ import annotations

import re
from typing import NamedTuple

_NUMBER = r"0|[1-9]\d{0,15}"
_TAG = r"[0-9A-Za-z-]+(?:\.[0-9A-Za-z-]+)*"
_VERSION = re.compile(
    rf"[v=\s]*({_NUMBER})\.({_NUMBER})\.({_NUMBER})(?:-({_TAG}))?(?:\+{_TAG})?\s*\Z", re.ASCII
)
_PARTIAL = rf"[v=\s]*({_NUMBER}|[xX*])(?:\.({_NUMBER}|[xX*])(?:\.({_NUMBER}|[xX*])(?:-({_TAG}))?(?:\+{_TAG})?)?)?"
_COMPARATOR = re.compile(rf"(\^|~>?|[<>]=?|=?)\s*{_PARTIAL}\Z", re.ASCII)
_BUILD = re.compile(rf"\+{_TAG}", re.ASCII)
_HYPHEN = re.compile(rf"\s*{_PARTIAL}\s+-\s+{_PARTIAL}\s*\Z", re.ASCII)
_SPACE_AFTER_OPERATOR = re.compile(r"(\^|~>?|[<>]=?|=)\s+")

_LOCAL = re.compile(
    r"(?:file|link|portal|workspace|patch|npm|git|github|gitlab|bitbucket|gist|https?)[:+]",
    re.IGNORECASE,
)


class Version(NamedTuple):
    """A version; `tags` are the prerelease's parts, none for a release."""

    major: int
    minor: int
    patch: int
    tags: tuple[str, ...] = ()


class _Comparator(NamedTuple):
    operator: str
    version: Version


_ANYTHING = [_Comparator(">=", Version(0, 0, 0))]


def parse_version(text: str) -> Version:
    """Return the version that `text` is.

    Raises:
        ValueError: It is none.
    """
    match = _VERSION.match(text)
    if match is None:
        raise ValueError(f"{text!r} is no version")
    major, minor, patch, tags = match.groups()
    return Version(int(major), int(minor), int(patch), tuple(tags.split(".")) if tags else ())


def satisfies(version: str, wanted: str) -> bool:
    """Tell whether `version` lies in the range `wanted`; a prerelease only where one is named.

    Raises:
        ValueError: One of them can't be read.
    """
    parsed = parse_version(version)
    sets = [_comparators(part) for part in wanted.split("||")]
    if _ANYTHING in sets:
        sets = [_ANYTHING]
    return any(_holds(parsed, comparators) for comparators in sets)


def is_range(text: str) -> bool:
    """Tell whether `text` is a range; a tag such as ``latest`` is none."""
    try:
        satisfies("0.0.0", text)
    except ValueError:
        return False
    return True


def range_of(spec: str) -> str | None:
    """Return the range in a dependency's spec; None for a tag, an alias, an address, a path."""
    text = spec.strip()
    if _LOCAL.match(text) or "/" in text:
        return None
    return text if is_range(text) else None


def _holds(version: Version, comparators: list[_Comparator]) -> bool:
    if not all(_compares(version, one) for one in comparators):
        return False
    named = [one.version[:3] for one in comparators if one.version.tags]
    return not version.tags or version[:3] in named


def _compares(version: Version, comparator: _Comparator) -> bool:
    left, right = _key(version), _key(comparator.version)
    return {
        "<": left < right,
        "<=": left <= right,
        ">": left > right,
        ">=": left >= right,
        "": left == right,
    }[comparator.operator]


def _key(version: Version) -> tuple[object, ...]:
    """Return a sort key: a release after its prereleases, numbers before words."""
    tags = tuple((0, int(tag), "") if tag.isdigit() else (1, 0, tag) for tag in version.tags)
    return (*version[:3], not version.tags, tags)


def _comparators(text: str) -> list[_Comparator]:
    hyphen = _HYPHEN.match(text)
    if hyphen:
        parts = hyphen.groups()
        return [*_expanded(">=", parts[:4]), *_expanded("<=", parts[4:])]
    found = []
    for part in _SPACE_AFTER_OPERATOR.sub(r"\1", text).split() or ["*"]:
        match = _COMPARATOR.match(_BUILD.sub("", part, count=1))
        if match is None:
            raise ValueError(f"{text.strip()!r} is no version range")
        found += _expanded(match[1], match.groups()[1:])
    return found


def _expanded(operator: str, parts: tuple[str | None, ...]) -> list[_Comparator]:
    """Write a comparator on a version that may be partial out as plain ones."""
    numbers = _numbers(parts[:3])
    tags = tuple(parts[3].split(".")) if parts[3] and len(numbers) == 3 else ()
    low = _filled(numbers, tags)
    whole = len(numbers) == 3
    if operator in ("^", "~", "~>"):
        keep = _caret(numbers) if operator == "^" else min(len(numbers), 2)
        return [_Comparator(">=", low), *_below(numbers, keep)]
    if whole:
        return [_Comparator(operator.replace("=", "") if operator == "=" else operator, low)]
    return _partial(operator, low, numbers)


def _partial(operator: str, low: Version, numbers: list[int]) -> list[_Comparator]:
    above = _below(numbers, len(numbers))
    if operator in ("<", ">") and not numbers:
        return [_Comparator("<", Version(0, 0, 0, ("0",)))]
    if operator == ">":
        return [_Comparator(">=", above[0].version._replace(tags=()))]
    if operator == "<":
        return [_Comparator("<", low._replace(tags=("0",)))]
    if operator == ">=":
        return [_Comparator(">=", low)]
    return above if operator == "<=" else [_Comparator(">=", low), *above]


def _below(numbers: list[int], keep: int) -> list[_Comparator]:
    """Return the upper bound that keeps the first `keep` numbers; none where there is none."""
    if keep == 0:
        return []
    bound = [*numbers[: keep - 1], numbers[keep - 1] + 1]
    return [_Comparator("<", _filled(bound, ("0",)))]


def _caret(numbers: list[int]) -> int:
    """Return how many numbers a caret keeps: up to the first that is not zero."""
    for index, number in enumerate(numbers):
        if number:
            return index + 1
    return len(numbers)


def _filled(numbers: list[int], tags: tuple[str, ...]) -> Version:
    """Return the version with these numbers, and zero for those that are not given."""
    major, minor, patch = (*numbers, 0, 0, 0)[:3]
    return Version(major, minor, patch, tags)


def _numbers(parts: tuple[str | None, ...]) -> list[int]:
    numbers = []
    for part in parts:
        if part is None or part in "xX*":
            break
        numbers.append(int(part))
    return numbers
