"""The Node process behind `NpmProject`: it answers, crashes, hangs, or writes what is no answer."""

import os
from pathlib import Path

import psutil
import pytest

from pytest_flowhealth.errors import CheckFailed, MeasurementUnavailable
from pytest_flowhealth.probes.project import NpmProject
from pytest_flowhealth.probes.project.process import AgentProcess
from tests.kit.waiting import wait_for

READ = 'import { createInterface } from "node:readline";\nconsole.log(\'{"ready":true}\');\ncreateInterface({ input: process.stdin }).on("line", (line) => {\n'


def agent(folder: Path, body: str) -> AgentProcess:
    script = folder / "agent.mjs"
    script.write_text(f"{READ}{body}\n}});\n")
    return AgentProcess(folder, script)


def test_questions_are_answered_by_number_whatever_their_order(tmp_path: Path) -> None:
    process = agent(
        tmp_path,
        """const { id, question, wait } = JSON.parse(line);
        setTimeout(() => console.log(JSON.stringify({ id, answer: question })), wait);""",
    )
    slow = process.ask("slow", seconds=30, wait=200)
    quick = process.ask("quick", seconds=30, wait=0)

    assert (quick.result(), slow.done(), slow.result()) == ("quick", False, "slow")
    process.close()


@pytest.mark.parametrize(
    ("body", "says"),
    [
        ('throw new TypeError("a bad day")', "TypeError: a bad day"),
        ("process.exit(3)", "exit code 3"),
        ('process.kill(process.pid, "SIGKILL")', "SIGKILL"),
        ('console.log("<html>")', "no answer: b'<html>'"),
        ("console.log(JSON.stringify({ id: 99, answer: 1 }))", "no answer"),
        ('process.stdout.write(\'{"id": 1, "ans\'); process.exit(0)', "exit code 0"),
    ],
)
def test_a_crash_or_an_unreadable_answer_is_unknown_with_its_reason(
    tmp_path: Path, body: str, says: str
) -> None:
    process = agent(tmp_path, body)
    with pytest.raises(MeasurementUnavailable, match=says):
        process.ask("tree", seconds=30).result()
    process.close()


def test_what_node_options_load_may_print(tmp_path: Path) -> None:
    hook = tmp_path / "hook.cjs"
    hook.write_text('console.log("loaded"); process.stdout.write("no end of line");')
    (tmp_path / "package.json").write_text("{}")
    project = NpmProject(tmp_path, environment={**os.environ, "NODE_OPTIONS": f"--require {hook}"})
    assert project.layout().packages
    project.close()


def test_a_process_that_hangs_is_ended_with_its_children(tmp_path: Path) -> None:
    body = """import("node:child_process").then(({ spawn }) => {
        spawn("sleep", ["600"], { detached: false }); setTimeout(() => { for (;;); }, 100); });"""
    process = agent(tmp_path, body)
    with pytest.raises(MeasurementUnavailable, match="no answer in time"):
        process.ask("tree", seconds=0.1).result()

    def is_gone() -> bool:
        return not any(
            child.name() == "sleep" for child in psutil.Process().children(recursive=True)
        )

    wait_for(is_gone)
    process.close()


def test_a_process_that_has_ended_is_started_again_by_the_next_question(tmp_path: Path) -> None:
    body = """const { id, question } = JSON.parse(line);
    if (question === "crash") process.exit(1);
    console.log(JSON.stringify({ id, answer: question }));"""
    process = agent(tmp_path, body)
    with pytest.raises(MeasurementUnavailable):
        process.ask("crash", seconds=30).result()
    assert process.ask("tree", seconds=30).result() == "tree"
    process.close()


def test_an_unknown_question_and_a_missing_folder_are_errors(tmp_path: Path) -> None:
    project = NpmProject(tmp_path)
    with pytest.raises(MeasurementUnavailable, match='no question "weather"'):
        project.ask("weather", dict, seconds=30)
    project.close()
    with pytest.raises(CheckFailed, match="no folder"):
        NpmProject(tmp_path / "absent").layout()


def test_without_node_the_check_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(CheckFailed, match="no `node` on the PATH"):
        NpmProject(tmp_path).layout()


def test_what_is_prepared_is_answered_as_without(tmp_path: Path) -> None:
    (tmp_path / "package.json").write_text('{"name": "app", "version": "1.0.0"}')
    prepared, plain = NpmProject(tmp_path), NpmProject(tmp_path)
    prepared.prepare("versions", "tree", "audit", "outdated").result()

    assert prepared.versions() == plain.versions()
    prepared.close()
    plain.close()
