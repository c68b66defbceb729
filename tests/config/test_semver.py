"""Version ranges against the semver module that npm itself ships."""

from __future__ import annotations

import itertools
import json
import shutil
import subprocess
from pathlib import Path

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from pytest_flowhealth.config.semver import range_of, satisfies

VERSIONS = [
    "0.0.0", "0.0.1", "0.0.3", "0.1.0", "0.1.2", "0.2.0", "0.2.3", "1.0.0", "1.0.1", "1.2.0", "1.2.3", "1.3.0", "1.9.9",
    "2.0.0", "2.3.4", "3.0.0", "20.20.2", "1.2.3-alpha", "1.2.3-alpha.1", "1.2.3-alpha.beta", "1.2.3-rc.11", "1.2.3-2",
    "1.3.0-pre", "2.0.0-0", "2.0.0-rc.1", "0.0.0-x", "1.2.3+build.5",
]  # fmt: skip
RANGES = [
    "==1", ">== 1", "1.2.3*", "* 0.0.0-x", ">=0.0.0 0.0.0-x", "1.2.3 - =2.0.0-rc.1", "^v=1.2", "~>=1.2.3", "^ = 1", "<x || 1",
    "", "*", "x", "X.x", ">=20", "^1.2.3", "^1.2", "^1", "^0.2.3", "^0.0.3", "^0.0", "^0", "^0.0.0", "^1.2.3-alpha.1", "~1.2.3",
    "~1.2", "~1", "~0", "~>1.2.3", "~1.2.3-alpha", "1.2.3", "=1.2.3", "v1.2.3", "= v1.2.3", "1.2", "1", "1.2.x", "1.x", "1.*", "1.2.*",
    "1.2.3 - 2.3.4", "1.2 - 2.3.4", "1.2.3 - 2.3", "1.2.3 - 2", "0 - 1", ">1.2.3", ">=1.2.3", "<1.2.3", "<=1.2.3", "> 1.2.3",
    ">1.2", ">1", ">=1.2", "<1.2", "<1", "<=1", "<=1.2", ">=1.0.0 <2.0.0", ">1 <3", "^1 || ^2", "<1.0.0 || >=2.0.0", "1.2.3||2.0.0",
    ">=1.2.3-alpha.1", ">1.2.3-alpha", "<2.0.0-rc.1", ">=2.0.0-0", "<1.2.3-2", "^2.0.0-rc.0", "1.2.3-rc.11 - 2.0.0", "^", "~", ">*", "<*",
    ">=*", "^x", "~x", ">= 18.0.0", "^18 || >=20", "^1.2.3 || ", "|| ^2", "^1.2.3 <1.3",
]  # fmt: skip
PROGRAM = """
const semver = require(process.argv[1]);
const { versions, ranges } = JSON.parse(require('fs').readFileSync(0, 'utf8'));
const told = ranges.map((r) => semver.validRange(r) === null ? null : versions.map((v) => semver.satisfies(v, r)));
console.log(JSON.stringify(told));
"""


def npms_own(ranges: list[str]) -> list[list[bool] | None]:
    npm = shutil.which("npm")
    assert npm
    semver = Path(npm).resolve().parents[1] / "node_modules/semver"
    done = subprocess.run(
        ["node", "-e", PROGRAM, str(semver)],
        input=json.dumps({"versions": VERSIONS, "ranges": ranges}),
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    told: list[list[bool] | None] = json.loads(done.stdout)
    return told


def ours(wanted: str) -> list[bool] | None:
    try:
        return [satisfies(version, wanted) for version in VERSIONS]
    except ValueError:
        return None


def test_every_pair_is_judged_as_npm_does() -> None:
    both = [" ".join(pair) for pair in itertools.product(RANGES[4:45:3], RANGES[40:60:2])]
    ranges = [
        *RANGES,
        *both,
        *[" || ".join(pair) for pair in itertools.product(RANGES[5:60:5], RANGES[3:50:7])],
    ]

    different = {
        wanted: [
            version
            for version, a, b in zip(VERSIONS, mine or [], theirs or [], strict=False)
            if a != b
        ]
        for wanted, theirs in zip(ranges, npms_own(ranges), strict=True)
        if (mine := ours(wanted)) != theirs
    }

    assert different == {}


NUMBERS = st.sampled_from(("0", "1", "2", "3", "20"))
TAGS = st.sampled_from(("", "", "", "-0", "-alpha", "-rc.1", "-alpha.1", "-", "-01", "*"))
OPERATORS = st.tuples(
    st.sampled_from(
        ("", "^", "~", "~>", ">", ">=", "<", "<=", "=", "> ", ">= ", "^ ", "~ ", "~> ")
    ),
    st.sampled_from(("", "", "", "v", "=", "==", "=v", "v=", "= ", "v ", " = ", "==  v")),
).map("".join)
# No number after an x (1.x.3), no build on a part (1+b): that depends on the version of npm.
PARTIALS = st.builds(
    lambda operator, numbers, rest, tag: operator + ".".join([*numbers, *rest]) + tag,
    OPERATORS,
    st.lists(NUMBERS, min_size=1, max_size=4),
    st.lists(st.sampled_from("xX*"), max_size=2),
    TAGS,
)
JOINS = st.sampled_from((" ", "||", " || ", " - ", "  ", ","))
GENERATED = st.lists(
    st.tuples(PARTIALS, JOINS, PARTIALS).map("".join) | PARTIALS, min_size=50, max_size=200
)


@settings(max_examples=10, deadline=None, phases=[Phase.generate])
@given(ranges=GENERATED)
def test_generated_ranges_are_judged_as_npm_does(ranges: list[str]) -> None:
    mine = {wanted: ours(wanted) for wanted in ranges}
    theirs = dict(zip(ranges, npms_own(ranges), strict=True))
    assert {wanted: told for wanted, told in mine.items() if told != theirs[wanted]} == {}


@pytest.mark.parametrize(
    "text",
    ["==1.2.3", ">==1.2.3", "vv1.2.3", "= =1.2.3", "1.2.3 - ==2.0.0", "1.2.3-01", f"{2**53}.0.0", f"^{2**53 - 1}",
     "banana", "1.2.3.4", "^^1", "latest", ">=1.2.3 banana", "1.2.3-", "01.2.3", "-1"],
)  # fmt: skip
def test_no_ranges(text: str) -> None:
    assert npms_own([text]) == [None]
    assert ours(text) is None


@pytest.mark.parametrize(
    ("spec", "wanted"),
    [
        ("^1.2.3", "^1.2.3"), ("*", "*"), ("", ""), ("latest", None), ("file:../x", None), ("workspace:*", None),
        ("npm:other@^1", None), ("git+ssh://x/y.git", None), ("user/repo", None), ("https://x/y.tgz", None),
    ],
)  # fmt: skip
def test_ranges_in_specs(spec: str, wanted: str | None) -> None:
    assert range_of(spec) == wanted


@pytest.mark.parametrize(
    "text",
    [
        "v" * 5_000_000,
        "1" * 5_000_000,
        "|" * 5_000_000,
        "1 " * 5_000_000,
        "=" * 999,
        "1.2.3-" + "a." * 490,
    ],
)
def test_absurd_ranges_are_refused_in_a_bounded_time(text: str) -> None:
    assert range_of(text) is None
