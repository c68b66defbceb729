"""What the plugin costs: 2,000 checks with a threshold each, and an ordinary suite that does not use it.

Runs pytest in processes of its own, the variants in turn, and prints for each the least CPU time
(user and system) of the rounds, since other load on the machine only adds to it, its ratio to bare
pytest, and what one test more costs: the difference to a run with a tenth of the tests, which leaves
the start of pytest out. Beside it what a user would pick instead: a file looked at by
pytest-testinfra.

    python benchmarks/overhead.py [--rounds 5] [--tests 2000]
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from pathlib import Path

BARE = "def test_{n}():\n    pass\n"
CHECK = (
    "@pytest.mark.health('app')\n@pytest.mark.threshold('m{n}', warn=5, fail=50, unit='ms')\n"
    "def test_{n}(health):\n    health.measure('m{n}', 1.0, 'ms')\n"
)
TESTINFRA = "def test_{n}(host):\n    assert host.file('package.json').exists\n"
FIXTURE = (
    "@pytest.mark.one('app')\n@pytest.mark.other('m{n}', warn=5, fail=50, unit='ms')\n"
    "def test_{n}(thing):\n    assert thing\n"
)
FIXTURE_HEAD = "@pytest.fixture\ndef thing():\n    return 1\n"

UNUSED = ["-p", "no:testinfra", "test_bare.py"]
VARIANTS = {
    "bare pytest": ["-p", "no:flowhealth", *UNUSED],
    "plugin installed, unused": UNUSED,
    "two markers and a fixture each, without it": [
        "-p",
        "no:flowhealth",
        "-p",
        "no:testinfra",
        "-o",
        "markers=one(name)\nother(name, warn, fail, unit)",
        "test_fixture.py",
    ],
    "checks with a threshold each, report included": [
        "--health",
        "-p",
        "no:testinfra",
        "test_check.py",
    ],
    "pytest-testinfra, a file looked at each": ["-p", "no:flowhealth", "test_testinfra.py"],
}


def main() -> None:
    """Run the variants in turn and print the least time of each."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--tests", type=int, default=2_000)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folders = (Path(name) / "few", Path(name) / "many")
        few = options.tests // 10
        for folder, tests in zip(folders, (few, options.tests), strict=True):
            folder.mkdir()
            _write(folder, tests)
        for arguments in VARIANTS.values():
            for folder in folders:
                _time(folder, arguments)  # compiles what the rounds import
        seconds: dict[str, list[tuple[float, float]]] = {variant: [] for variant in VARIANTS}
        for _ in range(options.rounds):
            for variant, arguments in VARIANTS.items():
                less, more = (_time(folder, arguments) for folder in folders)
                seconds[variant].append((less, more))
    _print(seconds, options.tests, options.tests - few)


def _write(folder: Path, tests: int) -> None:
    (folder / "package.json").write_text('{"name": "bench", "version": "1.0.0"}')
    files = {"bare": BARE, "check": CHECK, "testinfra": TESTINFRA, "fixture": FIXTURE}
    for name, source in files.items():
        head = "import pytest\n" + (FIXTURE_HEAD if name == "fixture" else "")
        body = "".join(source.format(n=number) for number in range(tests))
        (folder / f"test_{name}.py").write_text(head + body)


def _time(folder: Path, arguments: list[str]) -> float:
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *arguments]
    process = subprocess.Popen(
        command,
        cwd=folder,
        env=_environment(),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        raise SystemExit(f"{' '.join(command)} ended with {os.waitstatus_to_exitcode(status)}")
    return usage.ru_utime + usage.ru_stime


def _environment() -> dict[str, str]:
    """Return the environment of a run: one that keeps compiled code, as Python does by itself."""
    left_out = "PYTHONDONTWRITEBYTECODE"
    return {name: value for name, value in os.environ.items() if name != left_out}


def _print(seconds: dict[str, list[tuple[float, float]]], tests: int, difference: int) -> None:
    rounds = seconds["bare pytest"]
    sys.stdout.write(f"{tests:,} tests, {len(rounds)} rounds in turn\n")
    bare = min(more for _, more in rounds)
    for variant, pairs in seconds.items():
        less, more = min(less for less, _ in pairs), min(more for _, more in pairs)
        each = (more - less) / difference
        line = f"{variant:<48} {more:6.2f} s  {more / bare:5.3f}x"
        sys.stdout.write(f"{line}  {each * 1e6:7.0f} us a test\n")


if __name__ == "__main__":
    main()
