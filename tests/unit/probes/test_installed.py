"""Installed packages against what was published: archives and a cache made by hand."""

import base64
import gzip
import hashlib
import io
import json
import os
import random
import shutil
import tarfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from pytest_flowhealth.errors import NotApplicable
from pytest_flowhealth.probes import archives, installed
from pytest_flowhealth.probes.command import Completed
from pytest_flowhealth.probes.installed import Comparison
from tests.kit.projects import write

CODE = "module.exports = { a: 1 };\n" * 40
DATA = json.dumps({"a": list(range(300))})


def compare_here(argv: Sequence[str], *, timeout: float, stdin: bytes) -> Completed:
    """Do in this process what the comparing program does."""
    lines = archives.compare_all(json.loads(stdin))
    return Completed(tuple(argv), 0, "".join(lines), "", 0.0)


Files = Mapping[str, bytes | str | None]


def packed(*parts: Files, folder: str = "package") -> bytes:
    """Return an archive of files; None is a symbolic link."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz", format=tarfile.GNU_FORMAT) as tar:
        for name, content in (item for files in parts for item in files.items()):
            info = tarfile.TarInfo(f"{folder}/{name}")
            if content is None:
                info.type, info.linkname = tarfile.SYMTYPE, "elsewhere"
            data = content.encode() if isinstance(content, str) else content or b""
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
    ) -> Path:
        """Install a package with `files`; its archive has the same ones, if it is not given."""
        manifest = json.dumps({"name": name, "version": "1.0.0", "main": "index.js"})
        whole = {"package.json": manifest, **files}
        write(self.modules / name, whole)
        digest = self.keep(packed(whole) if archive is None else archive)
        place = f"node_modules/{name}"
        self.lock[place] = {"version": "1.0.0", "integrity": digest}
        return self.modules / name

    def write_lock(self, path: Path) -> None:
        path.write_text(json.dumps({"lockfileVersion": 3, "packages": self.lock}))

    def compare(self, **options: Any) -> Comparison:
        """Write the hidden lock file, and compare."""
        self.write_lock(self.modules / ".package-lock.json")
        return installed.compare(self.modules, self.cache, run=compare_here, **options)

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


# JSON, which is parsed without Node; integration/project/test_npm.py has scripts.
FAULTS: dict[str, tuple[Callable[[Path], object], str]] = {
    "emptied": (lambda path: path.write_text(""), "empty"),
    "deleted": (Path.unlink, "missing"),
    "its folder is deleted": (lambda path: shutil.rmtree(path.parent), "missing"),
    "cut off": (lambda path: path.write_text(DATA[: len(DATA) // 2]), "cut off"),
    "zeroed": (lambda path: path.write_bytes(bytes(len(DATA))), "garbled"),
    "does not parse": (lambda path: path.write_text("}" + DATA[1:]), "unparseable"),
    "edited": (lambda path: path.write_text("\n" + DATA), "altered"),
    "longer": (lambda path: path.write_text(DATA + "\n"), "altered"),
    "a folder": (lambda path: replace(path, path.mkdir), "no file"),
    "a pipe": (lambda path: replace(path, lambda: os.mkfifo(path)), "no file"),
    "a dead link": (lambda path: replace(path, lambda: path.symlink_to("nowhere")), "no file"),
}


@pytest.mark.parametrize("row", FAULTS)
def test_each_fault_of_a_file_has_its_kind(project: Project, row: str) -> None:
    fault, kind = FAULTS[row]
    folder = project.add("thing", {"index.js": "1", "lib/deep/a.json": DATA})
    fault(folder / "lib/deep/a.json")

    found = project.compare()

    faults = found.altered if kind == "altered" else found.broken
    assert [(one.place, one.file, one.kind) for one in faults] == [
        ("node_modules/thing", "lib/deep/a.json", kind)
    ]
    assert (found.compared, len(found.altered) + len(found.broken)) == (1, 1)


def patch(project: Project, name: str, file: str) -> Path:
    """Write the patch of a package's file as patch-package does."""
    folder = project.modules.parent / "patches"
    path = f"node_modules/{name}/{file}"
    text = f"diff --git a/{path} b/{path}\n--- a/{path}\n+++ b/{path}\n@@ -1 +1 @@\n-1\n+2\n"
    return write(folder, {f"{name}+1.0.0.patch": text})


MEANT: dict[str, Callable[[Project, Path], object]] = {
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
    names = ("a.d.ts", "a.js.map", "LICENSE", "test/a.js", "test/deep/a.js")
    folder = project.add("thing", {"a.js": CODE, **dict.fromkeys(("index.js", *names), "1")})
    MEANT[row](project, folder)

    found = project.compare()

    assert (found.broken, found.altered, found.compared) == ((), (), 1)


def test_an_emptied_file_is_a_fault_in_spite_of_a_script_or_a_patch(project: Project) -> None:
    for name in ("scripted", "patched"):
        folder = project.add(name, {"index.js": "1", "a.js": CODE})
        project.lock[f"node_modules/{name}"]["hasInstallScript"] = True
        (folder / "a.js").write_text("")
    patch(project, "patched", "a.js")

    assert [one.place for one in project.compare().broken] == [
        "node_modules/scripted",
        "node_modules/patched",
    ]


def test_what_npm_leaves_out_or_renames_is_no_fault(project: Project) -> None:
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
    archive = gzip.decompress(packed({"index.json": "[1]"}, {"index.json": "[2]"}))
    folder = project.add("thing", {"index.json": "[2]"}, archive)  # not even zipped
    assert project.faults() == {}

    (folder / "index.json").write_text("[1]")
    assert project.faults() == {"index.json": "altered"}


@pytest.mark.parametrize("algorithm", ["sha512", "sha1"])
def test_the_strongest_digest_with_an_archive_counts(project: Project, algorithm: str) -> None:
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
def test_a_package_that_can_not_be_compared_is_named(project: Project, row: str) -> None:
    folder = project.add("thing", {"index.js": CODE})
    UNHELD[row](project, folder)

    found = project.compare()

    assert (found.compared, found.unheld) == (0, ("node_modules/thing",))
    assert (found.broken, found.blank) == ((), ())


def test_a_package_that_is_not_installed_is_left_to_another_check(project: Project) -> None:
    shutil.rmtree(project.add("thing", {"index.js": CODE}))
    assert project.compare() == Comparison(0)


def test_an_empty_entry_is_named_where_the_archive_is_gone(project: Project) -> None:
    project.add("thing", {"index.js": "", "lib/a.js": ""})
    project.add("whole", {"index.js": "1", "lib/a.js": ""})
    project.add("client-only", {"index.js": ""})
    shutil.rmtree(project.cache)

    found = project.compare()

    assert found.blank == ("node_modules/thing/index.js",)
    assert len(found.unheld) == 3


def headed(kind: bytes, size: int, content: bytes = b"", times: int = 1) -> bytes:
    """Return an archive of an entry that says it has `size` bytes."""
    info = tarfile.TarInfo("package/index.js")
    info.type, info.size = kind, size
    return gzip.compress(info.tobuf(tarfile.GNU_FORMAT) * times + content)


HOSTILE = {
    "cut off": packed({"index.js": CODE, "a.js": random.Random(1).randbytes(9_999)})[:5_000],
    "no archive": b"\x1f\x8b nothing of the kind",
    "text": b"hello" * 1_000,
    "without its end": headed(tarfile.REGTYPE, len(CODE), CODE.encode()[:100]),
    "a file of 1 TiB": headed(tarfile.REGTYPE, 2**40, CODE.encode()),
    "a header of 1 GiB": headed(tarfile.XHDTYPE, 2**30),
    "a name of 1 GiB": headed(tarfile.GNUTYPE_LONGNAME, 2**30),
    "names in names": headed(tarfile.GNUTYPE_LONGNAME, 0, times=3_000),
}


@pytest.mark.parametrize("row", HOSTILE)
def test_a_hostile_archive_leaves_its_package_unread_and_the_others_compared(
    project: Project, row: str
) -> None:
    project.add("thing", {"index.js": CODE}, HOSTILE[row])
    (project.add("whole", {"index.js": CODE, "a.js": CODE}) / "a.js").unlink()

    found = project.compare()

    assert [one.place for one in found.broken] == ["node_modules/whole"]
    assert [one.partition(":")[0] for one in found.unread] == ["node_modules/thing"]
    assert found.unread[0].partition(": ")[2]


@pytest.mark.parametrize(
    ("limit", "number", "says"), [("MOST_MEMBERS", 10, "10 entries"), ("MOST_BYTES", 9_999, "more than")]
)  # fmt: skip
def test_an_archive_with_too_much_in_it_is_unread(
    project: Project, monkeypatch: pytest.MonkeyPatch, limit: str, number: int, says: str
) -> None:
    project.add("thing", {f"{number}.js": CODE for number in range(20)})
    monkeypatch.setattr(archives, limit, number)

    found = project.compare()

    assert (found.compared, len(found.unread)) == (0, 1)
    assert says in found.unread[0]


def test_a_hostile_lock_file_leads_nowhere_outside(project: Project) -> None:
    (project.modules.parent.parent / "outside").mkdir()
    folder = project.add("thing", {"index.js": CODE})
    (folder / "index.js").unlink()
    entry = project.lock["node_modules/thing"]
    names = ("../../outside", "\0", "\ud800", "a" * 9_999)
    places = ("../outside", "/etc/node_modules/x", *(f"node_modules/{name}" for name in names))
    project.lock |= {place: dict(entry) for place in places}
    project.lock["node_modules/odd"] = {"version": 5, "integrity": ["x"]}

    found = project.compare()

    assert [one.place for one in found.broken] == ["node_modules/thing"]
    assert "outside" not in str(found)


def test_packages_that_are_not_reached_in_time_are_late(project: Project) -> None:
    for name in ("a", "b", "c"):
        project.add(name, {"index.js": CODE})

    found = project.compare(seconds=0)

    assert found.compared == 0
    assert sorted(found.late) == [f"node_modules/{name}" for name in ("a", "b", "c")]


def test_a_name_that_is_no_utf_8_is_shown_with_a_replacement(project: Project) -> None:
    project.add("thing", {"index.js": "1"}, packed({"\udce4.js": "abc"}))
    assert project.faults() == {"\ufffd.js": "missing"}


def test_without_any_lock_file_nothing_is_compared(tmp_path: Path) -> None:
    (tmp_path / "node_modules").mkdir()
    with pytest.raises(NotApplicable, match="no lock file"):
        installed.compare(tmp_path / "node_modules", tmp_path)
    (tmp_path / "package-lock.json").write_text("{")
    with pytest.raises(NotApplicable, match=r"package-lock\.json is no JSON"):
        installed.compare(tmp_path / "node_modules", tmp_path)


WITHOUT_DIGEST = '{"packages": {"node_modules/thing": {"version": "1.0.0"}}}'
"""As npm notes what it found installed already."""


@pytest.mark.parametrize(
    "hidden", [None, "{", "[]", '{"packages": 5}', "[" * 1_000_000, WITHOUT_DIGEST], ids=range(6)
)
def test_without_a_hidden_lock_file_that_has_digests_the_other_one_counts(
    project: Project, hidden: str | None
) -> None:
    folder = project.add("thing", {"index.js": CODE})
    (folder / "index.js").unlink()
    project.write_lock(project.modules.parent / "package-lock.json")
    if hidden is not None:
        (project.modules / ".package-lock.json").write_text(hidden)

    found = installed.compare(project.modules, project.cache, run=compare_here)

    assert [one.kind for one in found.broken] == ["missing"]
