"""Reports to render: one with every kind of check, one that wishes its readers ill, one of a broken run."""

import datetime

import msgspec

from pytest_flowhealth.domain.checks import (
    CheckResult,
    CheckRun,
    CheckSpec,
    Phase,
    PhaseOutcome,
    Waiver,
    evaluate_check,
)
from pytest_flowhealth.domain.measurements import Series, make_series
from pytest_flowhealth.domain.report import HostInfo, Report, TargetInfo
from pytest_flowhealth.domain.root_causes import RunProblem
from pytest_flowhealth.domain.status import Outcome
from pytest_flowhealth.domain.thresholds import Threshold, parse_threshold
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
    ending: PhaseOutcome = PhaseOutcome.PASSED,
    message: str = "",
    evidence: dict[str, object] | None = None,
    **declared: object,
) -> CheckResult:
    """Return a check as the program itself judges it."""
    component, _, name = check_id.partition(".")
    declaration = CheckSpec(
        check_id,
        nodeid=f"test_{component}.py::test_{name}",
        component=component,
        location=f"health/test_{component}.py:{len(name)}",
        thresholds=thresholds,
        **declared,  # type: ignore[arg-type]
    )
    when = "setup" if ending in (PhaseOutcome.SKIPPED, PhaseOutcome.BLOCKED) else "call"
    phases = [
        Phase("setup", PhaseOutcome.PASSED, 0.001),
        Phase("call", PhaseOutcome.PASSED, 0.25),
        Phase("teardown", PhaseOutcome.PASSED, 0.002),
    ]
    phases[0 if when == "setup" else 1] = Phase(when, ending, 0.125, message)
    if when == "setup":
        del phases[1]
    run = CheckRun(phases=tuple(phases), series=tuple(series), **(evidence or {}))  # type: ignore[arg-type]
    return evaluate_check(declaration, run, DAY)


def reported(checks: list[CheckResult], problems: tuple[RunProblem, ...] = ()) -> Report:
    """Return a report on the checks, as the program itself judges them together."""
    return health(
        *checks,
        problems=problems,
        started=datetime.datetime(2026, 1, 1, 12, 30, tzinfo=datetime.UTC),
        duration=4.75,
        target=TargetInfo("shop", "1.0.0", "/srv/shop"),
        host=HostInfo("web-1", "Linux", "6.1", "x86_64", "3.11.2", 2),
    )


def forced(check_id: str, outcome: Outcome, *series: Series) -> CheckResult:
    """Return a check with this outcome, however it would be judged."""
    return msgspec.structs.replace(judged(check_id, *series), outcome=outcome)


def limit(name: str, unit: str, **limits: object) -> Threshold:
    """Return a threshold."""
    return parse_threshold(name, unit=unit, **limits)


EVERY = reported(
    [
        judged(
            "system.load",
            make_series("load", 0.924317, "1"),
            thresholds=(limit("load", "1", warn=2, fail=8),),
        ),
        judged(
            "system.memory_free",
            make_series("memory_available", 2048, "MiB"),
            thresholds=(limit("memory_available", "MiB", warn=1024, fail=512),),
        ),
        judged(
            "system.growth",
            make_series("growth", -12.5, "%"),
            thresholds=(limit("growth", "%", warn=-20, fail=-50),),
        ),
        judged(
            "redis.command",
            make_series("command", [float(n) for n in range(1, 121)], "us"),
            make_series("throughput", 48_211.25, "1/s"),
            make_series("transfer", 1_250_000, "B/s"),
            thresholds=(
                limit("command.p95", "us", warn=100, fail=500),
                limit("command.p99", "us", fail=1000, better="lower"),
                limit("throughput", "1/s", warn=50_000, fail=10_000),
            ),
            remedy="redis-cli --latency",
        ),
        judged(
            "redis.memory",
            make_series("memory", 123.5, "MB"),
            thresholds=(limit("memory", "MB", warn=90, fail=100),),
            remedy="redis-cli MEMORY DOCTOR",
        ),
        judged(
            "redis.connect",
            ending=PhaseOutcome.FAILED,
            message="no Redis listens at 127.0.0.1:6379\nConnection refused",
            remedy="redis-server --daemonize yes",
        ),
        judged(
            "redis.ping",
            ending=PhaseOutcome.BLOCKED,
            evidence={"blocked_by": "redis.connect"},
            requires=("redis.connect",),
        ),
        judged(
            "redis.replication", ending=PhaseOutcome.SKIPPED, message="not applicable: no replica"
        ),
        judged("http.page[a:b|c]", make_series("page", [1.5, 2.5, 4.0], "ms")),
        judged(
            "http.page[d]",
            make_series("page", [1e-7, 2e-7, 3e-7], "ms"),
            thresholds=(limit("page.max", "ms", warn=5, fail=50),),
        ),
        judged("http.retried", evidence={"attempts": 3}),
        judged(
            "http.lost", ending=PhaseOutcome.LOST, message="it was collected, but never reported"
        ),
        judged(
            "build.size",
            make_series("size", 0, "B"),
            thresholds=(limit("size", "B", warn=1, fail=0),),
        ),
        judged("build.age", thresholds=(limit("age", "s", warn=1, fail=9),)),
        judged(
            "dependencies.audit",
            ending=PhaseOutcome.FAILED,
            message="2 critical advisories",
            waiver=Waiver(datetime.date(2026, 12, 31), "upstream"),
        ),
        judged(
            "dependencies.outdated",
            make_series("outdated_major", 7, "1"),
            thresholds=(limit("outdated_major", "1", warn=0, fail=5),),
            critical=False,
        ),
        judged(
            "wasm.multiplier",
            make_series("multiplier", 36.5, "x", interval=(29.0, 44.0)),
            thresholds=(limit("multiplier", "x", warn=40, fail=30),),
        ),
        judged(
            "wasm.fps",
            make_series("fps", 59.94, "fps"),
            evidence={"warnings": ("the browser is headless",)},
        ),
        judged("wasm.expected", ending=PhaseOutcome.XFAILED, message="known to be slow"),
    ],
    (RunProblem("worker gw1 was lost"),),
)
"""Every outcome, every way to it, and figures of every kind; in all a run that lost a worker."""

ILL = msgspec.structs.replace(
    reported(
        [
            msgspec.structs.replace(
                judged(
                    f"app.one[{HOSTILE}]",
                    make_series("size", 12.5, "kB"),
                    ending=PhaseOutcome.FAILED,
                    message=HOSTILE + "x" * 1_000_000,
                    remedy=HOSTILE,
                ),
                location=f"health/{HOSTILE}.py:7",
                details={HOSTILE: [HOSTILE]},
            ),
            judged(
                f"app.two[{HOSTILE}]",
                make_series("size", 13.5, "kB"),
                ending=PhaseOutcome.SKIPPED,
                message=HOSTILE,
            ),
            judged(
                "app.three",
                thresholds=(limit("n", "1", warn=1, fail=2),),
                evidence={"warnings": (HOSTILE,)},
            ),
            judged("app.four", evidence={"warnings": (HOSTILE,)}),
        ],
        (RunProblem(HOSTILE),),
    ),
    target=TargetInfo(HOSTILE, HOSTILE, HOSTILE),
    host=HostInfo(HOSTILE, "Linux", "6.1", "x86_64", "3.11.2", 2),
)
"""Texts that nobody cleaned, as they could be where something forgets to."""

NOTHING = reported([])
BROKEN = reported([judged("app.good")], (RunProblem("test_app.py could not be collected"),))
HEALTHY = reported([judged("app.good", make_series("latency", 1.5, "ms"))])
DEGRADED = reported([judged("app.slow", evidence={"warnings": ("it is slow",)})])

HEALTH = health(
    forced(
        "redis.command",
        Outcome.WARN,
        make_series("command", [float(n) for n in range(1, 101)], "ms"),
    ),
    forced('http.page[a"b\\c\nd]', Outcome.PASS, make_series("size", 12, "kB")),
    forced("redis.lost", Outcome.UNKNOWN, make_series("x", [], "ms")),
    forced("redis.none", Outcome.SKIP),
)
"""A small report for those who read figures by their names and labels."""
