"""What a framework's output consists of."""

from pathlib import Path

import pytest

from pytest_flowhealth.probes.project.needed_files import find_missing_asset
from tests.kit.projects import write


@pytest.mark.parametrize(
    ("tag", "missing"),
    [
        ('<script type="module" crossorigin src="/assets/a.js"></script>', None),
        ('<script type="module" src="./assets/a.js?v=1"></script>', None),
        ('<script type="module" src="/below/app/assets/a.js"></script>', None),
        ('<script type="module" src="/assets/gone.js"></script>', "/assets/gone.js"),
        ('<link rel="stylesheet" href="assets/gone.css">', "assets/gone.css"),
        ('<link rel="modulepreload" href="/app/assets/gone.js">', "/app/assets/gone.js"),
        ('<script type="module">let a = 1</script>', None),
        ('<script src="/made-where-it-runs.js"></script><link rel="icon" href="/gone.svg">', None),
        ('<script type="module" src="https://cdn.example/a.js"></script>', None),
        ('<link rel="stylesheet" href="//cdn.example/a.css">', None),
        ('<script type="module" src="../a.js"></script>', None),
    ],
)
def test_a_built_page_has_the_modules_and_styles_that_it_loads(
    tmp_path: Path, tag: str, missing: str | None
) -> None:
    write(tmp_path, {"index.html": f"<!doctype html><head>{tag}</head>", "assets/a.js": "1"})
    assert find_missing_asset(tmp_path / "index.html") == missing
