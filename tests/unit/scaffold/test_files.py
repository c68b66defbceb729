"""Writing a plan: all of it or nothing, and nothing that changed since it was planned."""

from collections.abc import Callable
from pathlib import Path

import pytest

from pytest_flowhealth.errors import CheckFailed
from pytest_flowhealth.scaffold.files import write
from pytest_flowhealth.scaffold.plan import MANIFEST, UNIT, plan
from tests.kit.scaffold import PLAIN, listing, make


def test_links_within_the_project_stay_links_and_files_keep_their_mode(tmp_path: Path) -> None:
    make(tmp_path)
    (tmp_path / "checks").mkdir()
    (tmp_path / "health").symlink_to("checks")
    (tmp_path / "real.json").write_text(PLAIN)
    (tmp_path / MANIFEST).unlink()
    (tmp_path / MANIFEST).symlink_to("real.json")
    (tmp_path / "real.json").chmod(0o600)
    write(plan(tmp_path))

    assert (tmp_path / "health").is_symlink()
    assert (tmp_path / MANIFEST).is_symlink()
    assert "monitor:all" in (tmp_path / "real.json").read_text()
    assert (tmp_path / "real.json").stat().st_mode & 0o777 == 0o600
    assert (tmp_path / "checks/test_app.py").stat().st_mode & 0o777 == 0o644


def change_manifest(root: Path) -> None:
    (root / MANIFEST).write_text('{"name": "mine now"}')


def write_unit(root: Path) -> None:
    make(root, **{UNIT: "mine"})


def protect_manifest(root: Path) -> None:
    (root / MANIFEST).chmod(0o444)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (change_manifest, r"package\.json changed in the meantime"),
        (write_unit, r"flowhealth\.service appeared in the meantime"),
        (protect_manifest, r"package.json is read-only \(chmod u\+w"),
    ],
)
def test_a_project_that_changed_since_the_plan_is_not_written(
    tmp_path: Path, change: Callable[[Path], None], says: str
) -> None:
    planned = plan(make(tmp_path))
    change(tmp_path)
    before = listing(tmp_path)

    with pytest.raises(CheckFailed, match=says):
        write(planned)
    assert listing(tmp_path) == before


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
