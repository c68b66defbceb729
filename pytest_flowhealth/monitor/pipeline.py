"""Pass rounds and samples to the history, the alert evaluator and the receivers."""

from __future__ import annotations

import asyncio
import datetime
import platform
from collections.abc import Callable, Collection, Mapping, Sequence
from types import MappingProxyType

import msgspec

from pytest_flowhealth.alerts.daemon_threads import run_in_thread
from pytest_flowhealth.alerts.dispatcher import Delivery, Dispatcher
from pytest_flowhealth.alerts.engine import AlertInfo, Event, Timestamp, TrackedAlert, make_alert
from pytest_flowhealth.alerts.message import Alert, Message, Origin
from pytest_flowhealth.alerts.outbox import Outbox
from pytest_flowhealth.alerts.routing import matches
from pytest_flowhealth.alerts.store import Changes, Silence
from pytest_flowhealth.domain.metric_names import (
    Sample,
    iterate_samples,
    iterate_second_samples,
    make_origin_labels,
)
from pytest_flowhealth.domain.report import Report
from pytest_flowhealth.errors import FlowHealthError
from pytest_flowhealth.history.fingerprint import fingerprint
from pytest_flowhealth.history.location import HistoryLocation
from pytest_flowhealth.history.run_record import RunRecord
from pytest_flowhealth.history.store import Retention
from pytest_flowhealth.monitor.alert_evaluator import AlertEvaluator
from pytest_flowhealth.monitor.clock import Clock
from pytest_flowhealth.monitor.history_writer import HistoryWriter
from pytest_flowhealth.monitor.logs import Logs
from pytest_flowhealth.monitor.protocol import ComponentFinished
from pytest_flowhealth.monitor.settings import Settings
from pytest_flowhealth.monitor.status_board import BoardState
from pytest_flowhealth.probes.system.runtimes import version

_FLUSHED = 10.0
_PATIENCE = 5.0
"""Seconds that messages wait for the history: a disk that hangs must not silence the alerts."""


class Pipeline:
    """The history, the alerts and the receivers of one monitor.

    Args:
        settings: The configuration.
        location: Where the history is.
        environ: Where receivers find their secrets.
        console: Shows a message; the receiver of type console.
        logs: The log files; the receiver of type log.
    """

    def __init__(
        self,
        settings: Settings,
        location: HistoryLocation,
        environ: Mapping[str, str],
        console: Callable[[Message], None],
        logs: Logs,
    ) -> None:
        self.location = location
        self.history = location.path
        self._logs = logs
        self.writer = HistoryWriter(location.path, _make_retention(settings))
        self._write_client = location.start_write_client()
        name = settings.target.name or settings.target.root.name
        origin = Origin(platform.node(), name, settings.target.instance)
        self._where = make_origin_labels(origin.host, origin.target, origin.instance)
        self._seconds: list[Sample] = []
        known = self.writer.restore()
        self.clock = Clock(known.clock)
        begun = self.clock()
        self._evaluator = AlertEvaluator(settings, origin, known.alerts, begun)
        self._outbox = Outbox(known.pending)
        self._dispatcher = Dispatcher(
            self._outbox,
            settings.receivers,
            environ,
            {"console": console, "log": self._log_message},
            self._firing_for,
            origin,
        )
        self._fingerprint = fingerprint(settings.target.name, _read_node_version())
        self._flushed = self._shipped = begun
        self._logged = 0
        self._wake = asyncio.Event()
        self._sending = asyncio.Lock()
        self._saving: asyncio.Task[None] | None = None
        self._overdue = False

    @property
    def problem(self) -> str | None:
        """What is wrong with the history now."""
        overdue = f"the history has not answered for {_PATIENCE:.0f} s" if self._overdue else None
        problems = [self.writer.problem, overdue]
        if self.writer.problem is not None and self.writer.dropped:
            problems.append(f"{self.writer.dropped} records had to be dropped")
        if self._write_client is not None:
            problems.append(self._write_client.problem)
        return "; ".join(problem for problem in problems if problem) or None

    def take_notices(self) -> list[str]:
        """Return what has happened to the history since the last call."""
        return self.writer.take_notices()

    def tracked(self) -> list[TrackedAlert]:
        """Return every alert that is remembered."""
        return [*self._evaluator.engine.tracked.values()]

    def deliveries(self) -> list[Delivery]:
        """Return the state of messages, the newest first."""
        return self._dispatcher.deliveries()

    def unreachable(self) -> dict[str, str]:
        """Return the receivers that are down or refuse messages, by name, and why."""
        return self._dispatcher.outages | self._dispatcher.refusals

    def silences(self, moment: Timestamp) -> list[Silence]:
        """Return the silences that have not ended, those of the configuration too."""
        return self._evaluator.silences(moment)

    def silenced_until(
        self, subject: AlertInfo, moment: Timestamp, silences: Sequence[Silence]
    ) -> float | None:
        """Return until when an alert is silenced, in seconds since 1970; None where it is not."""
        now = moment.wall.timestamp()
        ends = [
            silence.ends
            for silence in silences
            if silence.begins <= now and matches(subject.name, silence.pattern)
        ]
        return max(ends, default=None)

    @property
    def acknowledged(self) -> Mapping[str, str]:
        """Who takes care of which alert."""
        return self.writer.acknowledged

    def hurry(self) -> None:
        """Look at once at what people said."""
        self._flushed = float("-inf")
        self._wake.set()

    def firing(self) -> list[TrackedAlert]:
        """Return the alerts that fire, the worst first."""
        return self._evaluator.engine.firing()

    def reconfigure(self, settings: Settings, moment: Timestamp) -> None:
        """Go by another configuration."""
        self._evaluator.reconfigure(settings, moment)
        self._dispatcher.reconfigure(settings.receivers)
        self.writer.retention = _make_retention(settings)

    def known_since(self) -> dict[str, datetime.datetime]:
        """Return since when checks fail, by id: what a restart must not forget."""
        return {
            name: record.since
            for name, record in self._evaluator.engine.tracked.items()
            if record.subject.kind == "check"
            and record.state.phase in ("pending", "firing")
            and record.since is not None
        }

    def add_component(self, frame: ComponentFinished, state: BoardState, moment: Timestamp) -> None:
        """Take in a component's checks, before the round is over."""
        self._evaluator.add_component(frame, state, moment)
        self._wake.set()

    def add_round(
        self,
        health: Report | None,
        entry: RunRecord | None,
        problems: Sequence[str],
        moment: Timestamp,
        requested: Collection[str] | None,
        state: BoardState,
    ) -> None:
        """Take in the end of a round that was to look at some components, or (None) at all."""
        checks = () if health is None else health.checks
        if health is not None and not checks:
            problems = problems or health.reasons  # a round without a check watches nothing
        self._evaluator.add_round(checks, problems, moment, requested, state)
        if entry is not None:
            entry = msgspec.structs.replace(entry, fingerprint=self._fingerprint)
            self._evaluator.add_measurements(entry, moment)
            self.writer.add_entry(entry)
        if health is not None and self._write_client is not None:
            self._write_client.put(iterate_samples(health, self._where, self._fingerprint))
        self.hurry()

    def on_tick(
        self,
        values: Mapping[str, tuple[float, str]],
        moment: Timestamp,
        failing: Mapping[str, str] = MappingProxyType({}),
    ) -> None:
        """Take in a second's samples and the parts that are failing."""
        self._evaluator.observe_parts(failing, moment)
        self._evaluator.add_samples(values, moment)
        self.writer.add_second(moment.wall.timestamp(), values)
        self._ship(values, moment)
        self._wake.set()

    def _ship(self, values: Mapping[str, tuple[float, str]], moment: Timestamp) -> None:
        """Send what was read every second to the server, some seconds at a time."""
        if self._write_client is None:
            return
        self._seconds += iterate_second_samples(values, moment.wall.timestamp(), self._where)
        if self._seconds and moment.now - self._shipped >= _FLUSHED:
            self._shipped = moment.now
            self._write_client.put(self._seconds)
            self._seconds = []

    async def run(self) -> None:
        """Send what is to be sent, each second and as soon as something has changed."""
        while True:
            await self._wake.wait()
            self._wake.clear()
            await self.send()

    async def send(self) -> None:
        """Write what changed, then deliver: what is sent twice has the same id."""
        async with self._sending:
            moment = self.clock.moment()
            found = self._evaluator.messages(moment)
            if found:
                for problem in self._outbox.put(found, moment.now):
                    self._logs.write("error", "alerts", "dropped", problem=problem)
            due = moment.now - self._flushed >= _FLUSHED
            if due or found or self._evaluator.engine.events:
                await self._save(moment)
            for problem in await self._dispatcher.tick(moment.now):
                self._logs.write("warning", "alerts", "delivery", problem=problem)
            if self._dispatcher.refusals or self._dispatcher.accepted:  # else nothing is known yet
                self._evaluator.observe_delivery(self._dispatcher.refusals, moment)

    async def close(self, seconds: float) -> None:
        """Deliver what is due within so many seconds, and keep the rest."""
        self.hurry()
        await self.send()
        async with self._sending:
            for problem in await self._dispatcher.close(seconds, self.clock()):
                self._logs.write("error", "alerts", problem)
            await self._save(self.clock.moment())
        self.writer.close()
        if self._write_client is not None:
            self._write_client.put(self._seconds)
            self._write_client.close(0.5)

    async def _save(self, moment: Timestamp) -> None:
        """Write what changed, but wait for a history that hangs no longer than `_PATIENCE`."""
        if self._saving is None:
            self._saving = asyncio.create_task(self._flush(moment))
        await asyncio.wait([self._saving], timeout=0.0 if self._overdue else _PATIENCE)
        self._overdue = not self._saving.done()
        if not self._overdue:
            saved, self._saving = self._saving, None
            saved.result()

    async def _flush(self, moment: Timestamp) -> None:
        engine = self._evaluator.engine
        whole = await run_in_thread(self.writer.is_replaced)  # a disk may hang
        pending, done = self._outbox.list_all() if whole else self._outbox.list_changes()
        names = set(engine.tracked) if whole else set(engine.changed)
        events = [*engine.events]
        changes = Changes(
            alerts={name: engine.tracked.get(name) for name in names},
            events=events,
            pending=pending,
            done=done,
            clock=moment.now,
            ended=[name for name in names if not _is_firing(engine.tracked.get(name))],
        )
        self._flushed = moment.now
        self._log(events)
        if not await self.writer.flush(changes, moment.wall.timestamp()):
            return
        # What has changed meanwhile is still to be written.
        engine.changed -= {
            name for name, record in changes.alerts.items() if engine.tracked.get(name) is record
        }
        engine.events = engine.events[len(events) :]
        self._logged = 0
        self._outbox.mark_saved(pending, done)
        self._evaluator.apply_requests(self.writer.silences, self.writer.acknowledged)

    def _log(self, events: Sequence[Event]) -> None:
        for event in events[self._logged :]:
            level = "warning" if event.what == "firing" else "info"
            self._logs.write(
                level, "alerts", event.what, alert=event.alert.name, summary=event.alert.summary
            )
        self._logged = len(events)

    def _firing_for(self, receiver: str) -> list[Alert]:
        moment = self.clock.moment()
        return [
            make_alert(record, moment)
            for record in self._evaluator.engine.firing()
            if receiver in record.state.firing_sent
        ]

    def _log_message(self, message: Message) -> None:
        level = {"critical": "error", "warning": "warning", "info": "info"}[message.severity]
        self._logs.write(level, "alerts", message.kind, message=msgspec.to_builtins(message))


def _is_firing(record: TrackedAlert | None) -> bool:
    return record is not None and (record.state.fires or record.state.flapping)


def _make_retention(settings: Settings) -> Retention:
    config = settings.target.config
    history = config.history
    return Retention(history.samples, history.rollups, history.runs, config.feedback.keep)


def _read_node_version() -> str | None:
    try:
        return version("node")
    except FlowHealthError:
        return None
