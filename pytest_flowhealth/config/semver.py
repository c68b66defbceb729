"""npm's version ranges, as node-semver reads them (github.com/npm/node-semver, "Ranges").

A range is a union (``||``) of sets of comparators that must all hold. Carets,
tildes, x-ranges and hyphens are written out as comparators first.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

_LONGEST = 1_000
_LONGEST_UNION = 20_000
_GREATEST = 2**53 - 1  # JavaScript's greatest whole number
_NUMBER = r"0|[1-9]\d{0,15}"
_WORD = r"(?:\d*[A-Za-z-][0-9A-Za-z-]*|0|[1-9]\d*)"
_TAG = rf"{_WORD}(?:\.{_WORD})*"
_BUILD = re.compile(r"\+[0-9A-Za-z-]+(?:\.[0-9A-Za-z-]+)*")
_WHOLE = rf"({_NUMBER})\.({_NUMBER})\.({_NUMBER})(?:-({_TAG}))?"
_VERSION = re.compile(rf"[v=\s]*{_WHOLE}\s*", re.ASCII)
_PARTIAL = rf"({_NUMBER}|[xX*])(?:\.({_NUMBER}|[xX*])(?:\.({_NUMBER}|[xX*])(?:-({_TAG}))?)?)?"
_HYPHEN = re.compile(rf"([v= ]*){_PARTIAL} - ([v= ]*){_PARTIAL}", re.ASCII)
_SPACED = re.compile(rf"( ?[<>]?=?) ?([v= ]*(?:{_NUMBER}|[xX*]))", re.ASCII)
_SPACED_SIGN = re.compile(r"(\^|~>?) +")
_CARET = re.compile(rf"(\^|~>?)[v=]*{_PARTIAL}", re.ASCII)
_RANGE = re.compile(rf"([<>]?=?)[v=]*{_PARTIAL}", re.ASCII)
_STAR = re.compile(r"[<>]?=?\*")
_COMPARATOR = re.compile(rf"([<>]?=?)v?{_WHOLE}", re.ASCII)


class Version(NamedTuple):
    """A version; `tags` are the prerelease's parts, none for a release."""

    major: int
    minor: int
    patch: int
    tags: tuple[str, ...] = ()


class _Comparator(NamedTuple):
    operator: str
    version: Version


_ANYTHING = _Comparator(">=", Version(0, 0, 0))


def parse_version(text: str) -> Version:
    """Return the version that `text` is.

    Raises:
        ValueError: It is none.
    """
    match = _VERSION.fullmatch(_BUILD.sub("", text, count=1))
    if match is None or len(text) > _LONGEST:
        raise ValueError(f"{text[:80]!r} is no version")
    return _version(match.groups())


def satisfies(version: str, wanted: str) -> bool:
    """Tell whether `version` lies in the range `wanted`; a prerelease only where one is named.

    Raises:
        ValueError: One of them can't be read.
    """
    parsed = parse_version(version)
    if len(wanted) > _LONGEST_UNION:
        raise ValueError(f"a version range of more than {_LONGEST_UNION:,} characters")
    sets = [_comparators(part) for part in wanted.split("||")]
    if [] in sets:
        sets = [[]]
    return any(_holds(parsed, comparators) for comparators in sets)


def is_range(text: str) -> bool:
    """Tell whether `text` is a range; a tag such as ``latest`` is none."""
    try:
        satisfies("0.0.0", text)
    except ValueError:
        return False
    return True


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
    """Return the comparators of one set; none where everything fits."""
    if len(text) > _LONGEST:
        raise ValueError(f"a version range of more than {_LONGEST:,} characters")
    plain = _BUILD.sub("", " ".join(text.split()))
    hyphen = _HYPHEN.fullmatch(plain)
    if hyphen:
        plain = _written_out(hyphen.groups())
    plain = _SPACED_SIGN.sub(r"\1", _SPACED.sub(r"\1\2", plain))
    found = []
    for part in plain.split(" "):
        try:
            found += _meant(part)
        except ValueError:
            raise ValueError(f"{text.strip()[:80]!r} is no version range") from None
    return [one for one in found if one != _ANYTHING]


def _written_out(parts: tuple[str | None, ...]) -> str:
    """Return the comparators that a hyphen's two ends mean, `1.2 - 2` as `>=1.2.0 <3.0.0-0`."""
    (before, *low), (sign, *high) = parts[:5], parts[5:]
    numbers, bound = _numbers(low[:3]), _numbers(high[:3])
    written = ""
    if numbers:
        written = f">={before if len(numbers) == 3 else ''}{_text(_filled(numbers, _tags(low)))}"
    if len(bound) == 3:
        # npm takes what stands before a number along, and refuses it later.
        return f"{written} <={'' if high[3] else sign}{_text(_filled(bound, _tags(high)))}"
    return written + "".join(f" <{_text(one.version)}" for one in _below(bound, len(bound)))


def _meant(part: str) -> list[_Comparator]:
    """Return the comparators that a part without spaces means."""
    match = _CARET.fullmatch(part)
    if match:
        numbers = _numbers(match.groups()[1:4])
        keep = _caret(numbers) if match[1] == "^" else min(len(numbers), 2)
        low = _filled(numbers, _tags(match.groups()[1:]))
        return [_Comparator(">=", low), *_below(numbers, keep)]
    match = _RANGE.fullmatch(part)
    numbers = _numbers(match.groups()[1:4]) if match else []
    if match and len(numbers) < 3:
        return _partial(match[1], _filled(numbers, ()), numbers)
    part = _STAR.sub("", part, count=1)
    match = _COMPARATOR.fullmatch(part)
    if match is None and part:
        raise ValueError(part)
    return (
        [_Comparator("" if match[1] == "=" else match[1], _version(match.groups()[1:]))]
        if match
        else []
    )


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


def _version(parts: Sequence[str | None]) -> Version:
    return _filled(_numbers(parts[:3]), _tags(parts))


def _filled(numbers: list[int], tags: tuple[str, ...]) -> Version:
    """Return the version with these numbers, and zero for those that are not given.

    Raises:
        ValueError: A number is greater than JavaScript can tell.
    """
    if any(number > _GREATEST for number in numbers):
        raise ValueError(numbers)
    major, minor, patch = (*numbers, 0, 0, 0)[:3]
    return Version(major, minor, patch, tags)


def _text(version: Version) -> str:
    numbers = ".".join(map(str, version[:3]))
    return f"{numbers}-{'.'.join(version.tags)}" if version.tags else numbers


def _tags(parts: Sequence[str | None]) -> tuple[str, ...]:
    """Return the prerelease's parts, the fourth of `parts`; none where a number is left open."""
    return tuple(parts[3].split(".")) if parts[3] and len(_numbers(parts[:3])) == 3 else ()


def _numbers(parts: Sequence[str | None]) -> list[int]:
    numbers = []
    for part in parts:
        if part is None or part in "xX*":
            break
        numbers.append(int(part))
    return numbers
