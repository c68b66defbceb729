"""`pytest --health-demo`, started as a user without a project starts it."""

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from pytest_flowhealth.errors import UsageError
from pytest_flowhealth.plugin.demo.redis import find_redis
from tests.kit.runs import TIMEOUT

_CONFIGURES_DEMO = ("PYTEST_", "FLOWHEALTH_", "REDIS_URL", "COV_")


class Demo:
    """A folder without a project, and the demo that runs there.

    Args:
        folder: For this demo alone.
    """

    def __init__(self, folder: Path) -> None:
        self.place = folder / "place"
        self.temporary = folder / "temporary"
        for made in (self.place, self.temporary):
            made.mkdir(parents=True)
        self.exit_code: int | None = None
        self.out = self.err = ""

    def start(self, *args: str, **variables: str) -> subprocess.Popen[str]:
        """Start it as the leader of a process group, as a shell does."""
        skip_without_redis()
        kept = {k: v for k, v in os.environ.items() if not k.startswith(_CONFIGURES_DEMO)}
        return subprocess.Popen(
            [sys.executable, "-m", "pytest", "--health-demo", *args],
            cwd=self.place,
            env={**kept, "TMPDIR": str(self.temporary), **variables},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def finish(self, process: subprocess.Popen[str]) -> None:
        """Wait for its end. It must have left neither a traceback nor a temporary file."""
        try:
            self.out, self.err = process.communicate(timeout=TIMEOUT)
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
                process.communicate()
        self.exit_code = process.returncode
        assert "Traceback" not in self.out + self.err
        assert [path.name for path in self.temporary.glob("flowhealth-demo-*")] == []
        for port in re.findall(r"redis://127\.0\.0\.1:(\d+)", self.err):
            with socket.socket() as client:
                assert client.connect_ex(("127.0.0.1", int(port))) != 0, "its Redis still runs"

    def run(self, *args: str, **variables: str) -> None:
        """Run it to its end."""
        self.finish(self.start(*args, **variables))

    def health(self, file: str = ".flowhealth/report.json") -> dict[str, Any]:
        """Return the part `health` of the report."""
        health: dict[str, Any] = json.loads((self.place / file).read_text())["health"]
        return health


def skip_without_redis() -> None:
    """Skip the test where there is no Redis server, with the sentence that the demo prints."""
    try:
        find_redis()
    except UsageError as error:
        pytest.skip(str(error))


def path_with(folder: Path, *programs: str, **scripts: str) -> str:
    """Return a PATH that has only these programs, and shell scripts by name."""
    folder.mkdir()
    for name in ("sh", *programs):
        found = shutil.which(name)
        assert found, name
        (folder / name).symlink_to(found)
    for name, script in scripts.items():
        (folder / name).write_text(f"#!/bin/sh\n{script}\n")
        (folder / name).chmod(0o755)
    return str(folder)
