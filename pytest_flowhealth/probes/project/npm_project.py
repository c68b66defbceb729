"""An npm project, asked about through npm's own libraries, and Node itself."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from pytest_flowhealth.errors import MeasurementUnavailable
from pytest_flowhealth.probes.project.installation import (
    FileComparison,
    Installation,
    LoadedPackage,
)
from pytest_flowhealth.probes.project.layout import Layout
from pytest_flowhealth.probes.project.process import AgentProcess
from pytest_flowhealth.probes.project.updates import Audit, Outdated
from pytest_flowhealth.probes.project.versions import Versions

Answer = TypeVar("Answer")


class NpmProject:
    """A project folder; every method asks one Node process, and waits for its answer.

    The process is started with the first question, and answers several at the same time: methods may
    be called from several threads (see `pytest_flowhealth.prefetch`). Every method raises
    CheckFailed if the question shows that the project is faulty, and MeasurementUnavailable if it
    can't be answered.

    Args:
        root: The folder that has the package.json.
        environment: Replaces the environment of this process, for Node and the packages.
    """

    def __init__(self, root: Path, *, environment: Mapping[str, str] | None = None) -> None:
        self.root = root
        self._agent = AgentProcess(root, environment=environment)

    def close(self) -> None:
        """End the Node process with its children."""
        self._agent.close()

    def prepare(self, *questions: str, seconds: float = 30) -> Future[Any]:
        """Start the Node process and let it load what it needs for questions that will be asked.

        Args:
            questions: Modules in agent/, such as "tree".
            seconds: The time limit.

        Returns:
            What is done when Node has nothing more to do.
        """
        return self._agent.ask("prepare", seconds=seconds, questions=questions)

    def layout(self, *, seconds: float = 30) -> Layout:
        """Return the project's packages and its package manager."""
        return self.ask("layout", Layout, seconds=seconds)

    def versions(
        self, configured: Mapping[str, tuple[str, str]] | None = None, *, seconds: float = 30
    ) -> Versions:
        """Return Node's and npm's versions, judged by npm's semver, and the platform.

        Args:
            configured: For "node" and "npm", a range that takes the place of package.json's, and who
                names it.
            seconds: The time limit.
        """
        ranges = {
            program: {"range": wanted, "origin": origin}
            for program, (wanted, origin) in (configured or {}).items()
        }
        return self.ask("versions", Versions, seconds=seconds, configured=ranges)

    def installation(self, *, seconds: float = 60) -> Installation:
        """Return the installed packages, and what is wrong with them and with the lock file."""
        return self.ask("tree", Installation, seconds=seconds)

    def load(
        self, critical: Sequence[str] | None = None, *, seconds: float = 120
    ) -> list[LoadedPackage]:
        """Load the dependencies in Node, in child processes, and judge what fails.

        Args:
            critical: Which ones of the checked package; None: all of its `dependencies`.
            seconds: The time limit.
        """
        return self.ask("load", _Loaded, seconds=seconds, critical=critical).packages

    def compare_files(self, folder: Path, *, seconds: float = 60) -> FileComparison:
        """Compare the files of an installed package with its published archive."""
        return self.ask("published", FileComparison, seconds=seconds, folder=str(folder))

    def audit(self, *, seconds: float = 55) -> Audit:
        """Return the known vulnerabilities of the locked packages."""
        return self.ask("audit", Audit, seconds=seconds)

    def outdated(self, *, seconds: float = 55) -> Outdated:
        """Return which direct dependencies are behind their latest version, or deprecated."""
        return self.ask("outdated", Outdated, seconds=seconds)

    def ask(
        self, question: str, answer: type[Answer], *, seconds: float, **arguments: object
    ) -> Answer:
        """Return the agent's answer to `question` (a module in agent/), decoded as `answer`.

        Raises:
            CheckFailed: The project is at fault.
            MeasurementUnavailable: There is no answer, or it is not of that type.
        """
        raw: Any = self._agent.ask(question, seconds=seconds, **arguments).result()
        try:
            return msgspec.convert(raw, answer)
        except msgspec.ValidationError as error:
            raise MeasurementUnavailable(f"{question}: the answer is unreadable: {error}") from None


class _Loaded(msgspec.Struct):
    packages: list[LoadedPackage]
