"""What the monitor writes to its standard output."""

import os

from pytest_flowhealth.monitor.console import Console
from pytest_flowhealth.monitor.stream_writer import WAITING


def test_full_pipe_blocks_nobody_and_lost_lines_are_counted() -> None:
    reading, writing = os.pipe()
    with os.fdopen(writing, "w") as out:
        console = Console(out)
        for number in range(WAITING + 5_000):
            console.event("tick", number=number, text="x" * 100)
        assert console.lost > 0
        os.read(reading, 2**16)
        os.close(reading)
        console.close()
