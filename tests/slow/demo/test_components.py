"""The demo with components whose programs it starts itself."""

from pathlib import Path

import psutil

from tests.kit.demo import Demo


def test_the_demos_agents_run_for_the_fleet_and_end_with_it(tmp_path: Path) -> None:
    demo = Demo(tmp_path / "demo")
    demo.run("--health-component", "fleet", "--health-report=r.json")

    outcomes = {check["id"]: check["outcome"] for check in demo.health("r.json")["checks"]}
    assert ", and its agents" in demo.err
    assert outcomes["fleet.agents"] == "pass", demo.out
    assert outcomes["fleet.completion"] in {"pass", "warn"}, demo.out
    ours = str(demo.temporary)
    assert [one for one in psutil.process_iter() if ours in environment_of(one)] == []


def environment_of(process: psutil.Process) -> str:
    try:
        return process.environ().get("TMPDIR", "")
    except psutil.Error:
        return ""
