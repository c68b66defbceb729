"""The probe of the dashboard that the configuration describes."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from typing import Any, TypeVar

from pytest_flowhealth.config.target import Target
from pytest_flowhealth.probes.dashboard import browser, connections, events, load, page, watch
from pytest_flowhealth.probes.dashboard.site import Site, make_site, redact_errors

Result = TypeVar("Result")


class DashboardProbe:
    """Measure the dashboard of ``[dashboard]`` in flowhealth.toml, logged in as it says.

    Every method raises NotApplicable if what it measures is not configured, CheckFailed if the
    dashboard does not serve it, and MeasurementUnavailable if it could not be measured. Messages
    contain no secret of the configuration, also where a server repeats it.

    `measure_responses`, `measure_websocket` and `watch_updates` take long and serve several checks: the caller names
    itself, and the measurement is repeated only for a caller that asks again (a retry).
    """

    def __init__(self, target: Target) -> None:
        self._target = target
        self._results: dict[Callable[..., object], tuple[Any, frozenset[str]]] = {}

    @cached_property
    def site(self) -> Site:
        """Addresses, settings and limits."""
        return make_site(self._target)

    def open_page(self) -> page.OpenedPage:
        """Return the page that the configured address leads to; the files that it loads are there."""
        return self._run(page.inspect_page)

    def measure_responses(self, caller: str) -> load.ResponseTimes:
        """Return the times of requests on a fixed schedule, over kept and fresh connections."""
        return self._run_once(load.measure_responses, caller)

    def measure_websocket(self, caller: str) -> watch.WebSocketTimes:
        """Return handshakes, round trips and updates of the WebSocket."""
        return self._run_once(watch.measure_websocket, caller)

    def watch_updates(self, caller: str) -> watch.Updates:
        """Return the updates: server-sent events if configured, else the WebSocket's messages."""
        if self.site.events is not None:
            return self._run_once(events.watch_events, caller)
        return self.measure_websocket(caller).updates

    def count_connections(self) -> float:
        """Return how many connections the dashboard reports."""
        return self._run(connections.count_connections)

    def hold_connections(self) -> connections.HeldConnections:
        """Open and hold as many WebSockets as configured."""
        return self._run(connections.hold_connections)

    def show_in_browser(self) -> browser.BrowserView:
        """Show the page in Chromium for five seconds."""
        return self._run(browser.show)

    def _run_once(self, measure: Callable[[Site], Result], caller: str) -> Result:
        result, callers = self._results.get(measure, (None, frozenset[str]()))
        if not callers or caller in callers:
            result, callers = self._run(measure), frozenset[str]()
        self._results[measure] = (result, callers | {caller})
        returned: Result = result
        return returned

    def _run(self, measure: Callable[[Site], Result]) -> Result:
        site = self.site
        with redact_errors(site.settings):
            access = site.access
        with redact_errors(site.settings, access):
            return measure(site)
