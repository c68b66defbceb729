"""The help of the console script: every command has one, and no line of a list is cut."""

import importlib
from collections.abc import Iterator

import click
import pytest
from click.testing import CliRunner

from pytest_flowhealth.cli.main import _COMMANDS, cli


def iterate_commands() -> Iterator[tuple[str, ...]]:
    for name, module in _COMMANDS.items():
        yield (name,)
        command = importlib.import_module(f"pytest_flowhealth.cli.{module}").command
        if isinstance(command, click.Group):
            yield from ((name, sub) for sub in command.commands)


@pytest.mark.parametrize("words", [(), *iterate_commands()], ids=" ".join)
def test_help_describes_the_command_and_each_option(words: tuple[str, ...]) -> None:
    done = CliRunner().invoke(cli, [*words, "--help"], prog_name="flowhealth")

    assert done.exit_code == 0
    assert done.output.startswith(f"Usage: flowhealth{''.join(f' {word}' for word in words)} ")
    assert "..." not in done.output.replace("[ARGS]...", "")
    options = done.output.partition("Options:\n")[2].partition("\n\n")[0]
    assert [
        line
        for line in options.splitlines()
        if line.strip().count("  ") == 0 and line.startswith("  -")
    ] == []


def test_an_unknown_command_names_the_one_that_was_meant() -> None:
    done = CliRunner().invoke(cli, ["histroy"])

    assert "there is no command 'histroy'; did you mean 'history'?" in done.output
