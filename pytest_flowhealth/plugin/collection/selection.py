"""Choose the checks to run: read their markers, report every mistake, select components, order them."""

from __future__ import annotations

from collections.abc import Sequence

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
    read_overrides,
    suggest_names,
)
from pytest_flowhealth.plugin.collection.uncollected import find_uncollected, read_ids, read_source
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
        implicit: Whether no path was given, so that the bundled checks were collected.
    """

    def __init__(self, run: HealthRun, recorder: Recorder, *, implicit: bool) -> None:
        self._run = run
        self._recorder = recorder
        self._implicit = implicit

    def choose(self, items: list[pytest.Item]) -> None:
        """Make checks of the marked `items`, and keep those of the requested components.

        Raises:
            pytest.UsageError: Markers, options or names are invalid; all mistakes are named.
        """
        mistakes = Mistakes()
        specs = self._read_specs(items, mistakes)
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

    def _read_specs(
        self, items: Sequence[pytest.Item], mistakes: Mistakes
    ) -> dict[pytest.Item, CheckSpec]:
        options = self._run.config.option.health_threshold
        overrides, wrong = read_overrides(self._run.target, options, strict=self._implicit)
        specs = {}
        for item in items:
            spec = read_markers(item, mistakes)
            if spec is not None:
                specs[item] = spec
        if not mistakes.lines and not self._run.problems:
            wrong += find_unmatched(overrides, specs.values())
        by_name: dict[str, list[Override]] = {}
        for override in overrides:
            by_name.setdefault(override.name, []).append(override)
        specs = {item: apply_overrides(spec, by_name, wrong) for item, spec in specs.items()}
        mistakes.lines += wrong
        return specs

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
        components = sorted({spec.component for spec in specs})
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
            if required not in index
        ]
        # A file that can't be collected may hold the check.
        if not missing or self._run.problems:
            return []
        known = set() if self._implicit else read_ids(self._run.config)
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
            "\n".join([f"health checks: {count}", *(f"  {one}" for one in lines)])
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
                if not read_source(root / nodeid).checks:
                    del run.skipped_files[nodeid]
        if run.mode is Mode.MIXED:
            return
        if run.mode is Mode.HEALTH and self._implicit:
            present = {spec.component for spec in specs.values()}
            run.problems += [
                RunProblem(f"the bundled checks of {name} were not collected")
                for name in bundled.find_files()
                if name not in present
            ]
        excused = [*run.skipped_files, *self._recorder.uncollectable]
        run.problems += find_uncollected(run.config, self._recorder.items, excused)
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
        run = self._run
        wanted = set(run.config.option.health_component)
        if not wanted and (run.mode is not Mode.HEALTH or not self._implicit):
            return
        slow: set[str] = set()
        if not run.config.option.health_all:
            slow = set(bundled.find_files()) - set(bundled.QUICK)
        requested = wanted or {spec.component for spec in specs.values()} - _only_bundled(
            specs, slow
        )
        requested |= set(run.monitor.also if run.monitor else ())
        every = list(specs.values())
        kept = transitive_closure((one.id for one in every if one.component in requested), every)
        dropped = {item for item in items if item not in specs or specs[item].id not in kept}
        self._recorder.leave_out(dropped)
        items[:] = [item for item in items if item not in dropped]
        present = {specs[item].component for item in items}
        names = (spec.component for spec in every if spec.component not in present)
        run.not_requested = tuple(dict.fromkeys(names))


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


def _only_bundled(specs: dict[pytest.Item, CheckSpec], slow: set[str]) -> set[str]:
    """Return the slow components for which the project has no check of its own."""
    own = {spec.component for item, spec in specs.items() if not bundled.is_bundled(item.path)}
    return slow - own


def _prepare(item: pytest.Item, spec: CheckSpec) -> None:
    item.stash[RUNNING] = RunningCheck(spec)
    if spec.timeout is not None:
        # pytest-timeout asks this plugin's timer for items that have a limit.
        item.add_marker(pytest.mark.timeout(spec.timeout, func_only=False))
    if item.config.pluginmanager.hasplugin("socket"):
        # pytest-socket keeps unit tests from the network; a check is about the network.
        item.add_marker("enable_socket")
