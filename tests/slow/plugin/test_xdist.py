"""Further ways to distribute checks and to lose workers; each run starts and loses several."""

import pytest

from tests.integration.plugin.test_requires import CHAIN, OTHER, OUTCOMES
from tests.integration.plugin.test_xdist import FINE
from tests.kit.runs import RunChecks


@pytest.mark.parametrize("dist", ["load", "loadscope", "loadfile", "worksteal", "loadgroup"])
def test_a_failure_is_attributed_to_its_root_cause_however_checks_are_distributed(
    run_checks: RunChecks, dist: str
) -> None:
    files = {"test_z.py": OTHER}

    result = run_checks(
        CHAIN, "-n", "3", "--dist", dist, files=files, path=("test_checks.py", "test_z.py")
    )

    assert (result.exit_code, result.outcomes) == (2, OUTCOMES)
    assert result.blocked == {"a.second": "a.first", "b.third": "a.first", "c.other": "z.base"}


@pytest.mark.parametrize("options", [(), ("--max-worker-restart=0",)], ids=["replaced", "lost"])
@pytest.mark.parametrize("end", ["os._exit(0)", "os.kill(os.getpid(), 9)"])
@pytest.mark.parametrize("place", ["in a check", "at import"])
def test_lost_workers_are_never_healthy(
    run_checks: RunChecks, place: str, end: str, options: tuple[str, ...]
) -> None:
    check = f"@pytest.mark.health('app')\ndef test_end():\n    {end}\n"

    result = run_checks(FINE + (check if place == "in a check" else end), "-n", "2", *options)

    assert result.exit_code in (2, 3), result.text
    assert result.health["status"] in ("unhealthy", "unknown")
