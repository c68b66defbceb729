"""What rounds of some components only, and removed checks, do to alerts."""

from pathlib import Path

from pytest_flowhealth.alerts.rules import conditions
from pytest_flowhealth.alerts.series import Reading, Series
from pytest_flowhealth.config.alerts import Receiver, Rule
from pytest_flowhealth.config.model import Configuration
from pytest_flowhealth.config.target import Target
from pytest_flowhealth.domain.status import Outcome
from pytest_flowhealth.monitor.settings import Settings
from pytest_flowhealth.monitor.watch import Watch
from tests.kit.alerts import at
from tests.kit.records import check


def make_watch(tmp_path: Path, *rules: Rule) -> Watch:
    target = Target(tmp_path, Configuration(), {}, {})
    ops = Receiver(name="ops", type="webhook", url="http://127.0.0.1/")
    settings = Settings(target, conditions(rules), (ops,), {}, 900.0)
    return Watch(settings, "host", {}, 0.0)


def firing(watch: Watch) -> list[str]:
    return [tracked.subject.name for tracked in watch.engine.firing()]


FAILS = check("package.tree", Outcome.FAIL)
MANIFEST = check("package.manifest", Outcome.PASS)
BUILD = check("build.artifacts", Outcome.PASS, requires=("package.manifest",))


def test_round_of_a_requirement_does_not_resolve_other_alerts_of_its_component(
    tmp_path: Path,
) -> None:
    watch = make_watch(tmp_path)
    watch.ended([MANIFEST, FAILS, BUILD], (), at(0))

    for number in range(1, 6):
        watch.ended([MANIFEST, BUILD], (), at(60.0 * number), {"build"})

    assert firing(watch) == ["package.tree"]


def test_alert_of_a_removed_check_resolves_after_three_rounds(tmp_path: Path) -> None:
    watch = make_watch(tmp_path)
    watch.ended([MANIFEST, FAILS], (), at(0))

    for number in range(1, 4):
        assert firing(watch) == ["package.tree"]
        watch.ended([MANIFEST], (), at(60.0 * number), {"package"})

    assert firing(watch) == []


def test_alerts_of_a_removed_component_resolve_after_three_rounds(tmp_path: Path) -> None:
    watch = make_watch(tmp_path, Rule(name="full", metric="queue.depth", above=5))
    watch.ended([check("queue.length", Outcome.FAIL)], (), at(0))
    watch.series.add("queue.depth", "1", Reading(0, (9.0,)))
    watch.sampled({}, at(1))
    assert firing(watch) == ["queue.length", "full"]
    watch.series = Series()  # after a restart

    for number in range(1, 4):
        watch.ended([MANIFEST], (), at(60.0 * number))

    assert firing(watch) == []
