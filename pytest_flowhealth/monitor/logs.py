"""Log files: JSON lines by structlog, one file per severity, with rotation and retention.

A full disk, or a folder that can't be written, loses lines and stops nothing; `Logs.problem` says so.
"""

from __future__ import annotations

import contextlib
import logging
import time
from collections.abc import Mapping
from logging.handlers import RotatingFileHandler
from pathlib import Path
from typing import Any, Literal

Category = Literal["metrics", "alerts", "health", "performance", "errors"]

DAYS: Mapping[str, int] = {"debug": 7, "info": 30, "warning": 90, "error": 365}
"""How many days the lines of each severity are kept."""

SIZE = 10_000_000
FILES = 10
"""How large a file may grow, in bytes, and how many there are of each severity at the most."""

_DAY = 86_400.0


class DayFile(RotatingFileHandler):
    """A file that is also begun anew every day, so that old lines go with their file."""

    def __init__(self, path: Path, logs: Logs) -> None:
        super().__init__(path, maxBytes=SIZE, backupCount=FILES - 1, encoding="utf-8", delay=True)
        self._logs = logs
        self._begun = _read_modification_time(path)

    def shouldRollover(self, record: logging.LogRecord) -> bool:  # logging's own name
        """Tell whether the file is full, or of another day."""
        if self._begun and time.time() - self._begun > _DAY and Path(self.baseFilename).exists():
            return True
        self._begun = self._begun or time.time()
        return bool(super().shouldRollover(record))

    def doRollover(self) -> None:  # as above
        """Begin the file anew."""
        super().doRollover()
        self._begun = time.time()

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: ARG002  # as above
        """Note that a line was lost; the monitor goes on."""
        self._logs.lost()


class Logs:
    """The log files of a monitor.

    Args:
        folder: Where they are; made with the first line.
    """

    def __init__(self, folder: Path) -> None:
        self.problem: str | None = None
        self._folder = folder
        self._files: dict[str, logging.Logger] = {}
        try:
            import structlog
        except ImportError:
            self.problem = (
                "no log files are written: structlog is missing; "
                "pip install 'pytest-flowhealth[notify]'"
            )
            return
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            self.problem = f"no log files can be written to {folder}: {error.strerror}"
            return
        for severity in DAYS:
            self._files[severity] = self._open(severity)
        self._log = structlog.wrap_logger(
            None,
            processors=[
                structlog.processors.TimeStamper(fmt="iso", utc=True),
                structlog.processors.add_log_level,
                structlog.processors.JSONRenderer(default=str),
                self._write_line,
            ],
            wrapper_class=structlog.BoundLogger,
        )

    def write(self, severity: str, category: Category, event: str, **facts: Any) -> None:
        """Write a line: `severity` is debug, info, warning or error."""
        if self._files:
            getattr(self._log, severity)(event, category=category, **facts)

    def purge(self, now: float) -> None:
        """Remove the files whose last line is older than its severity is kept."""
        for severity, days in DAYS.items():
            for path in self._folder.glob(f"{severity}.log.*"):
                if now - _read_modification_time(path) > days * _DAY:
                    with contextlib.suppress(OSError):
                        path.unlink()

    def lost(self) -> None:
        """Note that a line could not be written."""
        self.problem = f"log lines can't be written to {self._folder}"

    def close(self) -> None:
        """Close the files."""
        for logger in self._files.values():
            for handler in [*logger.handlers]:
                handler.close()
                logger.removeHandler(handler)

    def _open(self, severity: str) -> logging.Logger:
        logger = logging.Logger(severity)  # our own, apart from the application's tree
        handler = DayFile(self._folder / f"{severity}.log", self)
        handler.setFormatter(logging.Formatter("%(message)s"))
        logger.addHandler(handler)
        return logger

    def _write_line(self, _: Any, severity: str, line: Any) -> Any:
        import structlog

        self._files[severity].info("%s", line)
        raise structlog.DropEvent


def _read_modification_time(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except OSError:
        return 0.0
