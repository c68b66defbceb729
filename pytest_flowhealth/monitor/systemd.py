"""Notify systemd that the monitor is ready and alive: sd_notify(3), sd_watchdog_enabled(3)."""

from __future__ import annotations

import contextlib
import os
import socket
from collections.abc import Mapping


class Systemd:
    """Notify systemd; without it, do nothing.

    Args:
        environ: Where systemd says how it is told: NOTIFY_SOCKET, WATCHDOG_USEC, WATCHDOG_PID.
    """

    def __init__(self, environ: Mapping[str, str] = os.environ) -> None:
        self._address = environ.get("NOTIFY_SOCKET", "")
        text = environ.get("WATCHDOG_USEC", "")
        ours = environ.get("WATCHDOG_PID", str(os.getpid())) == str(os.getpid())
        microseconds = int(text) if text.isascii() and text.isdigit() and ours else 0
        self.watchdog = microseconds / 1e6 or None
        """Seconds within which it wants to hear from us; None where it does not."""

    def tell(self, *words: str) -> None:
        """Tell states such as `READY=1` or `WATCHDOG=1`."""
        if not self._address:
            return
        address = f"\0{self._address[1:]}" if self._address.startswith("@") else self._address
        with (
            contextlib.suppress(OSError),
            socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sender,
        ):
            sender.sendto("\n".join(words).encode(), address)
