"""Fingerprints of errors: equal for errors that differ only in numbers, paths, versions, hashes, addresses."""

from __future__ import annotations

import hashlib
import re
import unicodedata

_STEPS = (
    # The placeholders of scrub.py.
    (re.compile(r"<(?:user|host|mail|address|id)>|\*\*\*"), "#"),
    (re.compile(r"[a-z][a-z0-9+.-]{0,20}://[^\s'\"]++"), " url "),
    (re.compile(r"(?<![\w.~])(?:[a-z]:|~|\.{1,2})?(?:[\\/][^\s\\/:'\"(),;]++)+[\\/]?"), " path "),
    (re.compile(r"(?<=[^\s/])@(?:npm:)?[~^<>=v]{0,3}\d[\w.+-]*+"), "@#"),
    (re.compile(r"\bv?\d++(?:\.[\dx*]++)+(?:[-+][\w.+-]++)?"), "#"),
    (re.compile(r"\b0x[0-9a-f]++|\b(?=[a-f]*+\d)[0-9a-f]{6,}+\b"), "#"),
    (re.compile(r"(?<![\w:])[0-9a-f]{0,4}(?::[0-9a-f]{0,4}){2,7}(?![\w:])"), "#"),
    (re.compile(r"\d++"), "#"),
    (re.compile(r"#(?:[.:,+-]?#)++"), "#"),
    (re.compile(r"\s++"), " "),
)


def normalize_error(error: str) -> str:
    """Return an error without the parts that differ from one installation to the next."""
    text = unicodedata.normalize("NFKC", error).casefold()
    for pattern, replacement in _STEPS:
        text = pattern.sub(replacement, text)
    return text.strip()


def fingerprint(error: str, step: str, package: str) -> str:
    """Return the fingerprint of an error, 16 hexadecimal digits.

    Args:
        error: One line.
        step: Where the installation ended.
        package: The npm package's name.
    """
    parts = "\0".join((package, step, normalize_error(error)))
    return hashlib.sha256(parts.encode("utf-8", "surrogatepass")).hexdigest()[:16]
