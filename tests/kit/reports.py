"""Reports to render: one with every kind of check, one that wishes its readers ill, one of a broken run."""

import datetime

import msgspec

from pytest_flowhealth.verdict.check import (
    CheckResult,
    Declaration,
    Ending,
    Evidence,
    Phase,
    Waiver,
    judge_check,
)
from pytest_flowhealth.verdict.measurement import Series, measured
from pytest_flowhealth.verdict.report import Health, Host, TargetInfo
from pytest_flowhealth.verdict.status import Outcome
from pytest_flowhealth.verdict.threshold import Threshold, declare, judge
from pytest_flowhealth.verdict.verdict import Problem
from tests.kit.records import health

DAY = datetime.date(2026, 1, 1)
HOSTILE = (
    "first\n::error file=a,line=1::owned\n##[error]owned | 'evil'=1;2;3 \"quoted\" ]]></failure>"
    "<script>alert(1)</script> & \x1b[31mred\x1b[0m \ud800 \x00 \u202e\u2028 | `ticks` ```` \\| **b** "
    "[x](http://evil.example) %0A::warning::owned # EOF\r\n# EOF\n"
)


def judged(
    check_id: str,
    *series: Series,
    thresholds: tuple[Threshold, ...] = (),
    ending: Ending = Ending.PASSED,
    message: str = "",
    evidence: dict[str, object] | None = None,
    **declared: object,
) -> CheckResult:
    """Return a check as the program itself judges it."""
    component, _, name = check_id.partition(".")
    declaration = Declaration(
        check_id,
        nodeid=f"test_{component}.py::test_{name}",
        component=component,
        location=f"health/test_{component}.py:{len(name)}",
        thresholds=thresholds,
        **declared,  # type: ignore[arg-type]
    )
    taken = {one.measurement.name: one for one in series}
    seen = Evidence(
        declaration,
        measurements=tuple(one.measurement for one in series),
        thresholds=tuple(judge(one, taken.get(one.measurement)) for one in thresholds),
        **(evidence or {}),  # type: ignore[arg-type]
    )
    when = "setup" if ending in (Ending.SKIPPED, Ending.BLOCKED) else "call"
    phases = [
        Phase("setup", Ending.PASSED, 0.001),
        Phase("call", Ending.PASSED, 0.25),
        Phase("teardown", Ending.PASSED, 0.002),
    ]
    phases[0 if when == "setup" else 1] = Phase(when, ending, 0.125, message)
    if when == "setup":
        del phases[1]
    return judge_check(seen, phases, DAY)


def reported(checks: list[CheckResult], problems: tuple[Problem, ...] = ()) -> Health:
    """Return a report on the checks, as the program itself judges them together."""
    return health(
        *checks,
        problems=problems,
        started=datetime.datetime(2026, 1, 1, 12, 30, tzinfo=datetime.UTC),
        duration=4.75,
        target=TargetInfo("shop", "1.0.0", "/srv/shop"),
        host=Host("web-1", "Linux", "6.1", "x86_64", "3.11.2", 2),
    )


def forced(check_id: str, outcome: Outcome, *series: Series) -> CheckResult:
    """Return a check with this outcome, however it would be judged."""
    return msgspec.structs.replace(judged(check_id, *series), outcome=outcome)


def limit(name: str, unit: str, **limits: object) -> Threshold:
    """Return a threshold."""
    return declare(name, unit=unit, **limits)


EVERY = reported(
    [
        judged(
            "system.load",
            measured("load", 0.924317, "1"),
            thresholds=(limit("load", "1", warn=2, fail=8),),
        ),
        judged(
            "system.memory_free",
            measured("memory_available", 2048, "MiB"),
            thresholds=(limit("memory_available", "MiB", warn=1024, fail=512),),
        ),
        judged(
            "system.growth",
            measured("growth", -12.5, "%"),
            thresholds=(limit("growth", "%", warn=-20, fail=-50),),
        ),
        judged(
            "redis.command",
            measured("command", [float(n) for n in range(1, 121)], "us"),
            measured("throughput", 48_211.25, "1/s"),
            measured("transfer", 1_250_000, "B/s"),
            thresholds=(
                limit("command.p95", "us", warn=100, fail=500),
                limit("command.p99", "us", fail=1000, better="lower"),
                limit("throughput", "1/s", warn=50_000, fail=10_000),
            ),
            remedy="redis-cli --latency",
        ),
        judged(
            "redis.memory",
            measured("memory", 123.5, "MB"),
            thresholds=(limit("memory", "MB", warn=90, fail=100),),
            remedy="redis-cli MEMORY DOCTOR",
        ),
        judged(
            "redis.connect",
            ending=Ending.FAILED,
            message="no Redis listens at 127.0.0.1:6379\nConnection refused",
            remedy="redis-server --daemonize yes",
        ),
        judged(
            "redis.ping",
            ending=Ending.BLOCKED,
            evidence={"blocked_by": "redis.connect"},
            requires=("redis.connect",),
        ),
        judged("redis.replication", ending=Ending.SKIPPED, message="not applicable: no replica"),
        judged("http.page[a:b|c]", measured("page", [1.5, 2.5, 4.0], "ms")),
        judged(
            "http.page[d]",
            measured("page", [1e-7, 2e-7, 3e-7], "ms"),
            thresholds=(limit("page.max", "ms", warn=5, fail=50),),
        ),
        judged("http.retried", evidence={"attempts": 3}),
        judged("http.lost", ending=Ending.LOST, message="it was collected, but never reported"),
        judged(
            "build.size", measured("size", 0, "B"), thresholds=(limit("size", "B", warn=1, fail=0),)
        ),
        judged("build.age", thresholds=(limit("age", "s", warn=1, fail=9),)),
        judged(
            "dependencies.audit",
            ending=Ending.FAILED,
            message="2 critical advisories",
            waiver=Waiver(datetime.date(2026, 12, 31), "upstream"),
        ),
        judged(
            "dependencies.outdated",
            measured("outdated_major", 7, "1"),
            thresholds=(limit("outdated_major", "1", warn=0, fail=5),),
            critical=False,
        ),
        judged(
            "wasm.multiplier",
            measured("multiplier", 36.5, "x", interval=(29.0, 44.0)),
            thresholds=(limit("multiplier", "x", warn=40, fail=30),),
        ),
        judged(
            "wasm.fps",
            measured("fps", 59.94, "fps"),
            evidence={"warnings": ("the browser is headless",)},
        ),
        judged("wasm.expected", ending=Ending.XFAILED, message="known to be slow"),
    ],
    (Problem("worker gw1 was lost"),),
)
"""Every outcome, every way to it, and figures of every kind; in all a run that lost a worker."""

ILL = msgspec.structs.replace(
    reported(
        [
            msgspec.structs.replace(
                judged(
                    f"app.one[{HOSTILE}]",
                    measured("size", 12.5, "kB"),
                    ending=Ending.FAILED,
                    message=HOSTILE + "x" * 1_000_000,
                    remedy=HOSTILE,
                ),
                location=f"health/{HOSTILE}.py:7",
                details={HOSTILE: [HOSTILE]},
            ),
            judged(
                f"app.two[{HOSTILE}]",
                measured("size", 13.5, "kB"),
                ending=Ending.SKIPPED,
                message=HOSTILE,
            ),
            judged(
                "app.three",
                thresholds=(limit("n", "1", warn=1, fail=2),),
                evidence={"warnings": (HOSTILE,)},
            ),
            judged("app.four", evidence={"warnings": (HOSTILE,)}),
        ],
        (Problem(HOSTILE),),
    ),
    target=TargetInfo(HOSTILE, HOSTILE, HOSTILE),
    host=Host(HOSTILE, "Linux", "6.1", "x86_64", "3.11.2", 2),
)
"""Texts that nobody cleaned, as they could be where something forgets to."""

NOTHING = reported([])
BROKEN = reported([judged("app.good")], (Problem("test_app.py could not be collected"),))
HEALTHY = reported([judged("app.good", measured("latency", 1.5, "ms"))])
DEGRADED = reported([judged("app.slow", evidence={"warnings": ("it is slow",)})])

HEALTH = health(
    forced(
        "redis.command", Outcome.WARN, measured("command", [float(n) for n in range(1, 101)], "ms")
    ),
    forced('http.page[a"b\\c\nd]', Outcome.PASS, measured("size", 12, "kB")),
    forced("redis.lost", Outcome.UNKNOWN, measured("x", [], "ms")),
    forced("redis.none", Outcome.SKIP),
)
"""A small report for those who read figures by their names and labels."""
