"""What the monitor finds, on its way: into the history, through the rules, to the receivers."""

from __future__ import annotations

import datetime
import platform
from collections.abc import Callable, Collection, Mapping, Sequence
from types import MappingProxyType

import msgspec

from pytest_flowhealth.alerts.courier import Courier, Delivery
from pytest_flowhealth.alerts.engine import Event, Moment, Subject, Tracked, make_alert
from pytest_flowhealth.alerts.message import Alert, Message, Origin
from pytest_flowhealth.alerts.outbox import Outbox
from pytest_flowhealth.alerts.routing import matches
from pytest_flowhealth.alerts.store import Changes, Hush
from pytest_flowhealth.domain.metric_names import Sample
from pytest_flowhealth.domain.report import Report
from pytest_flowhealth.domain.units import parse_duration
from pytest_flowhealth.errors import FlowHealthError
from pytest_flowhealth.history.entry import Entry
from pytest_flowhealth.history.fingerprint import fingerprint
from pytest_flowhealth.history.place import Place
from pytest_flowhealth.history.remote import samples
from pytest_flowhealth.history.store import Retention
from pytest_flowhealth.monitor.clock import Clock
from pytest_flowhealth.monitor.frames import Partly
from pytest_flowhealth.monitor.keeper import Keeper
from pytest_flowhealth.monitor.logs import Logs
from pytest_flowhealth.monitor.settings import Settings
from pytest_flowhealth.monitor.status_board import BoardState
from pytest_flowhealth.monitor.watch import Watch
from pytest_flowhealth.probes.system.runtimes import version

_FLUSHED = 10.0


class Post:
    """The history, the alerts and the receivers of one monitor.

    Args:
        settings: The configuration.
        place: Where the history is.
        environ: Where receivers find their secrets.
        console: Shows a message; the receiver of type console.
        logs: The log files; the receiver of type log.
    """

    def __init__(
        self,
        settings: Settings,
        place: Place,
        environ: Mapping[str, str],
        console: Callable[[Message], None],
        logs: Logs,
    ) -> None:
        self.place = place
        self.history = place.path
        self._logs = logs
        self._keeper = Keeper(place.path, _retention(settings))
        self._shipper = place.shipper()
        name = settings.target.name or settings.target.root.name
        origin = Origin(platform.node(), name, settings.target.instance)
        self._where = samples.place(origin.host, origin.target, origin.instance)
        self._seconds: list[Sample] = []
        known = self._keeper.remembered()
        self.clock = Clock(known.clock)
        begun = self.clock()
        self._watch = Watch(settings, origin, known.alerts, begun)
        self._outbox = Outbox(known.pending)
        self._courier = Courier(
            self._outbox,
            settings.receivers,
            environ,
            {"console": console, "log": self._log_message},
            self._firing_for,
            origin,
        )
        self._fingerprint = fingerprint(settings.target.name, _node())
        self._flushed = begun
        self._logged = 0

    @property
    def problem(self) -> str | None:
        """What is wrong with the history now."""
        told = [self._keeper.problem]
        if self._keeper.problem is not None and self._keeper.dropped:
            told.append(f"{self._keeper.dropped} records had to be dropped")
        if self._shipper is not None:
            told.append(self._shipper.problem)
        return "; ".join(one for one in told if one) or None

    def take_notices(self) -> list[str]:
        """Return what has happened to the history since the last call."""
        return self._keeper.take_notices()

    def tracked(self) -> list[Tracked]:
        """Return every alert that is remembered."""
        return [*self._watch.engine.tracked.values()]

    def deliveries(self) -> list[Delivery]:
        """Return the state of messages, the newest first."""
        return self._courier.deliveries()

    def unreachable(self) -> dict[str, str]:
        """Return the receivers that are down or refuse messages, by name, and why."""
        return self._courier.outages | self._courier.refusals

    def hushes(self, moment: Moment) -> list[Hush]:
        """Return the silences that have not ended, those of the configuration too."""
        return self._watch.hushes(moment)

    def silenced_until(
        self, subject: Subject, moment: Moment, hushes: Sequence[Hush]
    ) -> float | None:
        """Return until when an alert is silenced, in seconds since 1970; None where it is not."""
        now = moment.wall.timestamp()
        ends = [
            one.ends for one in hushes if one.begins <= now and matches(subject.name, one.pattern)
        ]
        return max(ends, default=None)

    @property
    def acknowledged(self) -> Mapping[str, str]:
        """Who takes care of which alert."""
        return self._keeper.acknowledged

    def hurry(self) -> None:
        """Look at what people said with the next second."""
        self._flushed = float("-inf")

    def firing(self) -> list[Tracked]:
        """Return the alerts that fire, the worst first."""
        return self._watch.engine.firing()

    def reconfigure(self, settings: Settings, moment: Moment) -> None:
        """Go by another configuration."""
        self._watch.reconfigure(settings, moment)
        self._courier.reconfigure(settings.receivers)
        self._keeper.retention = _retention(settings)

    def known_since(self) -> dict[str, datetime.datetime]:
        """Return since when checks fail, by id: what a restart must not forget."""
        return {
            name: one.since
            for name, one in self._watch.engine.tracked.items()
            if one.subject.kind == "check"
            and one.state.phase in ("pending", "firing")
            and one.since is not None
        }

    def partly(self, frame: Partly, state: BoardState, moment: Moment) -> None:
        """Take in a component's checks, before the round is over."""
        self._watch.partly(frame, state, moment)
        self._send(moment)

    def round(
        self,
        health: Report | None,
        entry: Entry | None,
        problems: Sequence[str],
        moment: Moment,
        looked: Collection[str] | None,
        state: BoardState,
    ) -> None:
        """Take in the end of a round that was to look at some components, or (None) at all."""
        checks = () if health is None else health.checks
        self._watch.ended(checks, problems, moment, looked, state)
        if entry is not None:
            kept = msgspec.structs.replace(entry, fingerprint=self._fingerprint)
            self._watch.measured(kept, moment)
            self._keeper.add_entry(kept)
        if health is not None and self._shipper is not None:
            self._shipper.put(samples.of_round(health, self._where, self._fingerprint))
        self._send(moment, flush=True)

    def second(
        self,
        values: Mapping[str, tuple[float, str]],
        moment: Moment,
        failing: Mapping[str, str] = MappingProxyType({}),
    ) -> None:
        """Take in a second's samples and the parts that are failing, and tell what is to be told."""
        self._watch.observe_parts(failing, moment)
        self._watch.sampled(values, moment)
        self._keeper.add_second(moment.wall.timestamp(), values)
        flush = moment.now - self._flushed >= _FLUSHED
        self._ship(values, moment, flush=flush)
        self._send(moment, flush=flush)

    def _ship(
        self, values: Mapping[str, tuple[float, str]], moment: Moment, *, flush: bool
    ) -> None:
        """Send what was read every second to the server, some seconds at a time."""
        if self._shipper is None:
            return
        self._seconds += samples.of_second(values, moment.wall.timestamp(), self._where)
        if flush and self._seconds:
            self._shipper.put(self._seconds)
            self._seconds = []

    def close(self, seconds: float) -> None:
        """Tell what is to be told within so many seconds, and keep the rest."""
        moment = self.clock.moment()
        self._send(moment, flush=True)
        for problem in self._courier.close(seconds, moment.now):
            self._logs.write("error", "alerts", problem)
        self._flush(self.clock.moment())
        if self._shipper is not None:
            self._shipper.put(self._seconds)
            self._shipper.close(0.5)

    def _send(self, moment: Moment, *, flush: bool = False) -> None:
        """Keep what changed, then let the courier go: what is sent twice has the same id."""
        found = self._watch.messages(moment)
        if found:
            for problem in self._outbox.put(found, moment.now):
                self._logs.write("error", "alerts", "dropped", problem=problem)
        if flush or found or self._watch.engine.events:
            self._flush(moment)
        for problem in self._courier.tick(moment.now):
            self._logs.write("warning", "alerts", "delivery", problem=problem)
        if self._courier.refusals or self._courier.accepted:  # else nothing is known yet
            self._watch.delivered(self._courier.refusals, moment)

    def _flush(self, moment: Moment) -> None:
        engine = self._watch.engine
        whole = self._keeper.renewed()
        pending, done = self._outbox.everything() if whole else self._outbox.changes()
        names = set(engine.tracked) if whole else set(engine.changed)
        events = [*engine.events]
        changes = Changes(
            alerts={name: engine.tracked.get(name) for name in names},
            events=events,
            pending=pending,
            done=done,
            clock=moment.now,
            ended=[name for name in names if not _fires(engine.tracked.get(name))],
        )
        self._flushed = moment.now
        self._log(events)
        if self._keeper.flush(changes, moment.wall.timestamp()):
            engine.changed -= names
            engine.events = engine.events[len(events) :]
            self._logged = 0
            self._outbox.saved()
            self._watch.asked(self._keeper.hushes, self._keeper.acknowledged)

    def _log(self, events: Sequence[Event]) -> None:
        for one in events[self._logged :]:
            level = "warning" if one.what == "firing" else "info"
            self._logs.write(
                level, "alerts", one.what, alert=one.alert.name, summary=one.alert.summary
            )
        self._logged = len(events)

    def _firing_for(self, receiver: str) -> list[Alert]:
        moment = self.clock.moment()
        return [
            make_alert(one, moment)
            for one in self._watch.engine.firing()
            if receiver in one.state.told
        ]

    def _log_message(self, message: Message) -> None:
        level = {"critical": "error", "warning": "warning", "info": "info"}[message.severity]
        self._logs.write(level, "alerts", message.kind, message=msgspec.to_builtins(message))


def _fires(one: Tracked | None) -> bool:
    return one is not None and (one.state.fires or one.state.flapping)


def _retention(settings: Settings) -> Retention:
    config = settings.target.config
    one = config.history
    texts = (one.samples, one.rollups, one.runs, config.feedback.keep)
    return Retention(*map(parse_duration, texts))


def _node() -> str | None:
    try:
        return version("node")
    except FlowHealthError:
        return None
