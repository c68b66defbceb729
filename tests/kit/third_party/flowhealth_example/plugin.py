"""A pytest plugin that implements both hooks."""

from pathlib import Path

import pytest

from pytest_flowhealth import CheckResult, Document


class Log:
    """Writes the ids of the checks in the order in which they ended, and the status."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.ended: list[str] = []

    @pytest.hookimpl(optionalhook=True)
    def pytest_flowhealth_check_result(self, result: CheckResult) -> None:
        """Note a check that has ended."""
        self.ended.append(f"{result.id} {result.outcome}")

    @pytest.hookimpl(optionalhook=True)
    def pytest_flowhealth_report(self, report: Document) -> None:
        """Write the log at the end of the run."""
        self.path.write_text("\n".join([*self.ended, report.health.status]))


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the option that turns the log on."""
    parser.addoption("--example-log", type=Path, help="Write the order of the checks to a file.")


def pytest_configure(config: pytest.Config) -> None:
    """Register the hooks if they are asked for."""
    if config.option.example_log is not None:
        config.pluginmanager.register(Log(config.option.example_log))
