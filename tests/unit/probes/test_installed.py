"""Installed packages against what was published: real installs by npm, and archives of our own making."""

from __future__ import annotations

import base64
import gzip
import hashlib
import io
import json
import os
import random
import shutil
import subprocess
import tarfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from pytest_flowhealth.errors import NotApplicable
from pytest_flowhealth.probes import archives, entries, installed, npm
from pytest_flowhealth.probes.installed import Comparison

CODE = "module.exports = { a: 1 };\n" * 40
INSTALL = ("npm", "install", "--no-audit", "--no-fund", "--omit-lockfile-registry-resolved=true")


def packed(files: Mapping[str, bytes | str | None], folder: str = "package") -> bytes:
    """Return an archive of files; None is a symbolic link."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz") as tar:
        for name, content in files.items():
            info = tarfile.TarInfo(f"{folder}/{name}")
            if content is None:
                info.type, info.linkname = tarfile.SYMTYPE, "elsewhere"
                tar.addfile(info)
                continue
            data = content.encode() if isinstance(content, str) else content
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    return out.getvalue()


class Project:
    """A project with packages, and a cache with their archives, both made by hand."""

    def __init__(self, root: Path) -> None:
        self.modules = root / "app/node_modules"
        self.cache = root / "cache"
        self.lock: dict[str, dict[str, Any]] = {}
        self.modules.mkdir(parents=True)

    def keep(self, archive: bytes, algorithm: str = "sha512") -> str:
        """Put an archive into the cache, and return its digest."""
        digest = hashlib.new(algorithm, archive)
        name = digest.hexdigest()
        path = self.cache / "_cacache/content-v2" / algorithm / name[:2] / name[2:4] / name[4:]
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(archive)
        return f"{algorithm}-{base64.b64encode(digest.digest()).decode()}"

    def add(
        self,
        name: str,
        files: Mapping[str, bytes | str],
        archive: bytes | None = None,
        **entry: Any,
    ) -> Path:
        """Install a package with `files`; its archive has the same ones, if it is not given."""
        manifest = json.dumps({"name": name, "version": "1.0.0", "main": "index.js"})
        whole = {"package.json": manifest, **files}
        for file, content in whole.items():
            path = self.modules / name / file
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content.encode() if isinstance(content, str) else content)
        digest = self.keep(packed(whole) if archive is None else archive)
        place = f"node_modules/{name}"
        self.lock[place] = {"version": "1.0.0", "integrity": digest, **entry}
        return self.modules / name

    def compare(self, **options: Any) -> Comparison:
        """Write the hidden lock file, and compare."""
        told = {"lockfileVersion": 3, "packages": self.lock}
        (self.modules / ".package-lock.json").write_text(json.dumps(told))
        return installed.compare(self.modules, self.cache, **options)

    def faults(self) -> dict[str, str]:
        """Compare, and return the kind of each file's fault."""
        found = self.compare()
        return {one.file: one.kind for one in (*found.broken, *found.altered)}


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return Project(tmp_path)


def replace(path: Path, make: Callable[[], object]) -> None:
    path.unlink()
    make()


FAULTS: dict[str, tuple[Callable[[Path], object], str]] = {
    "emptied": (lambda path: path.write_text(""), "empty"),
    "deleted": (Path.unlink, "missing"),
    "cut off": (lambda path: path.write_text(CODE[: len(CODE) // 2]), "cut off"),
    "zeroed": (lambda path: path.write_bytes(bytes(len(CODE))), "garbled"),
    "does not parse": (lambda path: path.write_text("}" + CODE[1:]), "unparseable"),
    "edited": (lambda path: path.write_text("//" + CODE), "altered"),
    "longer": (lambda path: path.write_text(CODE + "//"), "altered"),
    "same size": (lambda path: path.write_text(CODE.replace("a", "b")), "altered"),
    "a folder": (lambda path: replace(path, path.mkdir), "no file"),
    "a pipe": (lambda path: replace(path, lambda: os.mkfifo(path)), "no file"),
    "a dead link": (lambda path: replace(path, lambda: path.symlink_to("nowhere")), "no file"),
}


@pytest.mark.parametrize("row", FAULTS)
def test_fault(project: Project, row: str) -> None:
    fault, kind = FAULTS[row]
    folder = project.add("thing", {"index.js": "1", "lib/deep/a.js": CODE})
    fault(folder / "lib/deep/a.js")

    found = project.compare()

    assert [(one.place, one.file, one.kind) for one in (*found.broken, *found.altered)] == [
        ("node_modules/thing", "lib/deep/a.js", kind)
    ]
    assert found.compared == 1
    assert (found.altered != ()) is (kind == "altered")


def test_a_whole_folder_is_gone(project: Project) -> None:
    folder = project.add("thing", {"index.js": "1", "lib/a.js": CODE, "lib/b.js": CODE})
    shutil.rmtree(folder / "lib")
    assert project.faults() == {"lib/a.js": "missing", "lib/b.js": "missing"}


def test_json_that_does_not_parse(project: Project) -> None:
    folder = project.add("thing", {"index.js": "1", "a.json": '{"a": 1}', "b.json": "[1]"})
    (folder / "a.json").write_text("{'a': 1}")
    (folder / "b.json").write_text("[2]")
    assert project.faults() == {"a.json": "unparseable", "b.json": "altered"}


def patch(project: Project, name: str, file: str) -> Path:
    """Write the patch of a package's file as patch-package does."""
    folder = project.modules.parent / "patches"
    folder.mkdir()
    path = f"node_modules/{name}/{file}"
    text = f"diff --git a/{path} b/{path}\n--- a/{path}\n+++ b/{path}\n@@ -1 +1 @@\n-1\n+2\n"
    (folder / f"{name}+1.0.0.patch").write_text(text)
    return folder


MEANT: dict[str, Callable[[Project, Path], object]] = {
    "prose is gone": lambda project, folder: (folder / "README.md").unlink(),
    "a licence is gone": lambda project, folder: (folder / "LICENSE").unlink(),
    "a map is gone": lambda project, folder: (folder / "a.js.map").unlink(),
    "types are gone": lambda project, folder: (folder / "a.d.ts").unlink(),
    "tests are gone": lambda project, folder: shutil.rmtree(folder / "test"),
    "something is more": lambda project, folder: (folder / "build.js").write_text(""),
    "npm 6 wrote into package.json": lambda project, folder: (folder / "package.json").write_text(
        '{"_id": "thing@1.0.0", "_resolved": "x", "name": "thing", "version": "1.0.0"}'
    ),
    "patched": lambda project, folder: (
        patch(project, "thing", "a.js"),
        (folder / "a.js").write_text("}"),
    ),
    "an install script's work": lambda project, folder: (
        project.lock["node_modules/thing"].update(hasInstallScript=True),
        (folder / "a.js").write_bytes(b"\x7fELF\0\0"),
    ),
}


@pytest.mark.parametrize("row", MEANT)
def test_what_is_meant_is_no_fault(project: Project, row: str) -> None:
    files = {
        "index.js": "1",
        "a.js": CODE,
        "a.d.ts": "export {}",
        "a.js.map": "{}",
        "README.md": "read",
        "LICENSE": "do",
        "test/a.js": "1",
        "test/deep/a.js": "1",
    }
    folder = project.add("thing", files)
    MEANT[row](project, folder)

    found = project.compare()

    assert (found.broken, found.altered, found.compared) == ((), (), 1)


def test_emptied_in_spite_of_a_script_or_a_patch(project: Project) -> None:
    for name in ("scripted", "patched"):
        folder = project.add(name, {"index.js": "1", "a.js": CODE}, hasInstallScript=True)
        (folder / "a.js").write_text("")
    patch(project, "patched", "a.js")

    assert [one.place for one in project.compare().broken] == [
        "node_modules/scripted",
        "node_modules/patched",
    ]


def test_what_npm_leaves_out_and_renames(project: Project) -> None:
    manifest = '{"name": "thing", "version": "1.0.0"}'
    archive = packed(
        {
            "package.json": manifest,
            "index.js": "old",
            ".gitignore": "x",
            "sub/.npmignore": "y",
            "link.js": None,
            "node_modules/other/index.js": "1",
            "node_modules/kept/index.js": "1",
            "../out.js": "1",
            "a/../b.js": "1",
            "bin.js": "#!/usr/bin/env node\r\nlet a;\r\n",
        },
        folder="another-name",
    ) + packed({"index.js": "1"})
    folder = project.add(
        "thing", {"index.js": "old", "b.js": "1", "bin.js": "#!/usr/bin/env node\nlet a;\r\n"}, archive
    )  # fmt: skip
    (folder / "package.json").write_text(manifest)
    project.lock["node_modules/thing/node_modules/kept"] = {"version": "1.0.0", "inBundle": True}

    found = project.compare()

    assert [(one.file, one.kind) for one in found.broken] == [
        ("node_modules/kept/index.js", "missing")
    ]
    assert (found.compared, found.altered) == (1, ())


def test_of_two_entries_with_one_name_the_last_counts(project: Project) -> None:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        for content in (b"first", b"the last"):
            info = tarfile.TarInfo("package/index.js")
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    folder = project.add("thing", {"index.js": "the last"}, out.getvalue())  # not even zipped
    assert project.compare().broken == project.compare().altered == ()

    (folder / "index.js").write_text("first")
    assert project.faults() == {"index.js": "altered"}


@pytest.mark.parametrize("algorithm", ["sha512", "sha1"])
def test_digests(project: Project, algorithm: str) -> None:
    folder = project.add("thing", {"index.js": CODE}, b"nothing")
    archive = packed({"package.json": (folder / "package.json").read_bytes(), "index.js": CODE})
    digest = project.keep(archive, algorithm)
    project.lock["node_modules/thing"]["integrity"] = f"sha384-AAAA md5-x {digest}?option"
    assert (project.compare().compared, project.faults()) == (1, {})


UNHELD: dict[str, Callable[[Project, Path], object]] = {
    "no archive": lambda project, folder: shutil.rmtree(project.cache),
    "an archive that is damaged": lambda project, folder: next(
        path for path in project.cache.rglob("*") if path.is_file()
    ).write_bytes(b"\x1f\x8b"),
    "no digest": lambda project, folder: project.lock["node_modules/thing"].pop("integrity"),
    "a digest that is none": lambda project, folder: project.lock["node_modules/thing"].update(
        integrity="sha512-../../../../etc/passwd"
    ),
    "another version": lambda project, folder: (folder / "package.json").write_text(
        '{"name": "thing", "version": "2.0.0"}'
    ),
    "a link": lambda project, folder: (
        folder.rename(folder.with_name("real")).with_name("thing").symlink_to("real")
    ),
}


@pytest.mark.parametrize("row", UNHELD)
def test_what_can_not_be_compared_is_told(project: Project, row: str) -> None:
    folder = project.add("thing", {"index.js": CODE})
    UNHELD[row](project, folder)

    found = project.compare()

    assert (found.compared, found.unheld) == (0, ("node_modules/thing",))
    assert (found.broken, found.blank) == ((), ())


def test_what_is_not_installed_is_another_check_s(project: Project) -> None:
    shutil.rmtree(project.add("thing", {"index.js": CODE}))
    assert project.compare() == Comparison(0)


def test_an_empty_entry_where_the_archive_is_gone(project: Project) -> None:
    project.add("thing", {"index.js": "", "lib/a.js": ""})
    project.add("whole", {"index.js": "1", "lib/a.js": ""})
    project.add("client-only", {"index.js": ""})
    shutil.rmtree(project.cache)

    found = project.compare()

    assert found.blank == ("node_modules/thing/index.js",)
    assert len(found.unheld) == 3


ENTRIES: dict[str, tuple[dict[str, Any], str | None]] = {
    "index": ({}, "index.js"),
    "main": ({"main": "./lib/a.js"}, "lib/a.js"),
    "main without its end": ({"main": "lib/a"}, "lib/a.js"),
    "a main folder": ({"main": "lib"}, "lib/index.js"),
    "a main that is not there": ({"main": "gone.js"}, "index.js"),
    "exports": ({"exports": "./lib/a.js", "main": "full.js"}, "lib/a.js"),
    "a dot": ({"exports": {".": {"import": "./full.js", "require": "./lib/a.js"}}}, "lib/a.js"),
    "conditions": (
        {"exports": {"types": "./a.d.ts", "browser": "./lib/a.js", "default": "./full.js"}},
        None,
    ),
    "deep conditions": ({"exports": {".": {"node": [{"import": "./lib/a.js"}]}}}, "lib/a.js"),
    "no dot": ({"exports": {"./a": "./lib/a.js"}}, None),
    "full": ({"main": "full.js"}, None),
    "types": ({"main": "a.d.ts"}, None),
    "out of the package": ({"main": "../../../etc/hostname"}, "index.js"),
    "for one platform": ({"os": ["linux"]}, None),
    "no text": ({"main": 5, "exports": 5}, None),
}


@pytest.mark.parametrize("row", ENTRIES)
def test_entry(tmp_path: Path, row: str) -> None:
    manifest, empty = ENTRIES[row]
    (tmp_path / "lib").mkdir()
    for name in ("index.js", "lib/a.js", "lib/index.js", "a.d.ts"):
        (tmp_path / name).write_text("")
    (tmp_path / "full.js").write_text("1")
    (tmp_path / "package.json").write_text(json.dumps({"name": "thing", **manifest}))

    assert entries.empty_entry(tmp_path) == empty


def test_an_empty_manifest(tmp_path: Path) -> None:
    (tmp_path / "package.json").write_text("")
    assert entries.empty_entry(tmp_path) == "package.json"
    assert entries.empty_entry(tmp_path / "nowhere") is None


def headed(kind: bytes, size: int, content: bytes = b"", times: int = 1) -> bytes:
    """Return an archive of an entry that says it has `size` bytes."""
    info = tarfile.TarInfo("package/index.js")
    info.type, info.size = kind, size
    return gzip.compress(info.tobuf(tarfile.GNU_FORMAT) * times + content)


HOSTILE = {
    "cut off": packed({"index.js": CODE, "a.js": random.Random(1).randbytes(9_999)})[:5_000],
    "no archive": b"\x1f\x8b nothing of the kind",
    "empty": b"",
    "text": b"hello" * 1_000,
    "without its end": headed(tarfile.REGTYPE, len(CODE), CODE.encode()[:100]),
    "a file of 1 TiB": headed(tarfile.REGTYPE, 2**40, CODE.encode()),
    "a header of 1 TiB": headed(tarfile.XHDTYPE, 2**40),
    "a header of 1 GiB": headed(tarfile.XHDTYPE, 2**30),
    "a name of 1 GiB": headed(tarfile.GNUTYPE_LONGNAME, 2**30),
    "names in names": headed(tarfile.GNUTYPE_LONGNAME, 0, times=3_000),
}


@pytest.mark.parametrize("row", HOSTILE)
def test_hostile_archive(project: Project, row: str) -> None:
    project.add("thing", {"index.js": CODE}, HOSTILE[row])
    (project.add("whole", {"index.js": CODE, "a.js": CODE}) / "a.js").unlink()

    found = project.compare()

    assert [one.place for one in found.broken] == ["node_modules/whole"]
    assert [one.partition(":")[0] for one in found.unread] == ["node_modules/thing"]
    assert found.unread[0].partition(": ")[2]


def test_an_archive_with_too_much_in_it(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    files = {f"{number}.js": CODE for number in range(20)}
    folder = project.add("thing", files)
    one = archives.Package("thing", "1.0.0", project.lock["node_modules/thing"]["integrity"], [])
    for limit, number, words in (("MOST_MEMBERS", 10, "10 entries"), ("MOST_BYTES", 9_999, "more than")):  # fmt: skip
        with monkeypatch.context() as patch:
            patch.setattr(archives, limit, number)
            told = archives.compare(one, folder.parent, project.cache, time.monotonic() + 60)
        assert (told.state, told.faults) == ("unread", [])
        assert words in told.said


def test_hostile_lock_file(project: Project) -> None:
    outside = project.modules.parent.parent / "outside"
    outside.mkdir()
    folder = project.add("thing", {"index.js": CODE})
    entry = project.lock["node_modules/thing"]
    for place in ("../outside", "node_modules/../../outside", "/etc/node_modules/x", "node_modules/\0", "node_modules/\ud800", "node_modules/" + "a" * 9_999):  # fmt: skip
        project.lock[place] = dict(entry)
    project.lock["node_modules/odd"] = {"version": 5, "integrity": ["x"]}
    (folder / "index.js").unlink()

    found = project.compare()

    assert [one.place for one in found.broken] == ["node_modules/thing"]
    assert "outside" not in str(found)


def test_the_time_is_up(project: Project) -> None:
    for name in ("a", "b", "c"):
        project.add(name, {"index.js": CODE})

    found = project.compare(seconds=0)

    assert found.compared == 0
    assert sorted(found.late) == [f"node_modules/{name}" for name in ("a", "b", "c")]


def test_the_time_is_up_within_an_archive(project: Project) -> None:
    folder = project.add("thing", {"index.js": CODE})
    one = archives.Package("thing", "1.0.0", project.lock["node_modules/thing"]["integrity"], [])
    told = archives.compare(one, folder.parent, project.cache, time.monotonic() - 1)
    assert told.state == "late"


def test_names_that_are_no_utf_8(project: Project) -> None:
    out = io.BytesIO()
    with tarfile.open(
        fileobj=out, mode="w:gz", encoding="latin-1", format=tarfile.GNU_FORMAT
    ) as tar:
        info = tarfile.TarInfo("package/\xe4.js")
        info.size = 3
        tar.addfile(info, io.BytesIO(b"abc"))
    project.add("thing", {"index.js": "1"}, out.getvalue())
    assert project.faults() == {"\ufffd.js": "missing"}


def test_no_lock_file(tmp_path: Path) -> None:
    (tmp_path / "node_modules").mkdir()
    with pytest.raises(NotApplicable, match="no lock file"):
        installed.compare(tmp_path / "node_modules", tmp_path)
    (tmp_path / "package-lock.json").write_text("{")
    with pytest.raises(NotApplicable, match=r"package-lock\.json is no JSON"):
        installed.compare(tmp_path / "node_modules", tmp_path)


@pytest.mark.parametrize("hidden", [None, "{", "[]", '{"packages": 5}', "[" * 1_000_000])
def test_without_the_hidden_lock_file(project: Project, hidden: str | None) -> None:
    folder = project.add("thing", {"index.js": CODE})
    (folder / "index.js").unlink()
    told = {"lockfileVersion": 3, "packages": project.lock}
    (project.modules.parent / "package-lock.json").write_text(json.dumps(told))
    if hidden is not None:
        (project.modules / ".package-lock.json").write_text(hidden)

    found = installed.compare(project.modules, project.cache)

    assert [one.kind for one in found.broken] == ["missing"]


def test_digests_that_the_hidden_lock_file_has_lost(project: Project) -> None:
    """As npm leaves them out of what it found installed already."""
    folder = project.add("thing", {"index.js": CODE})
    (folder / "index.js").unlink()
    told = {"lockfileVersion": 3, "packages": {one: dict(entry) for one, entry in project.lock.items()}}  # fmt: skip
    (project.modules.parent / "package-lock.json").write_text(json.dumps(told))
    del project.lock["node_modules/thing"]["integrity"]

    assert project.faults() == {"index.js": "missing"}


@pytest.fixture(scope="session")
def real(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project with workspaces, aliases and commands, as npm installs it."""
    root = tmp_path_factory.mktemp("real")
    one = root / "packages/one"
    one.mkdir(parents=True)
    (one / "package.json").write_text(
        '{"name": "one", "version": "1.0.0", "dependencies": {"ms": "^1.0.0"}}'
    )
    wanted = {"ms": "^2.0.0", "semver": "^7", "odd": "npm:is-number@^7", "debug": "^4"}
    told = {"name": "app", "version": "1.0.0", "workspaces": ["packages/*"], "dependencies": wanted}
    (root / "package.json").write_text(json.dumps(told))
    subprocess.run(INSTALL, cwd=root, check=True, capture_output=True, timeout=120)
    return root


@pytest.fixture
def app(real: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(real, tmp_path / "app", symlinks=True))


def compare(root: Path) -> Comparison:
    return installed.compare(root / "node_modules", npm.cache(root))


def test_what_npm_installed_is_whole(app: Path) -> None:
    found = compare(app)
    assert found == Comparison(5)


@pytest.mark.parametrize("strategy", ["nested", "linked"])
def test_other_ways_of_installing(app: Path, strategy: str) -> None:
    shutil.rmtree(app / "node_modules")
    argv = [*INSTALL, f"--install-strategy={strategy}"]
    subprocess.run(argv, cwd=app, check=True, capture_output=True, timeout=120)

    found = compare(app)

    assert found.compared >= 5
    assert found == Comparison(found.compared)


def test_a_clean_install_of_what_runs_in_production(app: Path) -> None:
    told = json.loads((app / "package.json").read_text())
    told["devDependencies"] = {"debug": told["dependencies"].pop("debug")}
    (app / "package.json").write_text(json.dumps(told))
    for argv in (INSTALL, ["npm", "ci", "--omit=dev", "--no-audit"]):
        subprocess.run(argv, cwd=app, check=True, capture_output=True, timeout=120)
    assert not (app / "node_modules/debug").exists()

    assert compare(app) == Comparison(4)


def test_a_file_of_a_workspace_s_package(app: Path) -> None:
    path = app / "packages/one/node_modules/ms/index.js"
    path.write_text(path.read_text()[:100])

    assert [(one.place, one.kind) for one in compare(app).broken] == [
        ("packages/one/node_modules/ms", "cut off")
    ]


def test_a_cache_without_archives(app: Path, tmp_path: Path) -> None:
    (app / "node_modules/ms/index.js").write_text("")

    found = installed.compare(app / "node_modules", tmp_path / "no-cache")

    assert (found.compared, len(found.unheld)) == (0, 5)
    assert found.blank == ("node_modules/ms/index.js",)
