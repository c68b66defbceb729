"""The monitor: schedule rounds, read samples, pass both on, and end within five seconds."""

from __future__ import annotations

import asyncio
import gc
import os
import platform
import signal
import zlib
from collections.abc import Awaitable, Callable
from pathlib import Path

import msgspec

from pytest_flowhealth.alerts.daemon_threads import run_in_thread
from pytest_flowhealth.alerts.engine import Timestamp
from pytest_flowhealth.config.target import Target
from pytest_flowhealth.errors import UsageError
from pytest_flowhealth.github_issues.scheduler import IssueScheduler
from pytest_flowhealth.monitor import settings as configured
from pytest_flowhealth.monitor.clock import Clock
from pytest_flowhealth.monitor.console import Console, StatusLine
from pytest_flowhealth.monitor.fleet_sampler import UNITS as FLEET_UNITS
from pytest_flowhealth.monitor.fleet_sampler import FleetSampler
from pytest_flowhealth.monitor.logs import Logs
from pytest_flowhealth.monitor.observer import MonitorObserver
from pytest_flowhealth.monitor.pipeline import Pipeline
from pytest_flowhealth.monitor.protocol import (
    CollectionFinished,
    ComponentFinished,
    Frame,
)
from pytest_flowhealth.monitor.redis_watcher import COMPONENT, RedisWatcher
from pytest_flowhealth.monitor.ring_buffer import Ring
from pytest_flowhealth.monitor.round_outputs import RoundOutputs
from pytest_flowhealth.monitor.round_process import RoundProcess, RoundResult
from pytest_flowhealth.monitor.round_request import RoundRequest
from pytest_flowhealth.monitor.schedule import Schedule, choose_interval
from pytest_flowhealth.monitor.settings import MonitorOptions, Settings
from pytest_flowhealth.monitor.status_board import StatusBoard
from pytest_flowhealth.monitor.supervisor import Supervisor
from pytest_flowhealth.monitor.system_sampler import UNITS as SYSTEM_UNITS
from pytest_flowhealth.monitor.system_sampler import Sampler
from pytest_flowhealth.monitor.systemd import Systemd

SECOND = 1.0
_ENDING = 2.5
"""Seconds that a round, the page and the last messages may each take to end."""

UNITS = {**SYSTEM_UNITS, **FLEET_UNITS}
"""What is read every second, and in which unit."""

REDIS_WATCHER = "redis watcher"

UNREAD = "nobody reads what the monitor writes to its standard output: some of it is lost"

EVERYTHING = ""
"""The component that stands for all, until the first round has told what there is."""


class Monitor:
    """One monitor: an asyncio service.

    Args:
        options: The command line.
        settings: The configuration as it was read.
        pipeline: The history, alerts and receivers.
        console: Where it tells what happens.
        logs: Its log files.
        view: The web page.
    """

    def __init__(
        self,
        options: MonitorOptions,
        settings: Settings,
        pipeline: Pipeline,
        console: Console,
        logs: Logs,
        view: MonitorObserver | None = None,
    ) -> None:
        self._options, self.settings = options, settings
        self.pipeline, self._console, self._logs = pipeline, console, logs
        self._view = view
        self._issues = IssueScheduler(pipeline.history, os.environ)
        self._outputs = RoundOutputs(console, logs)
        self.clock: Clock = pipeline.clock
        self.started = self.clock.moment().wall.timestamp()
        self._systemd = Systemd()
        self._schedule = Schedule()
        self.board = StatusBoard(pipeline.known_since())
        self._waiting: frozenset[str] = frozenset()
        self._sampler = Sampler(settings.target.root)
        self.supervisor = Supervisor()
        self.fleet = FleetSampler(settings.target)
        self._stop, self._wake = asyncio.Event(), asyncio.Event()
        self._redis_watcher = RedisWatcher(settings.target, self._wake.set)
        self._parts: dict[str, asyncio.Task[None]] = {}
        self.ring = Ring()
        self.running = False
        """Whether a round is under way."""
        self._slot = self.clock()
        self._last_problem: str | None = None
        self._requested: frozenset[str] | None = None
        self._ended: float | None = None
        self._took = 0.0
        self._misread: str | None = None

    async def run(self) -> int:
        """Watch until a signal ends it; return the exit code."""
        self._listen_to_signals()
        interval = self._options.interval or configured.FIRST_AGAIN
        self._schedule.plan({EVERYTHING: interval}, self._slot - interval)
        if self._view is not None:
            self._view.start(self)
            self._start_part("page", self._view.serve)
        self._start_part("fleet sampler", self.fleet.run)
        self._systemd.tell("READY=1")
        self._outputs.report_event(
            "started", process=os.getpid(), history=str(self.pipeline.history)
        )
        self._start_part("delivery", self.pipeline.run)
        self._start_part("sampler", self._run_seconds)
        self._start_part("scheduler", self._run_rounds)
        # What was loaded stays: to look at it again would stop the page for a moment each time.
        gc.collect()
        gc.freeze()
        await self._stop.wait()
        await self._close()
        return 0

    def _start_part(self, name: str, function: Callable[[], Awaitable[None]]) -> None:
        """Run a part of the monitor until it returns or is cancelled; one that runs is ended before."""
        if name in self._parts:
            self._parts[name].cancel()
        self._parts[name] = asyncio.create_task(self.supervisor.run(name, function))

    def _listen_to_signals(self) -> None:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stop.set)
        loop.add_signal_handler(signal.SIGHUP, self._reload)
        # Nothing is sent in a pipe that nobody reads but by write(2), which says so itself.
        signal.signal(signal.SIGPIPE, signal.SIG_IGN)

    # -- how things are

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

    # -- each second

    async def _run_seconds(self) -> None:
        tick = self.clock()
        while True:
            await self._run_second()
            tick = max(tick + SECOND, self.clock())
            await asyncio.sleep(tick - self.clock())

    async def _run_second(self) -> None:
        values: dict[str, tuple[float, str]] = {}
        read: dict[str, float] = {}
        if self.settings.target.config.monitor.sample:
            # In a thread: a disk that hangs must not stop the page.
            read = await run_in_thread(self._sampler.read) | self.fleet.take()
        moment = self.clock.moment()
        if read:
            self.ring.add(moment.wall.timestamp(), read)
            values = {name: (value, UNITS[name]) for name, value in read.items()}
        self.pipeline.on_tick(values, moment, self.supervisor.failing())
        self._expire(moment)
        self._synchronise_issues(moment)
        self._report_problems()
        self._show()
        late = self._schedule.skip(self.clock()) if self.running else 0
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
        view = self._view
        if view is None:
            return
        for event in view.drain_events():
            self._outputs.report_event(event.what, **event.facts)
            if event.urgent:
                self.pipeline.hurry()
        at = self.clock.moment().wall.timestamp()
        self.supervisor.call("page", lambda: view.on_tick(self, at), None)

    def _synchronise_issues(self, moment: Timestamp) -> None:
        """Let the issues on GitHub be synchronised, where that is configured."""
        self._issues.on_tick(self.settings.target, moment.wall.timestamp())
        for event, facts in self._issues.drain_events():
            self._outputs.report_event(event, **facts)

    # -- rounds

    async def _run_rounds(self) -> None:
        while True:
            now = self.clock()
            if self._redis_watcher.take(now):
                self._schedule.hurry(COMPONENT, now)
            due = self._schedule.due(now)
            if due:
                await self._run_round(due, now)
                continue
            following = self._schedule.next()
            wait = SECOND if following is None else min(SECOND, following - self.clock())
            try:
                async with asyncio.timeout(max(0.0, wait)):
                    await self._wake.wait()
            except TimeoutError:
                pass
            self._wake.clear()

    async def _run_round(self, due: frozenset[str], now: float) -> None:
        known = set(self._schedule.components)
        components = None if EVERYTHING in due or due == known else sorted(due)
        words = configured.make_round_command(self._options, self.settings, components)
        also = tuple(self.settings.intervals) if components is None else ()
        order = RoundRequest(
            pipe=-1, also=also, settled=self.settings.settled, history=str(self.pipeline.history)
        )
        self._slot, self._requested = now, None if components is None else frozenset(components)
        round_ = RoundProcess(
            *(words, Path(self._options.folder), order, self.settings.limit),
            lambda frame: self.supervisor.call("round", lambda: self._take_frame(frame), None),
        )
        self.running = True
        try:
            result = await round_.run()
        except OSError as error:
            result = RoundResult(None, (f"no round can be started: {error}",), 0.0)
        finally:
            self.running = False
        self._finish_round(result)

    def _take_frame(self, frame: Frame) -> None:
        """Take in what a round reports before its end."""
        if isinstance(frame, CollectionFinished):
            self._plan(set(frame.checks.values()))
        elif isinstance(frame, ComponentFinished):
            moment = self.clock.moment()
            self.board.add_partial(frame.checks, moment.wall, moment.now)
            self.pipeline.add_component(frame, self.board.state, moment)
            self._show()

    def _plan(self, components: set[str]) -> None:
        """Take in which components there are: those of the first round, and what came with others."""
        if not components:
            return  # with pytest-xdist only the end tells
        known = {name for name in self._schedule.components if name != EVERYTHING}
        every = components if self._requested is None else known | components
        self._schedule.plan({name: self._interval(name) for name in every}, self._slot)
        if COMPONENT in every and REDIS_WATCHER not in self._parts:
            self._start_part(REDIS_WATCHER, self._redis_watcher.run)

    def _interval(self, component: str) -> float:
        chosen = self._options.every and component not in self._options.components
        return choose_interval(
            component, self._options.interval, self.settings.intervals, all_of_them=chosen
        )

    def _finish_round(self, result: RoundResult) -> None:
        moment = self.clock.moment()
        self._ended, self._took = moment.now, result.seconds
        health = entry = None
        if result.ended is not None:
            health, entry, document = result.ended.health, result.ended.entry, result.ended.document
            entry = entry and msgspec.structs.replace(entry, report=document)
            if self._options.report is not None:
                self._outputs.write_report(self._options.report, zlib.decompress(document))
            self._plan({check.component for check in health.checks})
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
            self._stop.set()
            return
        self._systemd.tell("RELOADING=1")
        try:
            found = configured.load_settings(self._options)
        except UsageError as error:
            self._misread = f"{error}; the configuration stays as it was"
        else:
            self.settings, self._misread = found, None
            self.pipeline.reconfigure(found, self.clock.moment())
            self._issues.reschedule()
            if self._view is not None:
                self._view.reconfigure(self)
            self._restart_watchers(found.target)
            names = [name for name in self._schedule.components if name != EVERYTHING]
            plan = {name: self._interval(name) for name in (*names, *found.intervals)}
            if names:
                self._schedule.plan(plan, self.clock())
            self._outputs.report_event("configuration read again")
        self._systemd.tell("READY=1")

    def _restart_watchers(self, target: Target) -> None:
        """Read the fleet and feel Redis as another configuration says."""
        self.fleet = FleetSampler(target)
        self._start_part("fleet sampler", self.fleet.run)
        self._redis_watcher = RedisWatcher(target, self._wake.set)
        if REDIS_WATCHER in self._parts:
            self._start_part(REDIS_WATCHER, self._redis_watcher.run)

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
                running=self.running,
            )
        )

    async def _close(self) -> None:
        """End in good order, within five seconds."""
        self._systemd.tell("STOPPING=1")
        for name, task in self._parts.items():
            if name not in ("page", "delivery"):
                task.cancel()
        ending = [asyncio.create_task(self.pipeline.close(1.5)), self._parts["scheduler"]]
        if self._view is not None:
            self._view.close()
            ending.append(self._parts["page"])
        await asyncio.wait(ending, timeout=_ENDING)
        self._outputs.report_event("ended", host=platform.node())
        self._console.close()
        self._logs.close()
