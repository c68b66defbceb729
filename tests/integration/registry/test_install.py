"""Installing from nothing, with the real npm: what works, what does not and who asks for it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from pytest_flowhealth.config.model import Configuration, Npm
from pytest_flowhealth.config.target import Target
from pytest_flowhealth.errors import ProbeError, Unmeasured
from pytest_flowhealth.probes.registry import scratch
from pytest_flowhealth.probes.registry.install import Installed, install_packed, install_published
from pytest_flowhealth.probes.registry.settings import read_settings
from tests.kit.registry import RegistryFront


@pytest.fixture(autouse=True)
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder for temporary files, in which nothing may be left over."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    yield folder
    assert list(folder.glob(f"{scratch.PREFIX}*")) == []


def published(root: Path, name: str, registry: str | None = None, **how: Any) -> Installed:
    root.mkdir(exist_ok=True)
    (root / "package.json").write_text(json.dumps({"name": name}))
    target = Target(root, Configuration(npm=Npm(registry=registry)))
    return install_published(read_settings(target), **how)


def packed(
    root: Path, files: dict[str, str], registry: str | None = None, **fields: Any
) -> Installed:
    root.mkdir(exist_ok=True)
    manifest = {"name": "mine", "version": "1.2.3", **fields}
    scripts = manifest.pop("run_scripts", True)
    (root / "package.json").write_text(json.dumps(manifest))
    for name, text in files.items():
        (root / name).write_text(text)
    target = Target(root, Configuration(npm=Npm(registry=registry)))
    return install_packed(read_settings(target), root, scripts=scripts)


def document(name: str, **dependencies: str) -> dict[str, Any]:
    """A package's document; the archive is nowhere, for npm never gets that far."""
    version = {
        "name": name,
        "version": "1.0.0",
        "dependencies": dependencies,
        "dist": {"tarball": f"http://127.0.0.1:1/{name}.tgz", "integrity": "sha512-AAAA"},
    }
    return {"name": name, "dist-tags": {"latest": "1.0.0"}, "versions": {"1.0.0": version}}


def test_express(tmp_path: Path) -> None:
    found = published(tmp_path / "project", "express")

    assert found.works, found
    assert found.package.startswith("express@")
    assert found.packages > 30
    assert found.size > 500_000
    assert found.seconds > 0


def test_scoped(tmp_path: Path) -> None:
    found = published(tmp_path / "project", "@types/ms")

    assert found.works, found
    assert found.notes == ("@types/ms has no entry point to load",)


def test_dependency_that_does_not_exist(tmp_path: Path) -> None:
    found = published(tmp_path / "project", "claude-flow-novice")

    assert not found.works
    assert found.failure is not None
    assert found.package == "claude-flow-novice@2.21.0"
    assert found.failure.dependency == "cerebras@^1.0.0"
    assert found.failure.asked_by == "claude-flow-novice@2.21.0"
    assert "is not in the registry" in found.failure.why
    assert found.failure.remedy == "npm view cerebras"


@pytest.mark.parametrize("missing", ["ms@^99.0.0", "@nobody-flowhealth/nothing@^1.0.0"])
def test_dependency_of_a_dependency(tmp_path: Path, missing: str) -> None:
    """The one who asks is named, not the package at the top."""
    name, _, wanted = missing.rpartition("@")
    documents = {
        "outer": document("outer", inner="^1.0.0"),
        "inner": document("inner", **{name: wanted}),
    }
    with RegistryFront(documents=documents, unknown=["@nobody-flowhealth/nothing"]) as front:
        found = published(tmp_path / "project", "outer", front.url)

    assert found.failure is not None
    assert found.package == "outer@1.0.0"
    assert found.failure.dependency == missing
    assert found.failure.asked_by == "inner@1.0.0"
    assert "inner@1.0.0 asks for it" in found.failure.why


def test_version_that_does_not_exist(tmp_path: Path) -> None:
    found = packed(tmp_path / "project", {"index.js": ""}, dependencies={"ms": "^99.0.0"})

    assert found.failure is not None
    assert found.failure.code == "ETARGET"
    assert found.failure.why == "ms@^99.0.0 has no version in that range; mine@1.2.3 asks for it"
    assert found.failure.remedy == "npm view ms versions"


def test_not_for_this_system(tmp_path: Path) -> None:
    found = packed(tmp_path / "project", {"index.js": "exports.a = 1"}, os=["plan9"])

    assert found.failure is not None
    assert found.failure.code == "EBADPLATFORM"
    assert "mine@1.2.3 is not made for this system" in found.failure.why


def test_peers_that_disagree(tmp_path: Path) -> None:
    documents = {name: document(name) for name in ("outer", "first", "second", "peer")}
    versions = documents["peer"]["versions"]
    versions["2.0.0"] = versions["1.0.0"] | {"version": "2.0.0"}
    for name, peers in (
        ("outer", {"first": "1.0.0", "second": "1.0.0"}),
        ("first", {"peer": "1.0.0"}),
        ("second", {"peer": "2.0.0"}),
    ):
        documents[name]["versions"]["1.0.0"]["peerDependencies"] = peers
    with RegistryFront(documents=documents) as front:
        found = published(tmp_path / "project", "outer", front.url)

    assert found.failure is not None
    assert found.failure.code == "ERESOLVE"
    assert "can't be had together" in found.failure.why


@pytest.mark.parametrize("run_scripts", [True, False])
def test_script_that_fails(tmp_path: Path, *, run_scripts: bool) -> None:
    files = {"index.js": "exports.a = 1"}
    scripts = {"postinstall": "echo this is why >&2; exit 3"}

    found = packed(tmp_path / "project", files, scripts=scripts, run_scripts=run_scripts)

    assert found.works is not run_scripts
    if run_scripts:
        assert found.failure is not None
        assert "a script of mine" in found.failure.why
        assert "this is why" in found.failure.why


def test_own_scripts_are_not_run(tmp_path: Path) -> None:
    """To pack must not build into the working tree."""
    files = {"index.js": "exports.a = 1"}
    scripts = dict.fromkeys(("prepack", "prepare", "prepublishOnly"), "touch built")

    assert packed(tmp_path / "project", files, scripts=scripts).works
    assert sorted(path.name for path in (tmp_path / "project").iterdir()) == [
        "index.js",
        "package.json",
    ]


@pytest.mark.parametrize(
    ("files", "fields", "says"),
    [
        ({"index.js": "throw new Error('not today')"}, {}, "not today"),
        ({"index.js": "require('absent-flowhealth')"}, {}, "absent-flowhealth"),
        ({"README.md": "x"}, {"main": "dist/index.js"}, "mine"),
        (
            {"index.js": "exports.a = 1"},
            {"bin": {"tool": "bin/tool.js"}},
            "its command tool is not there",
        ),
        (
            {"index.js": "exports.a = 1", "tool.js": "{{"},
            {"bin": "tool.js"},
            "its command mine does not parse",
        ),
    ],
)
def test_entry_points(
    tmp_path: Path, files: dict[str, str], fields: dict[str, Any], says: str
) -> None:
    found = packed(tmp_path / "project", files, **fields)

    assert found.failure is None
    assert any(says in one for one in found.broken), found
    assert str(tmp_path) not in "".join(found.broken)


def test_works(tmp_path: Path) -> None:
    files = {
        "index.mjs": "import 'ms'; export const a = 1;",
        "tool.mjs": "#!/usr/bin/env node\nexport {};",
    }
    fields: dict[str, Any] = {
        "exports": "./index.mjs",
        "bin": {"tool": "tool.mjs"},
        "dependencies": {"ms": "^2.0.0"},
    }

    found = packed(tmp_path / "project", files, **fields)

    assert found.works, found
    assert (found.package, found.packages) == ("mine@1.2.3", 2)


def test_scripts_see_no_secrets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nor the user's home, nor whatever else the run was given."""
    monkeypatch.setenv("REDIS_PASSWORD", "geheim")
    monkeypatch.setenv("FLOWHEALTH_ANYTHING", "geheim")
    out = tmp_path / "environment"
    scripts = {"postinstall": f"env > {out}"}

    assert packed(tmp_path / "project", {"index.js": "exports.a = 1"}, scripts=scripts).works

    seen = out.read_text()
    assert "geheim" not in seen
    assert f"HOME={os.environ['HOME']}\n" not in seen


@pytest.mark.parametrize("get", ["500", "503", "hang", "html", "garbage", "nothing"])
def test_registry_that_does_not_answer(tmp_path: Path, get: str) -> None:
    """That is nothing that the package can be blamed for."""
    with RegistryFront(get=get) as front, pytest.raises(Unmeasured):
        published(tmp_path / "project", "express", front.url, seconds=15)


def test_nobody_there(tmp_path: Path) -> None:
    with pytest.raises(Unmeasured, match="could not be done: ECONNREFUSED"):
        published(tmp_path / "project", "express", "http://127.0.0.1:1/")


def test_tree_that_can_not_be_packed(tmp_path: Path) -> None:
    with pytest.raises(ProbeError, match="the working tree can't be packed"):
        packed(tmp_path / "project", {}, version=None)


def test_time_is_up(tmp_path: Path) -> None:
    with RegistryFront(get="hang") as front, pytest.raises(Unmeasured, match="within 2 s"):
        published(tmp_path / "project", "express", front.url, seconds=2)
    assert not _ours(tmp_path)


PROGRAM = """
import sys, threading, time
from pathlib import Path
from pytest_flowhealth.config.model import Configuration, Npm
from pytest_flowhealth.config.target import Target
from pytest_flowhealth.probes.registry.install import install_published
from pytest_flowhealth.probes.registry.settings import read_settings
root = Path(sys.argv[1])
settings = read_settings(Target(root, Configuration(npm=Npm(registry=sys.argv[2]))))
threading.Thread(target=install_published, args=(settings,), daemon=True).start()
time.sleep(float(sys.argv[3]))
"""


@pytest.mark.parametrize("how", ["end", "kill"])
def test_ended_in_the_middle(tmp_path: Path, temporary: Path, how: str) -> None:
    """Nothing is left, whether Python ends or is killed."""
    root = tmp_path / "project"
    root.mkdir()
    (root / "package.json").write_text('{"name": "express"}')
    with RegistryFront(get="hang") as front:
        process = subprocess.Popen(
            [sys.executable, "-c", PROGRAM, str(root), front.url, "600" if how == "kill" else "6"],
            env={**os.environ, "TMPDIR": str(temporary)},
        )
        _wait_for(lambda: _ours(temporary))
        if how == "kill":
            process.send_signal(signal.SIGKILL)
        process.wait(60)
        _wait_for(lambda: not _ours(temporary))
        _wait_for(lambda: not list(temporary.glob(f"{scratch.PREFIX}*")))


def test_what_was_left_is_removed(temporary: Path) -> None:
    process = subprocess.Popen(["true"])
    process.wait()
    left = temporary / f"{scratch.PREFIX}{process.pid}-x"
    (left / "project").mkdir(parents=True)
    with scratch.scratch() as folder:
        assert list(temporary.glob(f"{scratch.PREFIX}*")) == [folder]


def _ours(folder: Path) -> list[psutil.Process]:
    """Return the processes that work below a folder."""
    found = []
    for one in psutil.process_iter():
        try:
            if one.cwd().startswith(str(folder)):
                found.append(one)
        except (psutil.Error, OSError):
            continue
    return found


def _wait_for(condition: Any) -> None:
    until = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.05)


def test_folders_of_the_living_stay(temporary: Path) -> None:
    alive = temporary / f"{scratch.PREFIX}{os.getpid()}-x"
    other = temporary / f"{scratch.PREFIX}x"
    for one in (alive, other):
        one.mkdir()
    with scratch.scratch():
        assert alive.exists()
        assert other.exists()
    alive.rmdir()
    other.rmdir()
