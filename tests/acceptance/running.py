"""Runs the real command in a process of its own, and asks what it told."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

import jsonschema
import msgspec

from pytest_flowhealth.verdict.report import schema

PASSWORD = "Xk7-aGeheim"
"""The password of every server in these tests; it must appear in no output."""

STATUS = ("healthy", "degraded", "unhealthy", "unknown")
"""The status by its exit code."""

CALM = (
    *("system.cpu=1000:", "system.load=1000:", "system.memory=99.5:99.9", "system.disk=99.5:99.9"),
    *("redis.connect.p95=500:5000", "redis.command.p95=500:5000", "redis.throughput=10:1"),
    "redis.slow_commands=100:",
)
"""Limits that a busy test machine keeps, so that only the fault under test counts."""

LONGEST = 240.0
"""Seconds after which a run is taken for hanging: what all timeouts add up to."""

_BURST = re.compile(r"(?m)^\s*(Traceback \(most recent|INTERNALERROR)")


class Run(msgspec.Struct, frozen=True):
    """What a run left; `report` is empty where there is none."""

    exit_code: int
    out: str
    err: str
    report: dict[str, Any]
    seconds: float

    @property
    def health(self) -> dict[str, Any]:
        """The report's own part."""
        assert self.report, self.text
        part: dict[str, Any] = self.report["health"]
        return part

    @property
    def text(self) -> str:
        """Both outputs."""
        return self.out + self.err

    @property
    def reasons(self) -> list[str]:
        """Why it is not healthy, worst first."""
        return list(self.health["reasons"])

    @property
    def outcomes(self) -> dict[str, str]:
        """The outcome of each check."""
        return {check["id"]: check["outcome"] for check in self.health["checks"]}

    @property
    def blocked(self) -> dict[str, str]:
        """What blocked each check that was blocked."""
        checks = self.health["checks"]
        return {check["id"]: check["blocked_by"] for check in checks if check["blocked_by"]}

    def check(self, check_id: str) -> dict[str, Any]:
        """Return one check of the report."""
        found = {check["id"]: check for check in self.health["checks"]}
        assert check_id in found, sorted(found)
        one: dict[str, Any] = found[check_id]
        return one

    def status_of(self, component: str) -> str:
        """Return the status of a component."""
        status: str = self.health["components"][component]["status"]
        return status

    def assert_healthy(self) -> None:
        """Assert that nothing at all is wrong."""
        assert (self.exit_code, self.health["status"]) == (0, "healthy"), self.text
        assert self.reasons == []

    def assert_fault(
        self,
        root: str,
        code: int,
        *says: str,
        component_code: int | None = None,
        blocked: Collection[str] = (),
    ) -> None:
        """Assert that the check `root` is named first as the cause, with words that it `says`.

        Args:
            root: The check's id.
            code: The exit code, which tells the status of the run.
            says: What its message must contain.
            component_code: The status of its component, by exit code; that of the run by default.
            blocked: Checks that `root` must have blocked.
        """
        assert self.exit_code == code, self.text
        assert self.health["exit_code"] == code
        assert self.health["status"] == STATUS[code]
        component = self.status_of(root.partition(".")[0])
        assert component == STATUS[code if component_code is None else component_code], self.text
        assert self.reasons[0].startswith(f"{root}: "), self.reasons
        check = self.check(root)
        for words in says:
            assert words in check["message"], check["message"]
        assert check["remedy"], self.text
        assert self.shown(self.reasons[0])
        assert self.shown(check["remedy"])
        assert {self.blocked.get(name) for name in blocked} <= {root}, self.blocked
        assert {name for name in blocked if self.outcomes[name] != "skip"} == set()

    def shown(self, text: str) -> bool:
        """Tell whether the terminal shows `text`, however it broke its lines."""
        shown, text = ("".join(one.split()) for one in (self.out, text))
        return text[:150] in shown


def run_pytest(
    folder: Path, *args: str, env: Mapping[str, str | None], cwd: Path | None = None
) -> Run:
    """Run pytest with `args` in `folder`, and take in what it left.

    Args:
        folder: The project, where the report is looked for.
        args: Arguments of pytest.
        env: Variables besides those of this process; None removes one.
        cwd: Where the command is typed; `folder` by default.
    """
    started = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", *args],
        cwd=cwd or folder,
        env=environment(env),
        capture_output=True,
        timeout=LONGEST,
        check=False,
    )
    seconds = time.monotonic() - started
    file = folder / ".flowhealth/report.json"
    content = file.read_bytes() if file.is_file() else b"{}"
    out, err = (part.decode("utf-8", "strict") for part in (done.stdout, done.stderr))
    run = Run(done.returncode, out, err, json.loads(content), seconds)
    assert not _BURST.search(run.text), run.text
    assert PASSWORD not in run.text + content.decode()
    if run.report:
        jsonschema.validate(run.report, schema())
    return run


def environment(changes: Mapping[str, str | None]) -> dict[str, str]:
    """Return this process's environment without what would configure the run, and with `changes`."""
    dropped = ("PYTEST_", "FLOWHEALTH_", "REDIS_URL", "COV_")
    kept = {name: text for name, text in os.environ.items() if not name.startswith(dropped)}
    return {name: text for name, text in (kept | dict(changes)).items() if text is not None}
