"""A fleet source that reads a JSON file, which the application keeps up to date."""

import json
import time

from pytest_flowhealth import MeasurementUnavailable, Target
from pytest_flowhealth.probes.fleet import Agent, Agents, Snapshot, Tasks


class StatusFile:
    """`[fleet] source = "status-file"` reads `status.json` in the project."""

    def __init__(self, target: Target) -> None:
        self.path = target.root / "status.json"
        self.place = self.path.name

    def read(self) -> Snapshot:
        """Return the agents and tasks in the file."""
        try:
            status = json.loads(self.path.read_text())
        except (OSError, ValueError) as error:
            raise MeasurementUnavailable(f"{self.place} can't be read: {error}") from error
        agents = tuple(Agent(id=name, state=state) for name, state in status["agents"].items())
        return Snapshot(
            taken=time.time(),
            clock=time.monotonic(),
            agents=Agents.of(agents),
            tasks=Tasks(
                completed=status["completed"], failed=status["failed"], waiting=status["waiting"]
            ),
            never={"processes": "the file has no process ids"},
        )
