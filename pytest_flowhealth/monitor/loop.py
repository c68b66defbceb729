"""The monitor's loop: schedule rounds, read samples, pass both on, and end within five seconds."""

from __future__ import annotations

import contextlib
import os
import platform
import selectors
from pathlib import Path

import msgspec

from pytest_flowhealth.alerts.engine import Timestamp
from pytest_flowhealth.config.target import Target
from pytest_flowhealth.domain.report import Report
from pytest_flowhealth.errors import UsageError
from pytest_flowhealth.history.run_record import RunRecord
from pytest_flowhealth.monitor import settings as configured
from pytest_flowhealth.monitor.clock import Clock
from pytest_flowhealth.monitor.console import Console, StatusLine
from pytest_flowhealth.monitor.fleet_sampler import UNITS as FLEET_UNITS
from pytest_flowhealth.monitor.fleet_sampler import FleetSampler
from pytest_flowhealth.monitor.logs import Logs
from pytest_flowhealth.monitor.observer import MonitorObserver
from pytest_flowhealth.monitor.pipeline import Pipeline
from pytest_flowhealth.monitor.protocol import CollectionFinished, ComponentFinished, RoundRequest
from pytest_flowhealth.monitor.redis_watcher import COMPONENT, RedisWatcher
from pytest_flowhealth.monitor.ring_buffer import Ring
from pytest_flowhealth.monitor.round_outputs import RoundOutputs
from pytest_flowhealth.monitor.round_process import RoundProcess, RoundResult
from pytest_flowhealth.monitor.schedule import Schedule, choose_interval
from pytest_flowhealth.monitor.settings import MonitorOptions, Settings
from pytest_flowhealth.monitor.signals import Signals
from pytest_flowhealth.monitor.status_board import StatusBoard
from pytest_flowhealth.monitor.supervisor import Supervisor
from pytest_flowhealth.monitor.system_sampler import UNITS as SYSTEM_UNITS
from pytest_flowhealth.monitor.system_sampler import Sampler
from pytest_flowhealth.monitor.systemd import Systemd

SECOND = 1.0
_SOON = 0.05
UNITS = {**SYSTEM_UNITS, **FLEET_UNITS}
"""What is read every second, and in which unit."""

UNREAD = "nobody reads what the monitor writes to its standard output: some of it is lost"

EVERYTHING = ""
"""The component that stands for all, until the first round has told what there is."""


class RoundReport(msgspec.Struct, frozen=True):
    """The part of a report that the monitor reads."""

    health: Report


class Monitor:
    """One monitor.

    Args:
        options: The command line.
        settings: The configuration as it was read.
        pipeline: The history, alerts and receivers.
        console: Where it tells what happens.
        logs: Its log files.
    """

    view: MonitorObserver[Monitor] | None = None
    """The web page, where there is one."""

    def __init__(
        self,
        options: MonitorOptions,
        settings: Settings,
        pipeline: Pipeline,
        console: Console,
        logs: Logs,
    ) -> None:
        self._options, self.settings = options, settings
        self.pipeline, self._console, self._logs = pipeline, console, logs
        self._outputs = RoundOutputs(console, logs)
        self.clock: Clock = pipeline.clock
        self.started = self.clock.moment().wall.timestamp()
        self._signals = Signals()
        self._systemd = Systemd()
        self._schedule = Schedule()
        self.board = StatusBoard(pipeline.known_since())
        self._waiting: frozenset[str] = frozenset()
        self._sampler = Sampler(settings.target.root)
        self.supervisor = Supervisor()
        self.fleet = FleetSampler(settings.target, self.supervisor)
        self._redis_watcher = RedisWatcher(settings.target, self._signals.wake, self.supervisor)
        self.ring = Ring()
        self._round: RoundProcess | None = None
        self._slot = self.clock()
        self._tick = self._slot
        self._last_problem: str | None = None
        self._requested: frozenset[str] | None = None
        self._ended: float | None = None
        self._took = 0.0
        self._misread: str | None = None

    def run(self) -> int:
        """Watch until a signal ends it; return the exit code."""
        interval = self._options.interval or configured.FIRST_AGAIN
        self._schedule.plan({EVERYTHING: interval}, self._slot - interval)
        self.fleet.start()
        self._systemd.tell("READY=1")
        self._outputs.report_event(
            "started", process=os.getpid(), history=str(self.pipeline.history)
        )
        try:
            while not self._signals.stop:
                self._step()
        finally:
            self._close()
        return 0

    # -- how things are

    @property
    def running(self) -> bool:
        """Whether a round is under way."""
        return self._round is not None

    @property
    def late(self) -> int:
        """How many slots were left out because a round still ran."""
        return self._schedule.late

    @property
    def problem(self) -> str | None:
        """What is wrong around the checks."""
        unread = UNREAD if self._console.lost else None
        return self._misread or self.pipeline.problem or self._logs.problem or unread

    def next_round(self) -> float | None:
        """Return when the next round is due, in seconds since 1970."""
        following = self._schedule.next()
        moment = self.clock.moment()
        return None if following is None else moment.calendar(following).timestamp()

    def alive(self) -> bool:
        """Tell whether rounds come to their end: the last one did within three intervals.

        A round that takes longer than its interval has three times its own length.
        """
        if self._ended is None:
            return self.clock() - self._slot < self.settings.limit + 60.0
        interval = max(self._schedule.shortest, self._took)
        return self.clock() - self._ended <= 3.0 * interval + 1.0

    # -- one turn

    def _step(self) -> None:
        now = self.clock()
        if self._round is not None:
            self._read_round(self._round, now)
        else:
            if self._redis_watcher.take(now):
                self._schedule.hurry(COMPONENT, now)
            due = self._schedule.due(now)
            if due:
                self._start_round(due, now)
        if now >= self._tick:
            self._tick = max(self._tick + SECOND, now)
            self._run_second()
        if self._signals.reload:
            self._signals.reload = False
            self._reload()
        self._wait()

    def _wait(self) -> None:
        times = [self._tick]
        pipes: tuple[int, ...] = ()
        if self._round is None:
            times += [at for at in (self._schedule.next(),) if at is not None]
        else:
            times.append(self.clock() + SECOND if self._round.has_output else self.clock() + _SOON)
            pipes = self._round.pipes if self._round.has_output else ()
        with selectors.DefaultSelector() as selector:
            for pipe in (self._signals.pipe, *pipes):
                selector.register(pipe, selectors.EVENT_READ)
            selector.select(max(0.0, min(times) - self.clock()))
        self._signals.drain()

    def _run_second(self) -> None:
        """What is done every second."""
        moment = self.clock.moment()
        values: dict[str, tuple[float, str]] = {}
        if self.settings.target.config.monitor.sample:
            nothing: dict[str, float] = {}
            read = self.supervisor.call("sampler", self._sampler.read, nothing) | self.fleet.take()
            self.ring.add(moment.wall.timestamp(), read)
            values = {name: (value, UNITS[name]) for name, value in read.items()}
        self.pipeline.on_tick(values, moment, self.supervisor.failing())
        self._expire(moment)
        self._report_problems()
        self._show()
        late = self._schedule.skip(self.clock()) if self._round is not None else 0
        if late:
            self._outputs.report_event("late", slots=late, all=self._schedule.late)
        if self._systemd.watchdog is not None:
            self._systemd.tell("WATCHDOG=1")
        self._show_status()

    def _expire(self, moment: Timestamp) -> None:
        """Make unknown what was checked too long ago; rounds longer than an interval take its place."""
        intervals = self._schedule.intervals.items()
        max_ages = {name: 3.0 * max(interval, self._took) + 1.0 for name, interval in intervals}
        self.board.expire(moment.now, moment.wall, max_ages, stuck=not self.alive())

    def _show(self) -> None:
        """Let the page see how things are, and tell what was done there: each second, and at every verdict."""
        view = self.view
        if view is None:
            return
        for event in view.drain_events():
            self._outputs.report_event(event.what, **event.facts)
            if event.urgent:
                self.pipeline.hurry()
        at = self.clock.moment().wall.timestamp()
        self.supervisor.call("page", lambda: view.on_tick(self, at), None)

    # -- rounds

    def _start_round(self, due: frozenset[str], now: float) -> None:
        known = set(self._schedule.components)
        components = None if EVERYTHING in due or due == known else sorted(due)
        words = configured.make_round_command(self._options, self.settings, components)
        also = tuple(self.settings.intervals) if components is None else ()
        order = RoundRequest(
            pipe=-1, also=also, settled=self.settings.settled, history=str(self.pipeline.history)
        )
        self._slot, self._requested = now, None if components is None else frozenset(components)
        try:
            self._round = RoundProcess(
                words, Path(self._options.folder), order, now, self.settings.limit
            )
        except OSError as error:
            self._finish_round(RoundResult(None, (f"no round can be started: {error}",), 0.0))

    def _read_round(self, round_: RoundProcess, now: float) -> None:
        for frame in round_.read():
            if isinstance(frame, CollectionFinished):
                self._plan(set(frame.checks.values()))
            elif isinstance(frame, ComponentFinished):
                moment = self.clock.moment()
                self.board.add_partial(frame.checks, moment.wall, moment.now)
                self.pipeline.add_component(frame, self.board.state, moment)
                self._show()
        result = round_.poll(now)
        if result is not None:
            self._round = None
            self._finish_round(result)

    def _plan(self, components: set[str]) -> None:
        """Take in which components there are: those of the first round, and what came with others."""
        if not components:
            return  # with pytest-xdist only the end tells
        known = {name for name in self._schedule.components if name != EVERYTHING}
        every = components if self._requested is None else known | components
        self._schedule.plan({name: self._interval(name) for name in every}, self._slot)
        if COMPONENT in every:
            self._redis_watcher.start()

    def _interval(self, component: str) -> float:
        chosen = self._options.every and component not in self._options.components
        return choose_interval(
            component, self._options.interval, self.settings.intervals, all_of_them=chosen
        )

    def _finish_round(self, result: RoundResult) -> None:
        moment = self.clock.moment()
        self._ended, self._took = moment.now, result.seconds
        ended = result.ended
        health = None
        if ended is not None:
            health = msgspec.json.decode(ended.report, type=RoundReport).health
            self._outputs.write_report(self._options.report, bytes(ended.report))
            self._plan({check.component for check in health.checks})
        entry = None
        if ended is not None and ended.entry is not None:
            entry = msgspec.msgpack.decode(ended.entry, type=RunRecord)
        self.board.add_round(health, result.problems, moment.wall, self._requested, moment.now)
        self._hurry_waiting(moment.now)
        self.pipeline.add_round(
            health, entry, result.problems, moment, self._requested, self.board.state
        )
        self._outputs.write_metrics(self.settings.target, self.board.state.report)
        self._show()
        self._outputs.log_round(health, result, self.board.state.status, self._schedule.late)

    def _hurry_waiting(self, now: float) -> None:
        """Let components be due at once whose checks are no longer blocked."""
        waiting = self.board.state.waiting
        for name in waiting - self._waiting:
            self._schedule.hurry(name, now)
        self._waiting = waiting

    # -- the rest

    def _reload(self) -> None:
        if self._console.gone:
            self._signals.stop = True
            return
        self._systemd.tell("RELOADING=1")
        try:
            found = configured.load_settings(self._options)
        except UsageError as error:
            self._misread = f"{error}; the configuration stays as it was"
        else:
            self.settings, self._misread = found, None
            self.pipeline.reconfigure(found, self.clock.moment())
            if self.view is not None:
                self.view.reconfigure(self)
            self._restart_watchers(found.target)
            names = [name for name in self._schedule.components if name != EVERYTHING]
            plan = {name: self._interval(name) for name in (*names, *found.intervals)}
            if names:
                self._schedule.plan(plan, self.clock())
            self._outputs.report_event("configuration read again")
        self._systemd.tell("READY=1")

    def _restart_watchers(self, target: Target) -> None:
        """Read the fleet and feel Redis as another configuration says."""
        self.fleet.close()
        self._redis_watcher.close()
        self.fleet = FleetSampler(target, self.supervisor)
        self._redis_watcher = RedisWatcher(target, self._signals.wake, self.supervisor)
        self.fleet.start()
        if COMPONENT in self._schedule.components:
            self._redis_watcher.start()

    def _report_problems(self) -> None:
        """Tell what is wrong around the checks, once until it changes."""
        for notice in self.pipeline.take_notices():
            self._outputs.report_problem(notice)
        for failure in self.supervisor.take_failures():
            self._outputs.report_problem(
                f"the {failure.part} failed and is started again: {failure.error}"
            )
            self._logs.write("error", "errors", "failure", part=failure.part, trace=failure.trace)
        problem = self.problem
        if problem == self._last_problem:
            return
        self._last_problem = problem
        if problem is not None:
            self._outputs.report_problem(problem)
        else:
            self._outputs.report_event("all is well again around the checks")

    def _show_status(self) -> None:
        following = self._schedule.next()
        self._console.show_status(
            StatusLine(
                status=self.board.state.status,
                at=self.board.state.ended,
                firing=self.pipeline.firing(),
                next=None if following is None else following - self.clock(),
                late=self._schedule.late,
                running=self._round is not None,
            )
        )

    def _close(self) -> None:
        """End in good order, within five seconds."""
        self._systemd.tell("STOPPING=1")
        self.supervisor.close()
        self.fleet.close()
        self._redis_watcher.close()
        if self._round is not None:
            self._round.terminate()
        self.pipeline.close(1.5)
        if self.view is not None:
            self.view.close()
        if self._round is not None:
            self._round.join(2.5)
        self._outputs.report_event("ended", host=platform.node())
        self._console.close()
        self._logs.close()
        with contextlib.suppress(OSError):
            self._signals.close()
