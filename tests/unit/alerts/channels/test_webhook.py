"""The verifying examples of docs/alerts.md verify what is sent, in Python and in Node."""

import json
import re
import shutil
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest

from pytest_flowhealth.alerts.channels.webhook import SIGNATURE, TIMESTAMP, signature
from pytest_flowhealth.alerts.rules import built_in

TEXT = (Path(__file__).parents[2] / "docs" / "alerts.md").read_text()
BODY = '{"id": "ä"}'.encode()


def example(language: str, word: str) -> str:
    blocks = re.findall(rf"```{language}\n(.*?)```", TEXT, re.DOTALL)
    return str(next(one for one in blocks if word in one))


def headers(timestamp: float, body: bytes = BODY) -> dict[str, str]:
    text = str(int(timestamp))
    return {TIMESTAMP: text, SIGNATURE: f"sha256={signature('s3cret', text, body)}"}


CASES = [
    (headers(time.time()), True),
    (headers(time.time(), b"other"), False),
    (headers(time.time() - 3_600), False),
]


@pytest.mark.parametrize(("sent", "expected"), CASES, ids=["right", "changed", "old"])
def test_python(sent: dict[str, str], expected: bool) -> None:
    found: dict[str, Any] = {}
    exec(example("python", "verified"), found)

    assert found["verified"](b"s3cret", sent, BODY) is expected


@pytest.mark.skipif(shutil.which("node") is None, reason="no Node")
@pytest.mark.parametrize(("sent", "expected"), CASES, ids=["right", "changed", "old"])
def test_node(sent: dict[str, str], expected: bool) -> None:
    small = json.dumps({name.lower(): value for name, value in sent.items()})
    call = f"console.log(verified('s3cret', {small}, Buffer.from({json.dumps(BODY.decode())})))"
    done = subprocess.run(
        ["node", "-e", example("javascript", "verified") + call],
        capture_output=True,
        text=True,
        check=True,
    )

    assert done.stdout.strip() == ("true" if expected else "false")


def test_the_table_has_every_rule() -> None:
    assert re.findall(r"^\| (\w+) \| `", TEXT, re.MULTILINE) == [one.name for one in built_in()]
