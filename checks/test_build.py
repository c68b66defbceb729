"""The files that start the project, or that it is loaded by.

They are those of its start scripts, `main`, `bin` and `exports`, for the root package and every
workspace, or those that build.artifacts names.
"""

from concurrent.futures import Future
from pathlib import Path

import pytest

from pytest_flowhealth import CheckFailed, Health, NotApplicable, Target, prefetch
from pytest_flowhealth.probes import list_findings, raise_worst
from pytest_flowhealth.probes.project import (
    BuildState,
    NpmProject,
    ParsedFiles,
    compare_with_sources,
    find_build,
    find_remedy,
    parse_build,
)


@prefetch
def build_state(target: Target, npm_project: NpmProject) -> BuildState:
    """The files that start or load the project, and what is wrong with the others."""
    state = find_build(npm_project, target.config.build.artifacts)
    if state.undecided and state.is_empty:
        raise NotApplicable(f"it is not known what `{state.undecided[0]}` needs")
    if state.is_empty:
        known = "the start script needs" if state.scripts else "package.json names"
        raise NotApplicable(f"{known} no file that a build makes")
    return state


@prefetch
def build_syntax(npm_project: NpmProject, build_state: Future[BuildState]) -> ParsedFiles:
    """How many of the files were parsed, and what is wrong with them."""
    return parse_build(npm_project, build_state.result())


@pytest.mark.health("build", requires=("package.manifest", "system.node"), timeout=60)
def test_artifacts(health: Health, build_state: Future[BuildState]) -> None:
    """Each exists, is a regular file and not empty."""
    state = build_state.result()
    health.detail(files=[file.label for file, _ in state.files[:100]], count=len(state.files))
    health.detail(undecided=state.undecided[:100], missing_but_unused=state.unused[:100])
    for warning in state.warnings:
        health.warn(warning.message)
    found = [*state.problems, *state.warnings]
    remedy = next((problem.remedy for problem in found if problem.remedy), None)
    if state.problems:
        messages = [problem.message for problem in state.problems]
        raise CheckFailed(list_findings(messages, "files are missing or broken"), remedy=remedy)
    if remedy:
        health.remedy(remedy)


@pytest.mark.health("build", requires="build.artifacts", timeout=120)
def test_syntax(health: Health, build_syntax: Future[ParsedFiles]) -> None:
    """The files parse, and so do those that they import; add-ons and WebAssembly begin as such."""
    parsed = build_syntax.result()
    health.detail(parsed=parsed.count - len(parsed.unparsed), not_parsed=parsed.unparsed)
    for warning in parsed.warnings:
        health.warn(warning)
    raise_worst(
        parsed.errors,
        broken="files do not parse",
        unread="files could not be parsed",
        remedy=parsed.remedy,
    )
    if not parsed.count:
        health.not_applicable("no file is JavaScript, TypeScript, JSON, WebAssembly or an add-on")


@pytest.mark.health("build", critical=False, requires="build.artifacts", timeout=60)
def test_fresh(
    health: Health, target: Target, npm_project: NpmProject, build_state: Future[BuildState]
) -> None:
    """No file in an output folder is older than the newest source, where the sources are present."""
    folders = [Path(package.folder) for package in npm_project.layout().packages]
    files = [file for file, _ in build_state.result().files]
    comparison = compare_with_sources(files, folders, npm_project.root)
    if not comparison.compared:
        health.not_applicable("no package has both built files and the sources of them")
    health.detail(compared=comparison.compared)
    for stale in comparison.stale:
        remedy = find_remedy(
            npm_project.root, npm_project.layout(), npm_project.root / stale.artifact
        )
        if remedy:
            health.remedy(remedy)
        health.warn(f"{stale.artifact} is older than {stale.source}: not built since that changed")
