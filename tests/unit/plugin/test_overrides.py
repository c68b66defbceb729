"""Thresholds that are changed from outside: the nearest source wins, and is named."""

from pathlib import Path

import msgspec
import pytest

from pytest_flowhealth.config.load import load_target
from pytest_flowhealth.domain.checks import CheckSpec
from pytest_flowhealth.domain.thresholds import Threshold, parse_threshold
from pytest_flowhealth.plugin.collection.overrides import (
    apply_overrides,
    find_unmatched,
    make_name,
    read_overrides,
    suggest_names,
)

NAME = "app.latency.p95"
FILE = f'[thresholds]\n"{NAME}" = {{ warn = 30, fail = 40 }}\n'
ENVIRONMENT = {"FLOWHEALTH_THRESHOLDS": f"{NAME}=1:14"}
CHECK = CheckSpec(
    *("app.speed", "t.py::test_speed", "app", "t.py:1"),
    thresholds=(parse_threshold("latency.p95", warn=10, fail=20, unit="ms"),),
)


def change(
    folder: Path,
    *options: str,
    file: str = "",
    environ: dict[str, str] | None = None,
    check: CheckSpec = CHECK,
) -> tuple[Threshold, list[str]]:
    """Return the threshold as it is changed, and the mistakes in what changes it."""
    (folder / "flowhealth.toml").write_text(file)
    found, mistakes = read_overrides(
        load_target(folder, environ or {}, folder), options, strict=True
    )
    mistakes += find_unmatched(
        [one for one in found if one.strict], [make_name(check, one) for one in check.thresholds]
    )
    by_name = {one.name: [other for other in found if other.name == one.name] for one in found}
    return apply_overrides(check, by_name, mistakes).thresholds[0], mistakes


@pytest.mark.parametrize(
    ("file", "environ", "options", "limits", "source"),
    [
        ("", {}, (), (10, 20), "marker"),
        (FILE, {}, (), (30, 40), "flowhealth.toml"),
        (FILE, ENVIRONMENT, (), (1, 14), "environment FLOWHEALTH_THRESHOLDS"),
        (FILE, ENVIRONMENT, (f"{NAME}=16:17",), (16, 17), "command line"),
        ("", {}, (f"{NAME}=:14",), (10, 14), "fail: command line, warn: marker"),
        ("", {}, (f"{NAME}=1:5", f"{NAME}=2:"), (2, 5), "warn: command line"),
    ],
)
def test_the_nearest_source_wins_and_is_named(
    tmp_path: Path,
    file: str,
    environ: dict[str, str],
    options: tuple[str, ...],
    limits: tuple[float, float],
    source: str,
) -> None:
    threshold, mistakes = change(tmp_path, *options, file=file, environ=environ)

    assert ((threshold.warn, threshold.fail), mistakes) == (limits, [])
    assert threshold.source.startswith(source)


@pytest.mark.parametrize(
    ("option", "mistake"),
    [
        (
            "app.latency=1:2",
            "command line: no threshold is called 'app.latency'; did you mean app.latency.p95?",
        ),
        ("x=1:2", "command line: no threshold is called 'x'; known are app.latency.p95"),
        (f"{NAME}=9:1", f"command line: {NAME}: warn=9, fail=1 does not fit: lower is better"),
        (NAME, f"--health-threshold: '{NAME}'"),
        (f"{NAME}=nan:", "--health-threshold: "),
    ],
)
def test_a_change_that_is_invalid_is_a_mistake(tmp_path: Path, option: str, mistake: str) -> None:
    threshold, mistakes = change(tmp_path, option)

    assert threshold == CHECK.thresholds[0]
    assert len(mistakes) == 1
    assert mistakes[0].startswith(mistake)


def test_a_series_without_a_statistic_is_also_found_as_its_median(tmp_path: Path) -> None:
    check = msgspec.structs.replace(
        CHECK, thresholds=(parse_threshold("latency", warn=10, fail=20),)
    )

    threshold, mistakes = change(tmp_path, "app.latency.median=1:2", check=check)

    assert (threshold.fail, mistakes) == (2, [])


def test_a_name_that_matches_nothing_comes_with_the_nearest_ones() -> None:
    assert suggest_names("redis.conect", ["redis.connect", "wasm"]) == "did you mean redis.connect?"
    assert suggest_names("x", ["redis.connect", "wasm"]) == "known are redis.connect, wasm"
    assert suggest_names("x", []) == "there is none at all"
