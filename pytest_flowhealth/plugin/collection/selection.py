"""Choose the checks to run: read their markers, report every mistake, select components, order them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import msgspec
import pytest

from pytest_flowhealth.domain.checks import CheckSpec
from pytest_flowhealth.domain.dependencies import (
    Index,
    base_id,
    find_cycle,
    order_topologically,
    transitive_closure,
)
from pytest_flowhealth.domain.root_causes import RunProblem
from pytest_flowhealth.plugin.collection import bundled
from pytest_flowhealth.plugin.collection.markers import Mistakes, read_markers
from pytest_flowhealth.plugin.collection.overrides import (
    Override,
    apply_overrides,
    find_unmatched,
    make_name,
    read_overrides,
    suggest_names,
)
from pytest_flowhealth.plugin.collection.uncollected import (
    check_assertions,
    find_uncollected,
    read_bundled,
    read_checks,
    read_ids,
)
from pytest_flowhealth.plugin.execution.running_check import RUNNING, RunningCheck
from pytest_flowhealth.plugin.reporting.messages import make_usage_error
from pytest_flowhealth.plugin.reporting.recorder import Recorder
from pytest_flowhealth.plugin.run import HealthRun, Mode, is_worker

_ROUND_ORDER = (
    *("redis", "dashboard", "system", "configuration", "build", "*"),
    *("fleet", "package", "dependencies", "feedback", "npm", "wasm"),
)
"""The order of components in a monitor's round: what answers at once does not wait for what is slow."""


class Selection:
    """Choose the checks to run from what pytest collected.

    Args:
        run: The run that gets the specs and the problems.
        recorder: Is told what need not report.
        implicit: Whether no path was given, so that the bundled checks are added.
    """

    def __init__(self, run: HealthRun, recorder: Recorder, *, implicit: bool) -> None:
        self._run = run
        self._recorder = recorder
        self._bundled = implicit and run.mode is Mode.HEALTH
        self._wanted = {*run.config.option.health_component}
        self._collected: dict[str, list[pytest.Item]] = {}

    def choose(self, session: pytest.Session, items: list[pytest.Item]) -> None:
        """Make checks of the marked `items`, and keep those of the requested components.

        Without a path, the bundled checks of these components and what they require are added.

        Raises:
            pytest.UsageError: Markers, options or names are invalid; all mistakes are named.
        """
        mistakes = Mistakes()
        specs = self._read_markers(items, mistakes)
        if self._bundled:
            specs = self._add_bundled(session, specs, mistakes)
            items[:0] = [item for found in self._collected.values() for item in found]
        specs = self._override_thresholds(specs, mistakes)
        mistakes.lines += self._find_mistaken_names(list(specs.values()))
        if mistakes.lines:
            self._refuse(items, mistakes.lines)
            return
        self._report_absent(specs)
        self._select_components(items, specs)
        for item in items:
            if item in specs:
                _prepare(item, specs[item])

    def arrange(self, items: list[pytest.Item]) -> None:
        """Put requirements before what requires them, exclusive checks last; note the final names."""
        if self._run.monitor is not None:
            items.sort(key=_rank)
        positions = [index for index, item in enumerate(items) if RUNNING in item.stash]
        checks = [items[index] for index in positions]
        ordered = order_topologically([_spec(item) for item in checks])
        for position, index in zip(positions, ordered, strict=True):
            items[position] = checks[index]
        # Other plugins (xdist's loadgroup) may have renamed items since.
        self._run.specs = {item.nodeid: _rename(item) for item in checks}

    def _read_markers(
        self, items: Iterable[pytest.Item], mistakes: Mistakes
    ) -> dict[pytest.Item, CheckSpec]:
        specs = {item: read_markers(item, mistakes) for item in items}
        return {item: spec for item, spec in specs.items() if spec is not None}

    def _add_bundled(
        self, session: pytest.Session, specs: dict[pytest.Item, CheckSpec], mistakes: Mistakes
    ) -> dict[pytest.Item, CheckSpec]:
        """Collect the bundled checks of the requested components, then what they all require."""
        ours = bundled.find_files()
        requested = self.request_components(specs.values())
        due = requested | _find_required_components(requested, specs)
        while due := (due & ours.keys()) - self._collected.keys():
            for name in due:
                self._collected[name] = [*bundled.collect_component(session, name)]
                specs = self._read_markers(self._collected[name], mistakes) | specs
            due = _find_required_components(requested, specs)
        self._collected = {name: self._collected[name] for name in ours if name in self._collected}
        return specs

    def request_components(self, own: Iterable[CheckSpec] = ()) -> set[str]:
        """Return the components to check: those that are named, or the quick ones and the project's."""
        if self._wanted:
            return self._wanted
        every = self._run.config.option.health_all
        also = self._run.monitor.also if self._run.monitor else ()
        quick = bundled.find_files() if every else bundled.QUICK
        return {*quick, *also, *(spec.component for spec in own)}

    def _override_thresholds(
        self, specs: dict[pytest.Item, CheckSpec], mistakes: Mistakes
    ) -> dict[pytest.Item, CheckSpec]:
        options = self._run.config.option.health_threshold
        overrides, wrong = read_overrides(self._run.target, options, strict=self._bundled)
        if not mistakes.lines and not self._run.problems:
            wrong += self._find_unmatched(overrides, specs.values())
        by_name: dict[str, list[Override]] = {}
        for override in overrides:
            by_name.setdefault(override.name, []).append(override)
        specs = {item: apply_overrides(spec, by_name, wrong) for item, spec in specs.items()}
        mistakes.lines += wrong
        return specs

    def _find_unmatched(self, overrides: list[Override], specs: Iterable[CheckSpec]) -> list[str]:
        """Return the changes of thresholds that nobody declares, in bundled files not imported either."""
        names = [make_name(spec, threshold) for spec in specs for threshold in spec.thresholds]
        # Bundled files that were not imported declare some too: those that are named, then all.
        named = [override.name for override in overrides if override.strict]
        for components in (named, bundled.find_files()):
            if self._bundled and find_unmatched(overrides, names):
                checks = [check for name in components for check in read_bundled(name)]
                names += [name for check in checks for name in check.thresholds]
        return find_unmatched(overrides, names)

    def _find_mistaken_names(self, specs: Sequence[CheckSpec]) -> list[str]:
        """Return what is wrong with ids, requirements and --health-component."""
        by_id: dict[str, CheckSpec] = {}
        by_nodeid: dict[str, CheckSpec] = {}
        wrong = []
        for spec in specs:
            twin = by_nodeid.setdefault(spec.nodeid, spec)
            if twin is not spec and twin.id != spec.id:
                wrong.append(
                    f"{spec.location}: pytest gives {spec.id} and {twin.id} one node id, "
                    f"{spec.nodeid!r}; run it in the project's folder, or with --rootdir"
                )
            first = by_id.setdefault(spec.id, spec)
            if first is not spec:
                wrong.append(
                    f"{spec.location}: the id {spec.id} is taken by the check at {first.location}"
                )
        wrong += self._find_unknown_requirements(specs, Index(by_id))
        cycle = find_cycle(specs)
        if cycle is not None:
            names = " -> ".join(cycle)
            wrong.append(f"{by_id[cycle[0]].location}: these checks require each other: {names}")
        return wrong + self._find_unknown_components(specs)

    def _find_unknown_components(self, specs: Sequence[CheckSpec]) -> list[str]:
        # A file that can't be imported may hold the component.
        if self._run.problems:
            return []
        ours = bundled.find_files() if self._bundled else ()
        components = sorted({*ours, *(spec.component for spec in specs)})
        return [
            f"--health-component: there is no component {name!r}; {suggest_names(name, components)}"
            for name in self._run.config.option.health_component
            if name not in components
        ]

    def _find_unknown_requirements(self, specs: Sequence[CheckSpec], index: Index) -> list[str]:
        """Return the requirements that name no check, collected or left out by the selection."""
        missing = [
            (spec, required)
            for spec in specs
            for required in spec.requires
            if required not in index and not _is_bundled_check(required)
        ]
        # A file that can't be collected may hold the check.
        if not missing or self._run.problems:
            return []
        known = read_ids(self._run.config)
        names = sorted({*known, *(base_id(spec.id) for spec in specs)})
        return [
            f"{spec.location}: {spec.id} requires {required!r}, which is not a check; "
            f"{suggest_names(required, names)}"
            for spec, required in missing
            if base_id(required) not in known
        ]

    def _refuse(self, items: list[pytest.Item], lines: list[str]) -> None:
        count = "1 mistake" if len(lines) == 1 else f"{len(lines)} mistakes"
        error = make_usage_error(
            "\n".join([f"health checks: {count}", *(f"  {line}" for line in lines)])
        )
        if not is_worker(self._run.config):
            raise error
        # xdist would turn an error of a worker into an internal one: the controller raises it.
        self._run.usage_error = str(error)
        self._recorder.leave_out(items)
        items.clear()

    def _report_absent(self, specs: dict[pytest.Item, CheckSpec]) -> None:
        """Report what was written and not collected, and what asserts nothing."""
        run = self._run
        if run.mode is not Mode.HEALTH:
            root = run.config.rootpath
            for nodeid in [*run.skipped_files]:
                if not read_checks(root / nodeid):
                    del run.skipped_files[nodeid]
        if run.mode is Mode.MIXED:
            return
        present = {spec.component for spec in specs.values()}
        run.problems += [
            RunProblem(f"the bundled checks of {name} were not collected")
            for name in self._collected
            if name not in present
        ]
        excused = [*run.skipped_files, *self._recorder.uncollectable]
        uncollected = find_uncollected(run.config, self._recorder.items, specs, excused)
        if run.config.getoption("lf", default=False):
            run.deselected += len(uncollected)  # what did not fail the last time is left out
        else:
            run.problems += uncollected
        run.problems += check_assertions(run.config)
        own = any(not bundled.is_bundled(item.path) for item in specs)
        if own and not __debug__:
            run.problems.append(
                RunProblem(
                    "assertions are switched off (python -O or PYTHONOPTIMIZE): "
                    "the checks' assert statements check nothing"
                )
            )

    def _select_components(
        self, items: list[pytest.Item], specs: dict[pytest.Item, CheckSpec]
    ) -> None:
        """Keep the requested components, with what their checks require."""
        if not (self._wanted or self._bundled):
            return
        every = list(specs.values())
        own = [spec for item, spec in specs.items() if not bundled.is_bundled(item.path)]
        required = _find_required(self.request_components(own), every)
        dropped = {item for item in items if item not in specs or specs[item].id not in required}
        self._recorder.leave_out(dropped)
        items[:] = [item for item in items if item not in dropped]
        present = {specs[item].component for item in items}
        known = [
            *(bundled.find_files() if self._bundled else ()),
            *(spec.component for spec in every),
        ]
        self._run.not_requested = tuple(
            dict.fromkeys(name for name in known if name not in present)
        )


def _is_bundled_check(required: str) -> bool:
    return base_id(required) in {check.id for check in read_bundled(required)}


def _find_required(components: set[str], specs: Sequence[CheckSpec]) -> set[str]:
    """Return the ids of the checks of `components`, and of all that they require."""
    return transitive_closure((spec.id for spec in specs if spec.component in components), specs)


def _find_required_components(
    components: set[str], specs: dict[pytest.Item, CheckSpec]
) -> set[str]:
    """Return the components of what the checks of `components` require, collected or not."""
    required = _find_required(components, [*specs.values()])
    requires = {name for spec in specs.values() if spec.id in required for name in spec.requires}
    return {name.partition(".")[0] for name in requires}


def _spec(item: pytest.Item) -> CheckSpec:
    return item.stash[RUNNING].spec


def _rename(item: pytest.Item) -> CheckSpec:
    check = item.stash[RUNNING]
    if check.spec.nodeid != item.nodeid:
        check.spec = msgspec.structs.replace(check.spec, nodeid=item.nodeid)
    return check.spec


def _rank(item: pytest.Item) -> int:
    """Return the place of an item in a monitor's round."""
    if RUNNING not in item.stash:
        return 0
    component = _spec(item).component
    return _ROUND_ORDER.index(component if component in _ROUND_ORDER else "*")


def _prepare(item: pytest.Item, spec: CheckSpec) -> None:
    item.stash[RUNNING] = RunningCheck(spec, getattr(item, "obj", None))
    if spec.timeout is not None:
        # pytest-timeout asks this plugin's timer for items that have a limit.
        item.add_marker(pytest.mark.timeout(spec.timeout, func_only=False))
    if item.config.pluginmanager.hasplugin("socket"):
        # pytest-socket keeps unit tests from the network; a check is about the network.
        item.add_marker("enable_socket")
