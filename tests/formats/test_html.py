"""The page of one run in one file."""

from __future__ import annotations

import re
from html import escape
from html.parser import HTMLParser

import msgspec

from pytest_flowhealth.formats.html import render
from pytest_flowhealth.verdict.status import Outcome
from tests.formats.test_openmetrics import HEALTH
from tests.kit.records import check

HOSTILE = "<script>alert(1)</script>\"'><img src=x onerror=alert(2)>"


class Tags(HTMLParser):
    """What elements there are, and what they refer to."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.references: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.references += [
            name for name, _ in attrs if name in ("src", "href") or name.startswith("on")
        ]


def test_it_asks_nobody_for_anything() -> None:
    text = render(HEALTH)
    found = Tags()
    found.feed(text)
    assert {"h1", "table", "style"} <= set(found.tags)
    assert {"script", "link", "img", "iframe"} & set(found.tags) == set()
    assert found.references == []
    assert "url(" not in text
    assert "@import" not in text
    assert "default-src 'none'" in text


def test_what_a_target_says_stays_text() -> None:
    target = msgspec.structs.replace(HEALTH.target, name=HOSTILE, version=HOSTILE)
    one = msgspec.structs.replace(
        check(f"a.{HOSTILE}", Outcome.FAIL), message=HOSTILE, remedy=HOSTILE
    )
    health = msgspec.structs.replace(HEALTH, target=target, reasons=(HOSTILE,), checks=(one,))
    found = Tags()
    found.feed(render(health))
    assert {"script", "img"} & set(found.tags) == set()
    assert found.references == []


def test_states_are_told_by_words() -> None:
    text = re.sub(r"<style>.*?</style>", "", render(HEALTH), flags=re.DOTALL)
    for one in HEALTH.checks:
        assert escape(one.id) in text
        assert f"<span>{one.outcome.value}</span>" in text
