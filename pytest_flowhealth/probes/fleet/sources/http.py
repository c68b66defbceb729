"""The source http: a page of JSON that the application serves."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping

from pytest_flowhealth.probes.fleet.snapshot import Snapshot
from pytest_flowhealth.probes.fleet.sources.documents import parse_snapshot
from pytest_flowhealth.probes.fleet.sources.fetch import WebAddress, fetch


class HttpSource:
    """Reads the page anew each time.

    Args:
        address: Where it is.
        fields: A path for each field; `{}` for our own form.
        now: Seconds since 1970.
        clock: Seconds that only go up.
    """

    name = "http"

    def __init__(
        self,
        address: WebAddress,
        fields: Mapping[str, str],
        *,
        now: Callable[[], float] = time.time,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.address = address
        self.fields = fields
        self._now = now
        self._clock = clock

    @property
    def place(self) -> str:
        """Where it reads, without user, password and query."""
        return self.address.shown

    def read(self) -> Snapshot:
        """Return what the page tells now.

        Raises:
            CheckFailed: There is no whole answer, or it is no JSON.
        """
        text = fetch(self.address)
        return parse_snapshot(
            text,
            self.fields,
            (self._now(), self._clock()),
            local=self.address.local,
            where=f"the answer of {self.place}",
        )
