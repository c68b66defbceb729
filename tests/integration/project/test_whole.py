"""The application as it should be: healthy, unchanged, from any folder and in any form of output."""

import json

from tests.kit.app import App
from tests.kit.runs import RunHealth, run_pytest

QUICK = ("system", "package", "redis", "build", "dependencies", "configuration")


def test_a_whole_application_is_healthy_and_stays_as_it_was(
    app: App, run_health: RunHealth
) -> None:
    def listing() -> dict[str, tuple[int, float]]:
        return {
            str(path.relative_to(app.folder)): (path.stat().st_size, path.stat().st_mtime)
            for path in app.folder.rglob("*")
            if path.is_file() and ".flowhealth" not in path.parts
        }

    before = listing()

    run = run_health(app)

    run.assert_healthy()
    assert tuple(run.health["components"]) == QUICK
    assert set(run.outcomes.values()) <= {"pass", "skip"}
    assert run.health["target"]["name"] == "shop"
    assert run.health["target"]["version"] == "1.0.0"
    assert run.out.count("HEALTHY") == 1
    assert listing() == before


def test_workers_report_the_components_in_the_same_order(
    bare_app: App, run_health: RunHealth
) -> None:
    chosen = ("system", "build", "configuration")
    run = run_health(bare_app, "-n", "2", *(f"--health-component={name}" for name in chosen))

    run.assert_healthy()
    assert tuple(name for name in run.health["components"] if name in chosen) == chosen


def test_a_report_on_standard_output_leaves_everything_else_to_standard_error(
    bare_app: App,
) -> None:
    folder = bare_app.folder
    words = ("--health", "--health-component=configuration", "--health-report=-")

    run = run_pytest(folder, *words, f"--health-project={folder}", cwd=folder.parent)

    assert run.report == {}
    assert json.loads(run.out)["health"]["status"] == "healthy"
    assert "HEALTHY" in run.err
