"""docs/tutorial.md, followed to the letter: its files are written and its commands run."""

import contextlib
import re
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

from tests.kit.redis import free_port
from tests.kit.runs import run_pytest
from tests.kit.waiting import wait_for

PAGE = Path(__file__).parents[3] / "docs" / "tutorial.md"
BLOCK = re.compile(r"(?:`([\w./]+)`:\n\n)?```(\w+)\n(.*?)```", re.DOTALL)


def test_each_command_of_the_tutorial_prints_what_the_page_shows(tmp_path: Path) -> None:
    port = free_port()
    text = PAGE.read_text().replace("localhost:3000", f"127.0.0.1:{port}")
    before, start, after = text.replace("listen(3000)", f"listen({port})").partition(
        "Run `npm start`"
    )

    follow(before, tmp_path)
    with npm_start(tmp_path, port):
        follow(start + after, tmp_path)


def follow(text: str, folder: Path) -> None:
    """Write the files that a text shows, and run its commands."""
    for name, kind, content in BLOCK.findall(text):
        if kind == "console":
            run_command(content, folder)
        else:
            path = folder / (name or "health/test_shop.py")
            path.parent.mkdir(exist_ok=True)
            with path.open("a") as file:
                file.write(content)


def run_command(block: str, folder: Path) -> None:
    command, *lines = block.splitlines()
    arguments = command.removeprefix("$ pytest ").split()

    printed = run_pytest(folder, *arguments).text

    for line in lines:
        assert line == "..." or normalise(line) in map(normalise, printed.splitlines()), printed


def normalise(line: str) -> str:
    """Return a line of the terminal without what differs from run to run: figures, columns, bars."""
    return re.sub(r"\s+", " ", re.sub(r"\d+\.?\d* (s|ms)\b", r"N \1", line)).strip()


@contextlib.contextmanager
def npm_start(folder: Path, port: int) -> Iterator[None]:
    with subprocess.Popen(["node", "server.js"], cwd=folder) as server:
        try:
            wait_for(lambda: accepts(port))
            yield
        finally:
            server.kill()


def accepts(port: int) -> bool:
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port)):
        return True
    return False
