"""Another distribution's format, receiver, fleet source, hooks and checks, in real runs."""

import json
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.kit.monitor import OWN_ONLY, own_project
from tests.kit.packages import EXAMPLE, install_package
from tests.kit.runs import run_flowhealth, run_pytest

BROKEN = "raise ImportError('a library is missing')\n"
IMPORT_ERROR = "of the distribution flowhealth-example can't be imported: ImportError: a library"
STATUS = {"agents": {"a": "busy", "b": "idle"}, "completed": 40, "failed": 0, "waiting": 0}
RECEIVER = '[[receivers]]\nname = "log"\ntype = "file"\npath = "messages"\n'
Install = Callable[..., dict[str, str]]


@pytest.fixture
def install(tmp_path: Path) -> Install:
    """Install the example package; returns the environment in which it is found."""

    def run(**changes: str) -> dict[str, str]:
        changed = {f"flowhealth_example/{name}.py": text for name, text in changes.items()}
        install_package(EXAMPLE, tmp_path / "site", changed)
        return {"PYTHONPATH": str(tmp_path / "site")}

    return run


def write_project(folder: Path, settings: str = "") -> Path:
    (folder / "package.json").write_text('{"name": "shop", "version": "1.0.0"}')
    (folder / "flowhealth.toml").write_text(settings)
    (folder / "status.json").write_text(json.dumps(STATUS))
    return folder


@pytest.mark.parametrize("workers", [(), ("-n", "2")], ids=["alone", "xdist"])
def test_checks_hooks_and_format_of_another_distribution(
    tmp_path: Path, install: Install, workers: tuple[str, ...]
) -> None:
    env = install()
    run = run_pytest(
        write_project(tmp_path),
        *("--health", "--pyargs", "flowhealth_example.checks", "--health-output=csv:out.csv"),
        *(*workers, "--example-log=log"),
        env=env,
        fresh=bool(workers),
    )

    run.assert_healthy()
    assert run.outcomes == {"example.manifest": "pass", "example.memory": "pass"}
    lines = (tmp_path / "out.csv").read_text().splitlines()
    assert lines[0] == "check,outcome,message"
    assert sorted(lines[1:]) == ["example.manifest,pass,", "example.memory,pass,"]
    *ended, status = (tmp_path / "log").read_text().splitlines()
    assert (sorted(ended), status) == (["example.manifest pass", "example.memory pass"], "healthy")


def test_a_fleet_is_read_from_another_distributions_source(
    tmp_path: Path, install: Install
) -> None:
    project = write_project(tmp_path, '[fleet]\nsource = "status-file"\n')
    words = ("--health", "--health-component=fleet")

    run = run_pytest(project, *words, env=install())
    (project / "status.json").write_text("{")
    unreadable = run_pytest(project, *words, env={"PYTHONPATH": str(tmp_path / "site")})
    (project / "status.json").write_text("{}")
    wrong = run_pytest(project, *words, env={"PYTHONPATH": str(tmp_path / "site")})

    assert run.outcomes["fleet.source"] == "pass", run.text
    assert run.check("fleet.source")["details"]["source"] == "status-file"
    agents = {one["name"]: one["value"] for one in run.check("fleet.agents")["measurements"]}
    assert agents["agents"] == 2
    unreadable.assert_fault("fleet.source", 3, "status.json can't be read")
    wrong.assert_fault("fleet.source", 3, "the fleet source status-file does not work: KeyError")


def test_a_message_is_sent_by_another_distributions_receiver(
    tmp_path: Path, install: Install
) -> None:
    messages = tmp_path / "messages"
    settings = RECEIVER.replace('"messages"', f'"{messages}"\nprefix = "shop: "\nremind = "1 h"')
    with own_project(tmp_path / "app", settings, **install()) as monitor:
        tested = run_flowhealth(monitor.project, "alerts", "test", env=install_env(tmp_path))
        monitor.mode("broken")
        monitor.start(*OWN_ONLY)
        monitor.until(lambda: "firing" in messages.read_text())

    assert "log (file): delivered" in tested.out, tested.text
    short, long, firing = messages.read_text().splitlines()[:3]
    assert short.rstrip() == "shop: test"
    assert long.startswith("shop: test test.alert[1] ")
    assert firing == "shop: firing own.switch"


def test_a_receiver_that_raises_an_error_is_named_and_hides_no_other(
    tmp_path: Path, install: Install
) -> None:
    env = install()
    project = write_project(tmp_path, RECEIVER.replace("messages", "no/folder/messages"))
    with (project / "flowhealth.toml").open("a") as file:
        file.write(RECEIVER.replace('"log"', '"second"'))

    run = run_flowhealth(project, "alerts", "test", env=env)

    assert run.exit_code == 2
    assert "log (file): failed: the file can't be written: No such file or directory" in run.out
    assert "second (file): delivered" in run.out


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ('[fleet]\nsource = "mqtt"\n', "fleet.source: there is no fleet source 'mqtt'; there are"),
        ('[[receivers]]\nname = "x"\ntype = "fax"\n', "receivers[x]: there is no receiver type"),
        (
            RECEIVER + "colour = 1\n",
            "receivers[log]: a receiver of type 'file' has no option colour",
        ),
        (RECEIVER + "prefix = 1\n", "receivers[log]: Expected `str`, got `int` - at `$.prefix`"),
        (
            RECEIVER.replace("path", "way"),
            "receivers[log]: a receiver of type 'file' has no option way",
        ),
        (
            '[[receivers]]\nname = "x"\ntype = "console"\nway = 1\n',
            "receivers[x]: unknown key 'way'",
        ),
        (
            '[[receivers]]\nname = "x"\ntype = "log"\noptions = {}\nway=1\n',
            "receivers[x]: unknown key 'way'",
        ),
    ],
)
def test_a_wrong_configuration_names_what_is_known(
    tmp_path: Path, install: Install, settings: str, says: str
) -> None:
    run = run_pytest(write_project(tmp_path, settings), "--health", env=install())

    assert (run.exit_code, says in run.text) == (4, True), run.text
    if "there is no" in says:
        assert "status-file" in run.text or "alertmanager, apprise, console, file, log" in run.text


@pytest.mark.parametrize(
    ("module", "settings", "words"),
    [
        ("csv_format", "", ("--health-output=csv:out.csv",)),
        ("file_receiver", RECEIVER, ()),
        ("status_file", '[fleet]\nsource = "status-file"\n', ()),
    ],
)
def test_an_extension_that_cannot_be_imported_is_one_sentence_beside_all_other_mistakes(
    tmp_path: Path, install: Install, module: str, settings: str, words: tuple[str, ...]
) -> None:
    project = write_project(tmp_path, f"{settings}[system]\nmemory = 'much'\n" * (not words))
    run = run_pytest(
        project,
        *("--health", "--health-component=system", "--health-output=nagios:out.txt", *words),
        env=install(**{module: BROKEN}),
    )

    assert run.exit_code == 4, run.text
    assert IMPORT_ERROR in run.text
    assert words or "system.memory" in run.text
    assert run.health["status"] == "unknown"
    assert (project / "out.txt").read_text().startswith("UNKNOWN")


def test_a_broken_extension_that_nothing_uses_does_no_harm(
    tmp_path: Path, install: Install
) -> None:
    broken = dict.fromkeys(("csv_format", "file_receiver", "status_file"), BROKEN)
    words = ("--health", "--pyargs", "flowhealth_example.checks", "--health-output=nagios:out")

    run_pytest(write_project(tmp_path), *words, env=install(**broken)).assert_healthy()


def install_names(folder: Path, group: str, *names: str) -> None:
    """Install a distribution that provides names of a group."""
    info = folder / "site/theirs-1.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: theirs\nVersion: 1\n")
    entries = "".join(f"{name} = theirs:render\n" for name in names)
    (info / "entry_points.txt").write_text(f"[pytest_flowhealth.{group}]\n{entries}")


@pytest.mark.parametrize(
    ("group", "name", "settings", "words"),
    [
        ("formats", "junit", "", ("--health-output=junit:out.xml",)),
        ("receivers", "log", '[[receivers]]\nname = "x"\ntype = "log"\n', ()),
        ("fleet_sources", "bullmq", '[fleet]\nsource = "bullmq"\n', ()),
    ],
)
def test_a_name_that_two_distributions_provide_is_a_usage_error_where_it_is_used(
    tmp_path: Path, group: str, name: str, settings: str, words: tuple[str, ...]
) -> None:
    install_names(tmp_path, group, name)
    (tmp_path / "test_it.py").write_text(
        "import pytest\n@pytest.mark.health('own')\ndef test_it():\n    pass\n"
    )
    unused = run_pytest(
        write_project(tmp_path), "--health", "test_it.py", env=install_env(tmp_path)
    )
    write_project(tmp_path, settings)
    used = run_pytest(tmp_path, "--health", "test_it.py", *words, env=install_env(tmp_path))

    unused.assert_healthy()
    assert used.exit_code == 4, used.text
    assert f"{name!r} is provided by several distributions: pytest-flowhealth, theirs" in used.text


def test_a_hook_that_raises_an_error_makes_the_run_unknown(
    tmp_path: Path, install: Install
) -> None:
    plugin = (EXAMPLE / "flowhealth_example/plugin.py").read_text()
    plugin = plugin.replace("self.path.write_text(", "raise ValueError(")
    words = ("--health", "--pyargs", "flowhealth_example.checks", "--example-log=log")

    run = run_pytest(write_project(tmp_path), *words, env=install(plugin=plugin), unguarded=True)

    assert run.exit_code == 3
    assert run.health["status"] == "unknown"


def test_the_example_works_without_this_plugin(tmp_path: Path, install: Install) -> None:
    (tmp_path / "test_it.py").write_text("def test_it():\n    pass\n")
    words = ("-p", "no:flowhealth", "--example-log=log", "test_it.py")

    assert run_pytest(tmp_path, *words, env=install()).exit_code == 0, sys.version


def install_env(folder: Path) -> dict[str, str]:
    return {"PYTHONPATH": str(folder / "site")}
