"""How many functions pass the result on, from the end of pytest's session to the exit code.

Runs one check in this process, and traces the calls of `pytest_flowhealth.plugin` and
`pytest_flowhealth.domain` from `pytest_sessionfinish` until `pytest_cmdline_main` has the exit code.
A step is a function that takes or returns the run, its results or the report, or that calls one that
does; a property, and what is called for a leaf (a text, a path, a number), is none. With --all these
are printed, too.

    python benchmarks/run_path.py [--all]
"""

from __future__ import annotations

import argparse
import contextlib
import io
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from types import FrameType
from typing import Any

import pytest

CHECK = (
    "import pytest\n@pytest.mark.health('app')\ndef test_up(health):\n    health.detail(up=True)\n"
)
PACKAGES = ("pytest_flowhealth.plugin", "pytest_flowhealth.domain")
FIRST = "pytest_sessionfinish"
PASSED_ON = ("HealthRun", "CheckResult", "RunProblem", "Verdict", "Report", "Document")
"""The types that hold the result of a run, or a part of it."""


class Tracer:
    """Note the calls between the end of the session and the exit code."""

    def __init__(self) -> None:
        self.called: dict[tuple[str, str], bool] = {}
        self._passing: set[FrameType] = set()
        self._started = False

    def __call__(self, frame: FrameType, event: str, returned: Any) -> None:
        """Note a return: only then is it known what a function passes on."""
        code = frame.f_code
        if event == "call" and code.co_name == FIRST:
            self._started = True
        # A generator returns each time that it is suspended; those of hooks end with the rest.
        if event != "return" or not self._started or not _is_ours(frame):
            return
        given = [frame.f_locals.get(name) for name in code.co_varnames[: code.co_argcount]]
        passes = frame in self._passing or any(map(_holds_result, [*given, returned]))
        if passes and not _is_property(code.co_name, given):
            self._mark_callers(frame)
        else:
            passes = False
        key = (str(frame.f_globals["__name__"]), code.co_qualname)
        self.called[key] = self.called.get(key, False) or passes

    def _mark_callers(self, frame: FrameType) -> None:
        outer = frame.f_back
        while outer is not None:
            self._passing.add(outer)
            outer = outer.f_back


def main() -> None:
    """Trace a run and print its steps."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--all", action="store_true", help="print every function that was called")
    options = parser.parse_args()
    lines = describe(trace_run(), every=options.all)
    sys.stdout.write("".join(f"{line}\n" for line in lines))


def trace_run() -> dict[tuple[str, str], bool]:
    """Return what was called, by module and function, and whether it passes the result on."""
    tracer = Tracer()
    with tempfile.TemporaryDirectory() as name, contextlib.chdir(name):
        Path("package.json").write_text('{"name": "path", "version": "1.0.0"}')
        Path("test_path.py").write_text(CHECK)
        with _captured() as printed:
            sys.setprofile(tracer)
            try:
                code = pytest.main(["--health", "-p", "no:cacheprovider", "test_path.py"])
            finally:
                sys.setprofile(None)
    if code:
        raise SystemExit(f"the run ended with {code}: {printed.getvalue()}")
    return tracer.called


def describe(called: dict[tuple[str, str], bool], *, every: bool) -> list[str]:
    """Return a line for each function, in the order in which they ended, and their number."""
    steps = [key for key, passes in called.items() if passes]
    shown = [*called] if every else steps
    lines = [f"{number:>3}  {module}  {name}" for number, (module, name) in enumerate(shown, 1)]
    return [*lines, f"{len(steps)} steps through {len({module for module, _ in steps})} modules"]


def _is_ours(frame: FrameType) -> bool:
    return str(frame.f_globals.get("__name__", "")).startswith(PACKAGES) and not (
        frame.f_code.co_name.startswith("<")
    )


def _is_property(name: str, given: list[object]) -> bool:
    return bool(given) and isinstance(getattr(type(given[0]), name, None), property)


def _holds_result(value: object) -> bool:
    if isinstance(value, (list, tuple)) and value:
        value = value[0]
    return type(value).__name__ in PASSED_ON


@contextlib.contextmanager
def _captured() -> Iterator[io.StringIO]:
    text = io.StringIO()
    with contextlib.redirect_stdout(text), contextlib.redirect_stderr(text):
        yield text


if __name__ == "__main__":
    main()
