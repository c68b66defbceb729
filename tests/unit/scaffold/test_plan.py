"""What `flowhealth init` plans: valid files, nothing overwritten, and what is in the way."""

import re
import tomllib
from pathlib import Path

import pytest
import yaml

from pytest_flowhealth.config.load import load_target
from pytest_flowhealth.config.reference import SCHEMA
from pytest_flowhealth.errors import UsageError
from pytest_flowhealth.scaffold.files import write
from pytest_flowhealth.scaffold.plan import (
    CHECK,
    FORMS,
    MANIFEST,
    UNIT,
    WORKFLOW,
    plan,
    service_unit,
)
from tests.kit.scaffold import PLAIN, listing, make, problems_of

ROOT = Path(__file__).parents[3]
ALL = ["flowhealth.toml", SCHEMA, CHECK, *FORMS, WORKFLOW, UNIT, MANIFEST]


def planned_files(root: Path) -> dict[str, str]:
    return {change.path: change.after.decode() for change in plan(root).changes}


def test_planning_changes_nothing_and_the_manifest_comes_last(tmp_path: Path) -> None:
    before = listing(make(tmp_path))
    assert [change.path for change in plan(tmp_path).changes] == ALL
    assert listing(tmp_path) == before


def test_existing_files_with_other_content_are_kept(tmp_path: Path) -> None:
    make(tmp_path, **{CHECK: "mine", FORMS[0].replace(".yml", ".md"): "mine", WORKFLOW: "mine"})
    planned = plan(tmp_path)

    assert [one.path for one in planned.changes] == [
        one for one in ALL if one not in (CHECK, FORMS[0], WORKFLOW)
    ]
    assert len(planned.skipped) == 3
    assert any("bug_report.md is there already" in one for one in planned.skipped)
    before = listing(tmp_path)
    write(planned)
    after = listing(tmp_path)
    assert [name for name in before if after[name] != before[name]] == [MANIFEST]


def test_existing_settings_are_kept_with_a_hint(tmp_path: Path) -> None:
    planned = plan(make(tmp_path, **{"flowhealth.toml": "[dependencies]\naudit = false\n"}))

    assert any('checks = ["health/"]' in hint for hint in planned.hints)
    assert "flowhealth.toml is there already and says something else" in planned.skipped


def test_settings_in_pyproject_are_not_written_twice(tmp_path: Path) -> None:
    make(tmp_path, **{"pyproject.toml": '[tool.flowhealth]\nchecks = ["health/"]\n'})
    planned = plan(tmp_path)
    write(planned)

    assert "flowhealth.toml" not in [one.path for one in planned.changes]
    assert planned.hints == ()
    assert load_target(None, {}, tmp_path).config.checks == ("health/",)  # both would be a mistake


def test_a_folder_below_the_repository_gets_no_github_files(tmp_path: Path) -> None:
    (tmp_path / ".git").mkdir()
    (tmp_path / "app").mkdir()
    planned = plan(make(tmp_path / "app"))

    assert not [one for one in planned.changes if one.path.startswith(".github")]
    assert ".github is left out" in planned.hints[0]


@pytest.mark.parametrize("part", ["health", ".github", "deploy", "flowhealth.toml", MANIFEST])
def test_links_out_of_the_project_are_refused(tmp_path: Path, part: str) -> None:
    project, outside = tmp_path / "project", tmp_path / "outside"
    project.mkdir()
    outside.mkdir()
    make(project)
    (outside / MANIFEST).write_text(PLAIN)
    (project / part).unlink(missing_ok=True)
    (project / part).symlink_to(outside / part if part == MANIFEST else outside)
    before = listing(tmp_path)

    with pytest.raises(UsageError, match=f"{part} is a link that leads out of the project"):
        plan(project)
    assert listing(tmp_path) == before


def test_everything_in_the_way_is_named_at_once(tmp_path: Path) -> None:
    make(tmp_path, health="a file", deploy="a file")
    (tmp_path / "flowhealth.toml").mkdir()
    (tmp_path / ".github").symlink_to("nowhere")
    (tmp_path / "x").symlink_to("x")

    with pytest.raises(UsageError) as caught:
        plan(tmp_path)
    for part in ("health is in the way", "deploy is in the way", "flowhealth.toml", ".github is a link that leads nowhere"):  # fmt: skip
        assert part in str(caught.value)


@pytest.mark.parametrize(
    ("manifest", "says"),
    [
        (None, "package.json is not there (npm init)"),
        ("{", "no JSON"),
        ("[]", "not an object"),
        ('{"scripts": null}', "'scripts' must be an object of strings"),
        ('{"workspaces": ["../*"]}', "leads out of the project"),
        (b"\xff\xfe", "not UTF-8"),
    ],
)
def test_an_unusable_package_json_is_a_usage_error(
    tmp_path: Path, manifest: str | bytes | None, says: str
) -> None:
    if manifest is not None:
        content = manifest if isinstance(manifest, bytes) else manifest.encode()
        (tmp_path / MANIFEST).write_bytes(content)

    with pytest.raises(UsageError) as caught:
        plan(tmp_path)
    assert says in str(caught.value)


@pytest.mark.parametrize(
    "name", ["@acme/shop", "a\\nb", "%n", "$word", "a: [b", "\\ud800", "../../etc", ""]
)
def test_hostile_names_give_valid_files(tmp_path: Path, name: str) -> None:
    make(tmp_path, f'{{"name": "{name}", "dependencies": {{"{name}": "1"}}, "main": "{name}.js"}}')
    files = planned_files(tmp_path)

    tomllib.loads(files["flowhealth.toml"])
    yaml.safe_load(files[WORKFLOW])
    word = {"@acme/shop": "shop", "../../etc": "etc"}.get(name, "app")
    assert f"Description=Health of {word}\n" in files[UNIT]
    assert "%" not in files[UNIT]


@pytest.mark.parametrize(
    ("path", "label", "sections"),
    [
        (
            FORMS[0],
            "bug",
            "npm node os arch steps expected actual logs method configuration impact solutions",
        ),
        (
            FORMS[1],
            "enhancement",
            "problem proposal alternatives use_cases implementation impact breaking_changes "
            "performance documentation willingness",
        ),
        (
            FORMS[2],
            "installation",
            "method requirements error npm_debug_log network dependencies build_tools redis "
            "diagnostics timeline",
        ),
    ],
    ids=["bug", "feature", "installation"],
)
def test_issue_forms_are_valid_and_have_their_label_and_sections(
    tmp_path: Path, path: str, label: str, sections: str
) -> None:
    form = yaml.safe_load(planned_files(make(tmp_path))[path])

    assert problems_of(form) == []
    assert form["labels"] == [label]
    assert {*sections.split()} <= {element.get("id") for element in form["body"]}


def test_the_rules_for_forms_find_faults() -> None:
    field = {"type": "input", "attributes": {"label": "a"}}
    form = {"name": "a", "description": "b", "body": [field]}
    assert problems_of(form) == []
    for key, value in (("name", None), ("hello", 1), ("body", []), ("body", [field, field])):
        assert problems_of({**form, key: value})
    for element in ({**field, "type": "x"}, {**field, "attributes": {"label": "a password"}}):
        assert problems_of({**form, "body": [element]})


@pytest.mark.parametrize(
    ("engines", "node"),
    [
        ("", {"node-version": "${{ matrix.node }}"}),
        (', "engines": {"npm": ">=9"}', {"node-version": "${{ matrix.node }}"}),
        (', "engines": {"node": ">=22.5"}', {"node-version-file": "package.json"}),
    ],
)
def test_the_job_runs_on_a_node_version_of_engines(
    tmp_path: Path, engines: str, node: dict[str, str]
) -> None:
    make(tmp_path, f'{{"name": "a"{engines}}}', **{"package-lock.json": "{}"})
    job = yaml.safe_load(planned_files(tmp_path)[WORKFLOW])["jobs"]["health"]
    runs = [step["run"] for step in job["steps"] if "run" in step]
    uses = [step["uses"] for step in job["steps"] if "uses" in step]

    assert job["steps"][1]["with"] == node
    matrix = job.get("strategy", {}).get("matrix", {}).get("node")
    assert matrix == (None if "node-version-file" in node else ["20", "22", "24"])
    assert runs[0] == "npm ci"
    assert all(re.fullmatch(r"actions/[a-z-]+@v\d+", action) for action in uses)
    assert "!cancelled()" in job["steps"][-1]["if"]


def test_the_systemd_unit_is_the_documented_unit() -> None:
    documented = re.search(
        r"```ini\n(.*?)```", (ROOT / "docs/deployment.md").read_text(), re.DOTALL
    )
    unit = service_unit("shop", redis=True)

    assert documented is not None
    assert documented[1] == unit.replace("Health of shop", "Health of the shop")
