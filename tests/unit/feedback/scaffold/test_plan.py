"""What `--health-init` plans and writes: valid files, nothing overwritten, all of it or nothing."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from pytest_flowhealth.config.decode import Decoder
from pytest_flowhealth.config.load import load_target, presets
from pytest_flowhealth.errors import ProbeError, UsageError
from pytest_flowhealth.feedback.scaffold.files import differences, write
from pytest_flowhealth.feedback.scaffold.plan import (
    CHECK,
    FORMS,
    MANIFEST,
    UNIT,
    WORKFLOW,
    plan,
    service_unit,
)
from pytest_flowhealth.feedback.scaffold.project import look
from pytest_flowhealth.feedback.scaffold.settings_text import settings_text, toml
from tests.feedback.issue_forms import problems_of

ROOT = Path(__file__).parents[2]
PLAIN = '{\n  "name": "a",\n  "main": "index.js"\n}\n'
ALL = [
    "flowhealth.toml",
    CHECK,
    *FORMS,
    WORKFLOW,
    UNIT,
    MANIFEST,
]


def make(root: Path, manifest: str = PLAIN, **files: str) -> Path:
    (root / MANIFEST).write_bytes(manifest.encode())
    for path, text in files.items():
        place = root / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(text)
    return root


def listing(root: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(root)): path.read_bytes() if path.is_file() else b""
        for path in root.rglob("*")
    }


def test_the_manifest_comes_last(tmp_path: Path) -> None:
    assert [one.path for one in plan(make(tmp_path)).changes] == ALL


def test_planning_changes_nothing(tmp_path: Path) -> None:
    before = listing(make(tmp_path))
    plan(tmp_path)

    assert listing(tmp_path) == before


def test_written_and_then_nothing_to_do(tmp_path: Path) -> None:
    write(plan(make(tmp_path)))
    again = plan(tmp_path)

    assert (again.changes, again.kept, again.hints) == ((), (), ())
    assert not [name for name in listing(tmp_path) if "/." in name and ".github/" not in name]


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_the_diff_is_one_that_patch_takes(tmp_path: Path, end: str) -> None:
    if not shutil.which("git"):
        pytest.skip("git is not installed")
    project, copy = tmp_path / "a", tmp_path / "b"
    for folder in (project, copy):
        folder.mkdir()
        make(folder)
        text = '{\n\t"name": "a"\n}'.replace("\n", end)
        (folder / "package.json").write_bytes(text.encode())
    planned = plan(project)
    diff = "".join(f"{line}\n" for line in differences(planned))
    subprocess.run(["git", "apply"], cwd=copy, input=diff.encode(), check=True)
    write(planned)

    assert listing(copy) == listing(project)


# What is in the way


def test_files_that_say_something_else_are_kept(tmp_path: Path) -> None:
    make(tmp_path, **{CHECK: "mine", FORMS[0].replace(".yml", ".md"): "mine", WORKFLOW: "mine"})
    planned = plan(tmp_path)

    assert [one.path for one in planned.changes] == [
        one for one in ALL if one not in (CHECK, FORMS[0], WORKFLOW)
    ]
    assert len(planned.kept) == 3
    assert any("bug_report.md is there already" in one for one in planned.kept)
    before = listing(tmp_path)
    write(planned)
    assert {name: one for name, one in listing(tmp_path).items() if name in before} | {MANIFEST: b""} == before | {MANIFEST: b""}  # fmt: skip


def test_settings_of_its_own(tmp_path: Path) -> None:
    planned = plan(make(tmp_path, **{"flowhealth.toml": "[dependencies]\naudit = false\n"}))

    assert any('checks = ["health/"]' in one for one in planned.hints)
    assert "flowhealth.toml is there already and says something else" in planned.kept


def test_settings_in_pyproject(tmp_path: Path) -> None:
    make(tmp_path, **{"pyproject.toml": '[tool.flowhealth]\nchecks = ["health/"]\n'})
    planned = plan(tmp_path)
    write(planned)

    assert "flowhealth.toml" not in [one.path for one in planned.changes]
    assert planned.hints == ()
    assert load_target(None, {}, tmp_path).config.checks == ("health/",)  # both would be a mistake


def test_a_folder_below_the_repository(tmp_path: Path) -> None:
    (tmp_path / ".git").mkdir()
    (tmp_path / "app").mkdir()
    planned = plan(make(tmp_path / "app"))

    assert not [one for one in planned.changes if one.path.startswith(".github")]
    assert ".github is left out" in planned.hints[0]


@pytest.mark.parametrize("part", ["health", ".github", "deploy", "flowhealth.toml", MANIFEST])
def test_links_that_lead_out(tmp_path: Path, part: str) -> None:
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


def test_links_inside_stay_links(tmp_path: Path) -> None:
    make(tmp_path)
    (tmp_path / "checks").mkdir()
    (tmp_path / "health").symlink_to("checks")
    (tmp_path / "real.json").write_text(PLAIN)
    (tmp_path / MANIFEST).unlink()
    (tmp_path / MANIFEST).symlink_to("real.json")
    write(plan(tmp_path))

    assert (tmp_path / "health").is_symlink()
    assert (tmp_path / MANIFEST).is_symlink()
    assert "monitor:all" in (tmp_path / "real.json").read_text()
    assert (tmp_path / "checks/test_app.py").is_file()


def test_all_that_is_in_the_way_is_named(tmp_path: Path) -> None:
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
        ("", "no JSON"),
        ("{", "no JSON"),
        ("[]", "not an object"),
        ('{"scripts": []}', "'scripts' must be an object"),
        ('{"scripts": null}', "'scripts' must be an object of strings"),
        ('{"workspaces": 3}', "'workspaces' must be a list"),
        ('{"workspaces": ["../*"]}', "leads out of the project"),
        (b"\xff\xfe", "not UTF-8"),
    ],
)
def test_a_package_json_that_can_not_be(
    tmp_path: Path, manifest: str | bytes | None, says: str
) -> None:
    if manifest is not None:
        content = manifest if isinstance(manifest, bytes) else manifest.encode()
        (tmp_path / MANIFEST).write_bytes(content)

    with pytest.raises(UsageError) as caught:
        plan(tmp_path)
    assert says in str(caught.value)


# Writing


def test_what_changed_in_between_is_left(tmp_path: Path) -> None:
    planned = plan(make(tmp_path))
    (tmp_path / MANIFEST).write_text('{"name": "mine now"}')
    before = listing(tmp_path)

    with pytest.raises(ProbeError, match=r"package\.json changed in the meantime"):
        write(planned)
    assert listing(tmp_path) == before


def test_what_appeared_in_between_is_left(tmp_path: Path) -> None:
    planned = plan(make(tmp_path))
    make(tmp_path, **{UNIT: "mine"})
    before = listing(tmp_path)

    with pytest.raises(ProbeError, match=r"flowhealth\.service appeared in the meantime"):
        write(planned)
    assert listing(tmp_path) == before


def test_a_read_only_manifest(tmp_path: Path) -> None:
    planned = plan(make(tmp_path))
    (tmp_path / MANIFEST).chmod(0o444)
    before = listing(tmp_path)

    with pytest.raises(ProbeError, match=r"package.json is read-only \(chmod u\+w"):
        write(planned)
    assert listing(tmp_path) == before


def test_rights_stay(tmp_path: Path) -> None:
    make(tmp_path)
    (tmp_path / MANIFEST).chmod(0o600)
    write(plan(tmp_path))

    assert (tmp_path / MANIFEST).stat().st_mode & 0o777 == 0o600
    assert (tmp_path / CHECK).stat().st_mode & 0o777 == 0o644


def test_an_interruption_takes_everything_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    planned = plan(make(tmp_path))
    before = listing(tmp_path)
    real = os.replace
    count = 0

    def interrupted(self: Path, to: Path) -> Path:
        nonlocal count
        count += 1
        if count == 5:
            raise KeyboardInterrupt
        real(self, to)
        return to

    monkeypatch.setattr(Path, "replace", interrupted)
    with pytest.raises(KeyboardInterrupt):
        write(planned)
    assert listing(tmp_path) == before


@pytest.mark.skipif(os.geteuid() != 0 or not shutil.which("mount"), reason="mounts a small disk")
@pytest.mark.parametrize("room", [4, 12, 20, 28])
def test_a_full_disk(tmp_path: Path, room: int) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    argv = ["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", str(disk)]
    if subprocess.run(argv, check=False).returncode:
        pytest.skip("a tmpfs can't be mounted here")
    try:
        planned = plan(make(disk))
        with (disk / "filler").open("wb", buffering=0) as filler:
            free = os.statvfs(disk)
            filler.write(b"x" * (free.f_bavail * free.f_bsize - room * 1024))
        before = listing(disk)

        with pytest.raises(ProbeError, match="No space left on device; nothing was written"):
            write(planned)
        assert listing(disk) == before
    finally:
        subprocess.run(["umount", str(disk)], check=True)


# What is written


def test_the_settings_name_every_key(tmp_path: Path) -> None:
    """Each line that is commented out can be used, but for examples that leave something out."""
    text = settings_text(look(make(tmp_path)))
    lines = text.splitlines()
    heads = [number for number, line in enumerate(lines) if re.match(r"(# )?\[[a-z.]+\]$", line)]
    tried = 0
    for head, end in zip(heads, [*heads[1:], len(lines)], strict=True):
        table = lines[head].removeprefix("# ")
        keys = [
            line.removeprefix("# ") for line in lines[head:end] if re.match(r'# ["\w.]+ = ', line)
        ]
        for key in [one for one in keys if "..." not in one]:
            tried += 1
            decoder = Decoder("flowhealth.toml")
            decoder.table(tomllib.loads(f"{table}\n{key}"))
            assert decoder.problems == [], (table, key)
    assert tried > 90


def test_the_settings_are_used(tmp_path: Path) -> None:
    manifest = (
        '{"name": "a", "main": "lib/a.js", "types": "lib/a.d.ts", "engines": {"node": ">=22"}, '
        '"dependencies": {"ioredis": "5", "it\'s \\"odd\\" \\u007f": "1"}}'
    )
    make(tmp_path, manifest, **{"tsconfig.json": "{}", ".env": "A=1", "lib/a.d.ts": ""})
    write(plan(tmp_path))
    config = load_target(None, {}, tmp_path).config

    assert config.checks == ("health/",)
    assert config.system.node == ">=22"
    assert config.package.critical == ("ioredis", 'it\'s "odd" \x7f')
    assert config.build.artifacts == ("lib/a.js", "lib/a.d.ts")
    assert config.configuration.files == ("tsconfig.json",)
    assert config.redis.url is None  # else it would win over REDIS_URL
    assert "Found: ioredis" in (tmp_path / "flowhealth.toml").read_text()


@pytest.mark.parametrize("exports", ['{"./*": "./lib/*.js"}', '"./../out.js"'])
def test_promises_that_are_no_paths_stay_with_package_json(tmp_path: Path, exports: str) -> None:
    found = look(make(tmp_path, f'{{"name": "a", "exports": {exports}}}'))

    assert "build.artifacts" not in found.values


@pytest.mark.parametrize("name", sorted(presets()))
def test_a_preset_is_left_to_itself(tmp_path: Path, name: str) -> None:
    make(
        tmp_path,
        f'{{"name": "{name}", "dependencies": {{"x": "1"}}, "engines": {{"node": ">=18"}}}}',
    )
    before = load_target(None, {}, tmp_path).config
    write(plan(tmp_path))
    after = load_target(None, {}, tmp_path).config

    assert after.checks == ("health/",)
    assert (after.package, after.build, after.system) == (
        before.package,
        before.build,
        before.system,
    )


HOSTILE = st.text(st.characters(codec="utf-8")) | st.sampled_from(
    ["\x1b[31m", "a\nb", "']", "\x7f"]
)


@given(
    value=st.recursive(
        HOSTILE | st.booleans() | st.integers(-(2**63), 2**63 - 1),
        lambda inner: st.lists(inner) | st.dictionaries(HOSTILE, inner),
    )
)
def test_toml_says_what_was_meant(value: Any) -> None:
    assert tomllib.loads(f"x = {toml(value)}") == {"x": value}


@pytest.mark.parametrize(
    "name", ["@acme/shop", "a\\nb", "%n", "$word", "a: [b", "\\ud800", "../../etc", "", "x" * 300]
)
def test_hostile_names(tmp_path: Path, name: str) -> None:
    make(tmp_path, f'{{"name": "{name}", "dependencies": {{"{name}": "1"}}, "main": "{name}.js"}}')
    planned = plan(tmp_path)
    files = {one.path: one.after.decode() for one in planned.changes}

    tomllib.loads(files["flowhealth.toml"])
    yaml.safe_load(files[WORKFLOW])
    words = {"@acme/shop": "shop", "../../etc": "etc", "x" * 300: "x" * 300}
    word = words.get(name, "app")
    assert f"Description=Health of {word}\n" in files[UNIT]
    assert "%" not in files[UNIT]


@pytest.mark.parametrize("kind", ["server", "library", "command", "scripts"])
def test_the_checks_are_tidy(tmp_path: Path, kind: str) -> None:
    source = ROOT / f"pytest_flowhealth/feedback/scaffold/templates/checks/{kind}.py.txt"
    shutil.copy(source, tmp_path / "check.py")
    ruff = [sys.executable, "-m", "ruff"]
    isolated = ["--isolated", "--line-length=100", "check.py"]
    subprocess.run([*ruff, "check", "--select=E,F,B,UP", *isolated], cwd=tmp_path, check=True)
    subprocess.run([*ruff, "format", "--check", *isolated], cwd=tmp_path, check=True)
    mypy = [sys.executable, "-m", "mypy", "--strict", "--config-file=", "check.py"]
    done = subprocess.run(mypy, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("path", FORMS)
def test_forms(tmp_path: Path, path: str) -> None:
    form = yaml.safe_load(
        next(one.after for one in plan(make(tmp_path)).changes if one.path == path)
    )

    assert problems_of(form) == []
    assert form["labels"] == [{"bug": "bug", "feat": "enhancement", "inst": "installation"}[
        next(one for one in ("bug", "feat", "inst") if one in path.rpartition("/")[2][:4])
    ]]  # fmt: skip


SECTIONS = {
    FORMS[0]: "npm node os arch steps expected actual logs method configuration impact solutions",
    FORMS[1]: "problem proposal alternatives use_cases implementation impact breaking_changes "
    "performance documentation willingness",
    FORMS[2]: "method requirements error npm_debug_log network dependencies build_tools redis "
    "diagnostics timeline",
}


@pytest.mark.parametrize("path", FORMS)
def test_forms_have_their_sections(tmp_path: Path, path: str) -> None:
    form = yaml.safe_load(
        next(one.after for one in plan(make(tmp_path)).changes if one.path == path)
    )

    assert set(SECTIONS[path].split()) <= {one.get("id") for one in form["body"]}


@pytest.mark.parametrize(
    ("form", "says"),
    [
        ({"description": "a", "body": [{"type": "input", "attributes": {"label": "a"}}]}, "name"),
        ({"name": "a", "description": True, "body": []}, "description must be a string"),
        ({"name": "a", "description": "b", "hello": 1, "body": []}, "hello is not a permitted key"),
        ({"name": "a", "description": "b", "body": [{"type": "x"}]}, "not a valid input type"),
    ],
)
def test_the_rules_find_faults(form: dict[str, Any], says: str) -> None:
    assert any(says in one for one in problems_of(form))


@pytest.mark.parametrize(
    ("engines", "nodes"),
    [
        ("", ["20", "22", "24"]),
        (', "engines": {"node": ">=22.5"}', ["22", "24"]),
        (', "engines": {"node": "^20.11"}', ["20"]),
        (', "engines": {"node": ">=99"}', ["lts/*"]),
        (', "engines": {"node": "nonsense"}', ["20", "22", "24"]),
    ],
)
def test_the_job(tmp_path: Path, engines: str, nodes: list[str]) -> None:
    make(tmp_path, f'{{"name": "a"{engines}}}', **{"package-lock.json": "{}"})
    text = next(one.after for one in plan(tmp_path).changes if one.path == WORKFLOW)
    job = yaml.safe_load(text)["jobs"]["health"]
    runs = [one["run"] for one in job["steps"] if "run" in one]
    uses = [one["uses"] for one in job["steps"] if "uses" in one]

    assert job["strategy"]["matrix"]["node"] == nodes
    assert runs[0] == "npm ci"
    assert all(re.fullmatch(r"actions/[a-z-]+@v\d+", one) for one in uses)
    assert "!cancelled()" in job["steps"][-1]["if"]


def test_the_unit_is_the_documented_one() -> None:
    documented = re.search(
        r"```ini\n(.*?)```", (ROOT / "docs/deployment.md").read_text(), re.DOTALL
    )
    unit = service_unit("shop", redis=True)

    assert documented is not None
    assert documented[1] == unit.replace("Health of shop", "Health of the shop")


@pytest.mark.parametrize("redis", [True, False])
def test_the_unit_is_one(tmp_path: Path, redis: bool) -> None:
    if not shutil.which("systemd-analyze"):
        pytest.skip("systemd is not installed")
    text = service_unit("shop", redis=redis).replace("/opt/flowhealth/bin/pytest", "/bin/true")
    unit = tmp_path / "flowhealth.service"
    unit.write_text(text)

    done = subprocess.run(
        ["systemd-analyze", "verify", str(unit)], capture_output=True, text=True, check=False, timeout=60
    )  # fmt: skip
    assert "flowhealth.service" not in done.stderr, done.stderr
