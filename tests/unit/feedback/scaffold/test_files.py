"""Writing a plan: all of it or nothing, and nothing that changed since it was planned."""

from __future__ import annotations

from pathlib import Path

import pytest

from pytest_flowhealth.errors import CheckFailed
from pytest_flowhealth.feedback.scaffold.files import write
from pytest_flowhealth.feedback.scaffold.plan import CHECK, MANIFEST, UNIT, plan
from tests.kit.scaffold import PLAIN, listing, make


def test_a_second_plan_has_nothing_to_do(tmp_path: Path) -> None:
    write(plan(make(tmp_path)))
    again = plan(tmp_path)

    assert (again.changes, again.kept, again.hints) == ((), (), ())
    assert not [name for name in listing(tmp_path) if "/." in name and ".github/" not in name]


def test_links_within_the_project_stay_links(tmp_path: Path) -> None:
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


def test_a_file_that_changed_since_the_plan_prevents_writing(tmp_path: Path) -> None:
    planned = plan(make(tmp_path))
    (tmp_path / MANIFEST).write_text('{"name": "mine now"}')
    before = listing(tmp_path)

    with pytest.raises(CheckFailed, match=r"package\.json changed in the meantime"):
        write(planned)
    assert listing(tmp_path) == before


def test_a_file_that_appeared_since_the_plan_prevents_writing(tmp_path: Path) -> None:
    planned = plan(make(tmp_path))
    make(tmp_path, **{UNIT: "mine"})
    before = listing(tmp_path)

    with pytest.raises(CheckFailed, match=r"flowhealth\.service appeared in the meantime"):
        write(planned)
    assert listing(tmp_path) == before


def test_a_read_only_manifest_prevents_writing(tmp_path: Path) -> None:
    planned = plan(make(tmp_path))
    (tmp_path / MANIFEST).chmod(0o444)
    before = listing(tmp_path)

    with pytest.raises(CheckFailed, match=r"package.json is read-only \(chmod u\+w"):
        write(planned)
    assert listing(tmp_path) == before


def test_a_changed_file_keeps_its_mode(tmp_path: Path) -> None:
    make(tmp_path)
    (tmp_path / MANIFEST).chmod(0o600)
    write(plan(tmp_path))

    assert (tmp_path / MANIFEST).stat().st_mode & 0o777 == 0o600
    assert (tmp_path / CHECK).stat().st_mode & 0o777 == 0o644


def test_an_interruption_removes_what_was_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    planned = plan(make(tmp_path))
    before = listing(tmp_path)
    real, count = Path.replace, 0

    def interrupted(self: Path, to: Path) -> Path:
        nonlocal count
        count += 1
        if count == 5:
            raise KeyboardInterrupt
        return real(self, to)

    monkeypatch.setattr(Path, "replace", interrupted)
    with pytest.raises(KeyboardInterrupt):
        write(planned)
    assert listing(tmp_path) == before
