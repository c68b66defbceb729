"""Deliver messages to receivers, each in a task of its own, so that a slow one delays no other."""

from __future__ import annotations

import asyncio
import datetime
import importlib
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import Literal

import msgspec

from pytest_flowhealth.alerts.channels import alertmanager
from pytest_flowhealth.alerts.channels.errors import (
    DeliveryError,
    PermanentError,
    RetryableError,
    TooLargeError,
)
from pytest_flowhealth.alerts.daemon_threads import run_in_thread
from pytest_flowhealth.alerts.message import Alert, Message, Origin, shorten
from pytest_flowhealth.alerts.outbox import Outbox, Pending
from pytest_flowhealth.config.alerts import Receiver
from pytest_flowhealth.config.extensions import BUILT_IN, RECEIVERS, make_receiver

BATCH = 100
"""Messages that one task delivers at most."""

SHOWN = 100
"""Messages whose state is shown at the most."""

_HERE = ("console", "log")


class Delivery(msgspec.Struct, frozen=True):
    """The state of one message.

    Attributes:
        id, receiver, kind: Those of the message; `alerts` the names of what it is about.
        at: When it was made (UTC).
        state: Whether it waits, was delivered, or was refused and given up.
        attempts: How often it was tried without success.
        error: Why it was not delivered; None if it was, or if it was not tried yet.
    """

    id: str
    receiver: str
    kind: str
    alerts: tuple[str, ...]
    at: datetime.datetime
    state: Literal["waiting", "delivered", "refused"]
    attempts: int = 0
    error: str | None = None


class Dispatcher:
    """Deliver the messages of an outbox.

    Args:
        outbox: The messages.
        receivers: Who can be told.
        environ: Where their secrets are.
        local: What tells messages here, for receivers of type console and log.
        firing: Says what a receiver has been told of that fires still.
        origin: Where alerts are from.
    """

    def __init__(
        self,
        outbox: Outbox,
        receivers: Sequence[Receiver],
        environ: Mapping[str, str],
        local: Mapping[str, Callable[[Message], None]],
        firing: Callable[[str], Sequence[Alert]],
        origin: Origin,
    ) -> None:
        self._outbox = outbox
        self._environ = environ
        self._local = local
        self._firing = firing
        self._origin = origin
        self._receivers = {receiver.name: receiver for receiver in receivers}
        self._problems: list[str] = []
        self._now = 0.0
        self._busy: dict[str, asyncio.Task[None]] = {}
        self._refreshed: dict[str, float] = {}
        self._failing: set[str] = set()
        self.refusals: dict[str, str] = {}
        """Why receivers refused their last message, by name."""
        self.outages: dict[str, str] = {}
        """Why receivers can't be reached now, by name."""
        self._ended: deque[Delivery] = deque(maxlen=SHOWN)
        self.accepted = False
        """Whether any message was accepted since the start."""

    def reconfigure(self, receivers: Sequence[Receiver]) -> None:
        """Use other receivers; messages for one that is no longer configured are given up."""
        self._receivers = {receiver.name: receiver for receiver in receivers}
        for reasons in (self.refusals, self.outages):
            for name in reasons.keys() - self._receivers.keys():
                del reasons[name]

    def deliveries(self) -> list[Delivery]:
        """Return the state of messages, the newest first: those that wait, and the last that ended."""
        waiting = [
            _describe(pending, "waiting", self._errors(pending))
            for pending in self._outbox.list_all()[0]
        ]
        return sorted([*waiting, *self._ended], key=lambda delivery: delivery.at, reverse=True)[
            :SHOWN
        ]

    def _errors(self, pending: Pending) -> str | None:
        return self.outages.get(pending.message.receiver) if pending.attempts else None

    async def tick(self, now: float) -> list[str]:
        """Start the deliveries that are due; return the problems since the last call, in words."""
        self._now = now
        self._problems += [
            f"{message.receiver} is no longer configured: {message.id} is given up"
            for message in self._outbox.drop_unknown_receivers(self._receivers)
        ]
        for name, receiver in self._receivers.items():
            if name not in self._busy:
                await self._begin(receiver, now)
        return self._take_problems()

    async def close(self, seconds: float, now: float) -> list[str]:
        """Deliver what is due within `seconds`; return the problems, in words."""
        problems = await self.tick(now)
        if self._busy:
            await asyncio.wait(self._busy.values(), timeout=seconds)
        return problems + self._take_problems()

    def _take_problems(self) -> list[str]:
        found, self._problems = self._problems, []
        return found

    async def _begin(self, receiver: Receiver, now: float) -> None:
        groups = self._outbox.due(receiver.name, now)
        if receiver.type in _HERE:
            await self._deliver(receiver, groups, ())
            return
        waiting = {name for group in groups for pending in group for name in pending.subjects}
        again = self._again(receiver, now, waiting)
        if groups or again:
            task = asyncio.create_task(self._deliver(receiver, groups, again))
            self._busy[receiver.name] = task
            task.add_done_callback(lambda _: self._busy.pop(receiver.name, None))

    def _again(self, receiver: Receiver, now: float, waiting: set[str]) -> Sequence[Alert]:
        """Return what Alertmanager must hear of again; not of what messages wait to tell."""
        if receiver.type != "alertmanager":
            return ()
        if now - self._refreshed.get(receiver.name, float("-inf")) < alertmanager.AGAIN:
            return ()
        self._refreshed[receiver.name] = now
        return [alert for alert in self._firing(receiver.name) if alert.name not in waiting]

    async def _deliver(
        self,
        receiver: Receiver,
        groups: Sequence[Sequence[Pending]],
        again: Sequence[Alert],
    ) -> None:
        """Send; what follows in a group waits for a message that is tried again."""
        left = BATCH
        for group in groups:
            for pending in group[:left]:
                left -= 1
                failure = await self._deliver_message(pending.message, receiver)
                self._apply_result(receiver, pending.message, failure)
                if isinstance(failure, RetryableError):
                    break
        if again:
            failure = await run_in_thread(lambda: self._refresh(receiver, again))
            self._apply_result(receiver, None, failure)

    async def _deliver_message(self, message: Message, receiver: Receiver) -> DeliveryError | None:
        if receiver.type not in _HERE:
            return await run_in_thread(lambda: attempt(message, receiver, self._environ))
        try:
            self._local[receiver.type](message)
        except OSError as error:
            return RetryableError(error.strerror or type(error).__name__)
        return None

    def _refresh(self, receiver: Receiver, again: Sequence[Alert]) -> DeliveryError | None:
        try:
            alertmanager.refresh(again, self._origin, receiver, self._environ)
        except DeliveryError as error:
            return error
        except Exception as error:  # noqa: BLE001  # it must not end the dispatcher
            return RetryableError(type(error).__name__)
        return None

    def _apply_result(
        self, receiver: Receiver, message: Message | None, failure: DeliveryError | None
    ) -> None:
        """Note what became of a message, or (None) of the alerts that Alertmanager was told again."""
        name = receiver.name
        pending = None if message is None else self._outbox.find(message.id)
        if failure is None:
            self._end(pending, "delivered")
            self.outages.pop(name, None)
            self.refusals.pop(name, None)
            self.accepted = True
            if name in self._failing:
                self._failing.remove(name)
                self._problems.append(f"{name} can be told again")
        elif isinstance(failure, PermanentError) and message is not None:
            self._end(pending, "refused", str(failure))
            self.outages.pop(name, None)
            self.refusals[name] = str(failure)
            self._problems.append(f"{name} refused message {message.id}: {failure}; it is given up")
        else:
            self.outages[name] = str(failure)
            if message is not None:
                wait = failure.retry_after if isinstance(failure, RetryableError) else None
                self._outbox.reschedule(message.id, self._now, wait)
            if name not in self._failing:
                self._failing.add(name)
                self._problems.append(f"{name} can't be told: {failure}; it is tried again")

    def _end(
        self,
        pending: Pending | None,
        state: Literal["delivered", "refused"],
        error: str | None = None,
    ) -> None:
        if pending is not None:
            self._ended.append(_describe(pending, state, error))
            self._outbox.remove(pending.message.id)


def _describe(
    pending: Pending, state: Literal["waiting", "delivered", "refused"], error: str | None
) -> Delivery:
    message = pending.message
    names = tuple(alert.name for alert in message.alerts)
    return Delivery(
        *(message.id, message.receiver, message.kind, names, message.at),
        state=state,
        attempts=pending.attempts,
        error=error,
    )


def attempt(
    message: Message, receiver: Receiver, environ: Mapping[str, str]
) -> DeliveryError | None:
    """Send a message; return why it was not delivered, None if it was.

    If it is too large, it is sent in parts, and an alert that is too large alone is shortened. The id
    of a part is the same at every attempt.
    """
    failure = _attempt_once(message, receiver, environ)
    if not isinstance(failure, TooLargeError):
        return failure
    if len(message.alerts) < 2:
        return _attempt_once(shorten(message), receiver, environ)
    middle = len(message.alerts) // 2
    for number, alerts in enumerate((message.alerts[:middle], message.alerts[middle:]), 1):
        part = msgspec.structs.replace(message, id=f"{message.id}.{number}", alerts=alerts)
        failure = attempt(part, receiver, environ)
        if failure is not None:
            return failure
    return None


def _attempt_once(
    message: Message, receiver: Receiver, environ: Mapping[str, str]
) -> DeliveryError | None:
    try:
        _send(message, receiver, environ)
    except DeliveryError as error:
        return error
    except OSError as error:
        return RetryableError(error.strerror or type(error).__name__)
    except Exception as error:  # noqa: BLE001  # a receiver of any kind: it must not end the dispatcher
        # What is wrong with the message itself will be wrong the next time, too.
        return PermanentError(f"it can't be told at all: {type(error).__name__}")
    return None


def _send(message: Message, receiver: Receiver, environ: Mapping[str, str]) -> None:
    if receiver.type in BUILT_IN[RECEIVERS]:
        module = importlib.import_module(f"pytest_flowhealth.alerts.channels.{receiver.type}")
        module.send(message, receiver, environ)
    else:
        make_receiver(receiver.type, receiver.options).send(message)
