"""Takes in what was collected: declarations, mistakes, components, order."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import msgspec
import pytest

from pytest_flowhealth.domain.checks import CheckSpec
from pytest_flowhealth.domain.dependencies import Index, base, closure, in_order, ring
from pytest_flowhealth.domain.root_causes import RunProblem
from pytest_flowhealth.monitor.frames import order
from pytest_flowhealth.plugin import bundled
from pytest_flowhealth.plugin.begin import begin
from pytest_flowhealth.plugin.health import STATE, CheckState
from pytest_flowhealth.plugin.keys import RUN
from pytest_flowhealth.plugin.markers import Mistakes, read_markers
from pytest_flowhealth.plugin.messages import usage_error
from pytest_flowhealth.plugin.overrides import Change, apply, changes, nearest, unmatched
from pytest_flowhealth.plugin.scan import declared_nearby
from pytest_flowhealth.plugin.start import implicit
from pytest_flowhealth.plugin.state import Mode, Run, is_round, is_worker


def take_in(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Declare the checks among `items` and keep those of the components that are asked for.

    Raises:
        pytest.UsageError: A marker, an option or a name can't be meant; all are named.
    """
    run = config.stash.get(RUN, None)
    if run is None:
        every = all(item.get_closest_marker("health") for item in items)
        run = begin(config, Mode.AUTO if every else Mode.MIXED)
        _catch_up(run)
    mistakes = Mistakes()
    declared = _declare(run, items, mistakes)
    mistakes.lines += _mistaken_names(run, list(declared.values()))
    if mistakes.lines:
        _refuse(run, items, mistakes.lines)
        return
    _note_absent(run, declared.values())
    _choose(run, items, declared)
    for item in items:
        if item in declared:
            _prepare(item, declared[item])


def _catch_up(run: Run) -> None:
    """Hand the recorder, which begins only now, what was collected by then and kept by pytest."""
    reporter = run.config.pluginmanager.getplugin("terminalreporter")
    for report in reporter.stats.get("skipped", []) if reporter else []:
        if isinstance(report, pytest.CollectReport):
            run.recorder.pytest_collectreport(report)


def arrange(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Put requirements before what requires them, exclusive checks last; note the final names."""
    run = config.stash[RUN]
    _in_turn(run, items)
    places = [index for index, item in enumerate(items) if STATE in item.stash]
    checks = [items[index] for index in places]
    for place, index in zip(places, in_order([_declared(item) for item in checks]), strict=True):
        items[place] = checks[index]
    # Other plugins (xdist's loadgroup) may have renamed items since.
    run.declarations = {item.nodeid: _renamed(item) for item in checks}


def _declare(
    run: Run, items: Sequence[pytest.Item], mistakes: Mistakes
) -> dict[pytest.Item, CheckSpec]:
    found, wrong = changes(
        run.target, run.config.option.health_threshold, strict=implicit(run.config)
    )
    declared = {}
    for item in items:
        declaration = read_markers(item, mistakes)
        if declaration is not None:
            declared[item] = declaration
    wrong += unmatched(found, declared.values()) if not mistakes.lines else []
    by_name: dict[str, list[Change]] = {}
    for change in found:
        by_name.setdefault(change.name, []).append(change)
    declared = {item: apply(one, by_name, wrong) for item, one in declared.items()}
    mistakes.lines += wrong
    return declared


def _declared(item: pytest.Item) -> CheckSpec:
    return item.stash[STATE].declaration


def _renamed(item: pytest.Item) -> CheckSpec:
    state = item.stash[STATE]
    if state.declaration.nodeid != item.nodeid:
        state.declaration = msgspec.structs.replace(state.declaration, nodeid=item.nodeid)
    return state.declaration


def _mistaken_names(run: Run, declarations: Sequence[CheckSpec]) -> list[str]:
    """Return what is wrong with ids, requirements and --health-component."""
    by_id: dict[str, CheckSpec] = {}
    by_nodeid: dict[str, CheckSpec] = {}
    wrong = []
    for one in declarations:
        twin = by_nodeid.setdefault(one.nodeid, one)
        if twin is not one and twin.id != one.id:
            wrong.append(
                f"{one.location}: pytest gives {one.id} and {twin.id} one node id, {one.nodeid!r}; "
                "run it in the project's folder, or with --rootdir"
            )
        first = by_id.setdefault(one.id, one)
        if first is not one:
            wrong.append(
                f"{one.location}: the id {one.id} is taken by the check at {first.location}"
            )
    wrong += _unknown_requirements(run, declarations, Index(by_id))
    found = ring(declarations)
    if found is not None:
        wrong.append(
            f"{by_id[found[0]].location}: these checks require each other: {' -> '.join(found)}"
        )
    components = sorted({one.component for one in declarations})
    wrong += [
        f"--health-component: there is no component {name!r}; {nearest(name, components)}"
        for name in run.config.option.health_component
        if name not in components
    ]
    return wrong


def _unknown_requirements(run: Run, declarations: Sequence[CheckSpec], index: Index) -> list[str]:
    """Return the requirements that name no check, seen or left out by the user's selection."""
    missing = [
        (one, required)
        for one in declarations
        for required in one.requires
        if required not in index
    ]
    # With an uncollectable file nobody can tell what it would have declared.
    if not missing or run.recorder.problems:
        return []
    known = declared_nearby(run.config) if not implicit(run.config) else set()
    names = sorted({*known, *(base(one.id) for one in declarations)})
    return [
        f"{one.location}: {one.id} requires {required!r}, which is no check; {nearest(required, names)}"
        for one, required in missing
        if base(required) not in known
    ]


def _refuse(run: Run, items: list[pytest.Item], lines: list[str]) -> None:
    count = "1 mistake" if len(lines) == 1 else f"{len(lines)} mistakes"
    text = "\n".join([f"health checks: {count}", *(f"  {line}" for line in lines)])
    error = usage_error(run.redact(text))
    if not is_worker(run.config):
        raise error
    # xdist would turn an error of a worker into an internal one: the controller is told at the end.
    run.usage = str(error)
    run.recorder.leave_out(items)
    items.clear()


def _note_absent(run: Run, declarations: Iterable[CheckSpec]) -> None:
    """Note bundled files that gave no check: something kept them from being collected."""
    if run.mode is not Mode.HEALTH or not implicit(run.config):
        return
    present = {one.component for one in declarations}
    run.problems += [
        RunProblem(f"the bundled checks of {name} were not collected")
        for name in bundled.files()
        if name not in present
    ]


def _choose(run: Run, items: list[pytest.Item], declared: dict[pytest.Item, CheckSpec]) -> None:
    """Keep the components that are asked for, with what their checks require."""
    wanted = set(run.config.option.health_component)
    if not wanted and (run.mode is not Mode.HEALTH or not implicit(run.config)):
        return
    declarations = list(declared.values())
    slow = set() if run.config.option.health_all else set(bundled.files()) - set(bundled.QUICK)
    asked = wanted or {one.component for one in declarations} - _only_bundled(declared, slow)
    told = order()
    asked |= set(told.also if told else ())
    kept = closure((one.id for one in declarations if one.component in asked), declarations)
    dropped = [item for item in items if item not in declared or declared[item].id not in kept]
    run.recorder.leave_out(dropped)
    items[:] = [item for item in items if item not in set(dropped)]
    present = {declared[item].component for item in items}
    run.not_asked = tuple(
        dict.fromkeys(one.component for one in declarations if one.component not in present)
    )


def _in_turn(run: Run, items: list[pytest.Item]) -> None:
    """In a round of the monitor, put the components first that answer at once."""
    if is_round(run.config):
        from pytest_flowhealth.plugin.round import rank

        items.sort(key=lambda item: rank(_declared(item).component) if STATE in item.stash else 0)


def _only_bundled(declared: dict[pytest.Item, CheckSpec], slow: set[str]) -> set[str]:
    """Return the slow components that have no check of the user's own."""
    folder = bundled.folder()
    own = {one.component for item, one in declared.items() if item.path.parent != folder}
    return slow - own


def _prepare(item: pytest.Item, declaration: CheckSpec) -> None:
    item.stash[STATE] = CheckState(declaration)
    if declaration.timeout is not None:
        # pytest-timeout asks our own timer (timeouts.py) for items that have a limit.
        item.add_marker(pytest.mark.timeout(declaration.timeout, func_only=False))
