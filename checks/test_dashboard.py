"""The dashboard: its page over HTTP, its WebSocket, its updates, its connections, and a browser's view of it.

What is asked is named by [dashboard] in flowhealth.toml, and nothing else is; how each figure comes
about: docs/dashboard.md.
"""

from collections.abc import Sequence
from statistics import median

import pytest

from pytest_flowhealth import CheckFailed, Health, NotApplicable, Target
from pytest_flowhealth.probes.dashboard import (
    BrowserView,
    DashboardProbe,
    median_steps,
    missing_security_headers,
    security_headers,
)

SHOWN = 5
"""Errors and refused places that are named."""

TOLERATED = 0.05
"""The share of requests that may fail before the dashboard does."""

FRAME, FPS = 34, 50
"""Milliseconds between frames, and frames a second, past which a page is not smooth."""

NO_SCREEN = "a headless browser without a screen: it paces its frames by its own timer"


@pytest.fixture(scope="session")
def dashboard(target: Target) -> DashboardProbe:
    """The dashboard, which is measured when a check needs it."""
    return DashboardProbe(target)


@pytest.mark.health("dashboard", timeout=300)
def test_page(health: Health, dashboard: DashboardProbe) -> None:
    """The page is there, whole, and the one that is meant; redirects stay with the configured servers."""
    found = dashboard.open_page()
    headers = security_headers(found.response.headers)
    missing = missing_security_headers(headers, secure=found.address.origin.secure)
    health.detail(
        address=found.address.shown,
        redirects=found.redirects,
        status=found.response.status,
        size=found.content.size,
        unpacked=found.content.unpacked,
        encoding=found.content.encoding,
        version=found.response.version,
        security_headers=headers,
        security_headers_missing=missing,
    )
    for warning in found.warnings:
        health.warn(warning)


@pytest.mark.health("dashboard", requires="dashboard.page", timeout=300, exclusive=True)
@pytest.mark.threshold("response.p95", warn=200, fail=1_000, unit="ms")
@pytest.mark.threshold("response_fresh.p95", warn=200, fail=1_000, unit="ms")
def test_response(health: Health, dashboard: DashboardProbe) -> None:
    """Requests on a fixed schedule, from when each was due to its last byte, connections kept and fresh."""
    found = dashboard.measure_responses("response")
    kept = found.kept or found.fresh
    if kept:
        health.measure("response", [sample.whole for sample in kept], unit="ms")
        health.measure(
            "transfer", [1_000 * sample.received / sample.whole for sample in kept], unit="B/s"
        )
    if found.fresh:
        health.measure("response_fresh", [sample.whole for sample in found.fresh], unit="ms")
    health.detail(
        kept_alive=bool(found.kept),
        seconds_between_requests=found.interval,
        median_ms={"kept": median_steps(found.kept), "fresh": median_steps(found.fresh)},
        failures=found.failures,
        version=found.version,
        rate_limit=found.limited,
    )
    if found.refused:
        health.warn(str(found.limited))
        health.remedy("exempt this machine from the server's rate limit, or check less often")
    health.detail(diagnosis="median_ms in the report: which step is slow; the server's log")
    failed = sum(found.failures.values())
    if failed:
        sent = failed + len(found.fresh) + len(found.kept)
        worst = max(found.failures, key=lambda reason: found.failures[reason])
        problem = f"{failed} of {sent} requests failed: it {worst}"
        if failed > TOLERATED * sent:
            raise CheckFailed(problem, diagnosis="the server's log")
        health.warn(problem)


@pytest.mark.health("dashboard", requires="dashboard.page", timeout=1_500, exclusive=True)
@pytest.mark.threshold("websocket.p95", warn=50, fail=250, unit="ms")
def test_websocket(health: Health, dashboard: DashboardProbe) -> None:
    """Protocol pings on a fixed schedule, each answered by the server itself."""
    found = dashboard.measure_websocket("websocket")
    health.measure("websocket", found.pings, unit="ms")
    health.measure("handshake", found.handshakes, unit="ms")
    health.detail(compression=found.compression)
    health.detail(diagnosis="the delay of the server's event loop: node --cpu-prof")


@pytest.mark.health("dashboard", requires="dashboard.websocket", timeout=1_500, exclusive=True)
@pytest.mark.threshold("message.p95", warn=50, fail=250, unit="ms")
def test_message(health: Health, dashboard: DashboardProbe) -> None:
    """A message of the application's, until its reply."""
    if dashboard.site.settings.message is None:
        raise NotApplicable("no message is configured: [dashboard.message] in flowhealth.toml")
    health.measure("message", dashboard.measure_websocket("message").messages, unit="ms")


@pytest.mark.health("dashboard", requires="dashboard.page", timeout=1_500, exclusive=True)
@pytest.mark.threshold("cadence", warn=10, fail=50, unit="%")
@pytest.mark.threshold("jitter.p95", warn=25, fail=75, unit="%")
def test_updates(health: Health, dashboard: DashboardProbe) -> None:
    """Updates come as often as configured: how far their median, and each of them, is from that."""
    if not dashboard.site.settings.updates:
        raise NotApplicable("updates come when they may: [dashboard] updates = false")
    if dashboard.site.events is None:
        health.depends_on("dashboard.websocket")
    found = dashboard.watch_updates("updates")
    expected = 1_000 * dashboard.site.interval
    health.measure("traffic", found.received / found.seconds, unit="B/s")
    health.detail(
        updates=len(found.times),
        sent_on_connecting=found.greetings,
        seconds=found.seconds,
        expected_ms=expected,
    )
    health.remedy("if this interval is meant, set update_interval in [dashboard]")
    health.detail(diagnosis="what sends the updates")
    if len(found.times) < 2:
        raise CheckFailed(f"{len(found.times)} updates came in {found.seconds:g} s")
    distances = found.distances
    health.measure("update_interval", distances, unit="ms")
    health.measure("cadence", 100 * abs(median(distances) - expected) / expected, unit="%")
    health.measure(
        "jitter", [100 * abs(distance - expected) / expected for distance in distances], unit="%"
    )


@pytest.mark.health("dashboard", requires="dashboard.page", timeout=90)
def test_connections(health: Health, dashboard: DashboardProbe) -> None:
    """How many connections there are, as the application itself tells."""
    health.measure("connections", dashboard.count_connections(), unit="1")


@pytest.mark.health("dashboard", requires="dashboard.websocket", timeout=300, exclusive=True)
def test_capacity(health: Health, dashboard: DashboardProbe) -> None:
    """As many WebSockets as configured are opened, and stay."""
    found = dashboard.hold_connections()
    health.measure("held", found.stayed, unit="1")
    health.detail(
        asked=found.asked,
        opened=found.opened,
        seconds=found.seconds,
        refusals=found.refusals,
        slowest_opening_ms=max(found.opening, default=None),
        slowest_ping_ms=max(found.pings, default=None),
    )
    if found.stayed < found.asked:
        why = next(iter(found.refusals), "dropped them")
        raise CheckFailed(
            f"{found.opened} of {found.asked} connections were opened, {found.stayed} stayed: "
            f"the server {why}",
            remedy="ulimit -n, and the server's own limit of connections",
        )


@pytest.mark.health(
    "dashboard", requires="dashboard.page", critical=False, timeout=180, exclusive=True
)
@pytest.mark.threshold("frame.p95", warn=FRAME, fail=100, unit="ms")
@pytest.mark.threshold("fps", warn=FPS, fail=30, unit="fps")
def test_browser(health: Health, dashboard: DashboardProbe) -> None:
    """The page in a real Chromium for five seconds: frames, long tasks, what its console tells."""
    found = dashboard.show_in_browser()
    health.detail(
        screen=NO_SCREEN,
        browser=found.version,
        empty_page_fps=round(rate(found.empty), 1),
        long_tasks_ms=found.long_tasks,
        largest_paint_ms=found.paint,
        console_errors=found.errors,
        refused=found.refused,
    )
    if not found.frames:
        raise CheckFailed("the page drew no frame in five seconds")
    doubt = doubt_of(found)
    health.measure("frame", found.frames, unit="ms", doubt=doubt)
    health.measure("fps", rate(found.frames), unit="fps", doubt=doubt)
    health.detail(diagnosis="the browser's developer tools: what keeps the page busy")
    missing = f" ({', '.join(found.refused[:SHOWN])} was not asked)" if found.refused else ""
    if found.errors:
        shown = "; ".join(found.errors[:SHOWN])
        health.warn(f"errors in the page's console ({len(found.errors)}): {shown}{missing}")
    if found.refused:
        health.detail(note="places that are not configured were not asked; the page may need them")


def rate(frames: Sequence[float]) -> float:
    """Return frames a second; 0 where there is none."""
    return 1_000 * len(frames) / sum(frames) if frames else 0.0


def doubt_of(found: BrowserView) -> str | None:
    """Say why slow frames can't be laid to the page; None where they can, or there are none."""
    late = sum(frame > FRAME for frame in found.frames) > 0.05 * len(found.frames)
    if not late and rate(found.frames) >= FPS:
        return None
    best = rate(found.empty)
    if best >= FPS:
        return None
    return f"too busy to tell: this browser draws an empty page at {best:.0f} fps"
