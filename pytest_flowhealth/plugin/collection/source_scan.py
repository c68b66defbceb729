"""Look through the text of a source file for what may be a check, without parsing it."""

from __future__ import annotations

import re
from collections.abc import Container
from pathlib import Path

_DEFINITION = re.compile(
    r"^[ \t]*(?:@(?P<decorator>[\w.]+)|(?:async[ \t]+)?def[ \t]+(?P<name>\w+))", re.MULTILINE
)
# Classes, blocks at the top level, and marks applied by a call: `test_up = redis(check_up)`.
_UNCERTAIN = re.compile(
    r"^(?:class|if|try|with|for|while|match|async (?!def))\b"
    r"|^(?!pytestmark\b)\w[^\n=(]*=[^\n]*\(|\\\r?$|\f",
    re.MULTILINE,
)


def is_fully_collected(path: Path, lines: Container[int | str]) -> bool:
    """Tell whether everything in a file that may be a check begins on one of `lines`.

    A quick look at the text, so that most files need not be parsed: False where it can't tell.
    """
    try:
        text = path.read_text("utf-8")
    except (OSError, UnicodeDecodeError):
        return False
    if _UNCERTAIN.search(text):
        return False
    line, position, decorated_from, is_fixture = 1, 0, 0, False
    for match in _DEFINITION.finditer(text):
        line += text.count("\n", position, match.start())
        position = match.start()
        name = match["name"]
        if name is None:
            decorated_from = decorated_from or line
            is_fixture = is_fixture or match["decorator"].endswith("fixture")
            continue
        may_be_check = (decorated_from or name.startswith("test")) and not is_fixture
        if may_be_check and (decorated_from or line) not in lines:
            return False
        decorated_from, is_fixture = 0, False
    return True
