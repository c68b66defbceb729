"""An npm project, asked about through npm's own libraries, and Node itself."""

from __future__ import annotations

from pathlib import Path
from typing import Any, TypeVar

import msgspec

from pytest_flowhealth.errors import MeasurementUnavailable
from pytest_flowhealth.probes.project.layout import Layout
from pytest_flowhealth.probes.project.process import AgentProcess

Answer = TypeVar("Answer")


class NpmProject:
    """A project folder; every method asks one Node process, and waits for its answer.

    The process is started with the first question, and answers several at the same time: methods may
    be called from several threads (see `pytest_flowhealth.prefetch`). Every method raises
    CheckFailed if the question shows that the project is faulty, and MeasurementUnavailable if it
    can't be answered.

    Args:
        root: The folder that has the package.json.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self._agent = AgentProcess(root)

    def close(self) -> None:
        """End the Node process with its children."""
        self._agent.close()

    def layout(self, *, seconds: float = 30) -> Layout:
        """Return the project's packages and its package manager."""
        return self.ask("layout", Layout, seconds=seconds)

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
