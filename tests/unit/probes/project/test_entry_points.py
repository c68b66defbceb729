"""The files that a package.json names."""

import pytest

from pytest_flowhealth.probes.project.entry_points import entry_points, export_patterns


def fields(**manifest: object) -> dict[str, tuple[str, ...]]:
    return {entry.field: entry.paths for entry in entry_points(manifest)}


def test_each_field_names_its_file_once() -> None:
    assert fields() == {}
    assert fields(main="a.js", module="b.mjs") == {"main": ("a.js",), "module": ("b.mjs",)}
    assert fields(typings="c.d.ts", bin="d.js") == {"typings": ("c.d.ts",), "bin": ("d.js",)}
    assert fields(bin={"x": "./x.js", "y": "y.js"}) == {"bin.x": ("./x.js",), "bin.y": ("y.js",)}
    assert fields(main="a.js", exports="./a.js", bin="a.js") == {"exports": ("./a.js",)}


@pytest.mark.parametrize(
    ("exports", "expected"),
    [
        ("./a.js", {"exports": ("./a.js",)}),
        (
            {"import": "./a.mjs", "require": "./a.cjs"},
            {"exports.import": ("./a.mjs",), "exports.require": ("./a.cjs",)},
        ),
        ({".": {"node": {"import": "./a.js"}}}, {'exports["."].node.import': ("./a.js",)}),
        ({"./x": ["./a.js", None], "./y": None}, {'exports["./x"]': ("./a.js",)}),
        (
            {"./x": ["./a.tsx", {"default": "./a.ts"}]},
            {'exports["./x"]': ("./a.tsx", "./a.ts")},
        ),
        ({"./f/*": "./dist/*.js", "./g/": "./g/"}, {}),
        ([], {}),
        (1, {}),
    ],
)
def test_exports_name_each_target_of_each_condition(
    exports: object, expected: dict[str, tuple[str, ...]]
) -> None:
    assert fields(exports=exports) == expected


def test_patterns_are_named_apart() -> None:
    exports = {"./a/*": ["./a/*.js", "./b/*.js"], "./c": "./c.js"}
    assert export_patterns({"exports": exports}) == ["./a/*.js", "./b/*.js"]


def test_only_the_compiler_of_types_reads_types() -> None:
    exports = {".": {"types": "./a.d.ts", "default": "./a.js"}, "./types": "./b.js"}
    found = {entry.paths[0]: entry.is_types for entry in entry_points({"exports": exports})}
    assert found == {"./a.d.ts": True, "./a.js": False, "./b.js": False}


def test_deeply_nested_conditions_have_a_short_name() -> None:
    exports: object = "./a.js"
    for _ in range(2_000):
        exports = {"node": exports}
    (entry,) = entry_points({"exports": exports})
    assert len(entry.field) < 200
