"""The schema of the report that the package ships."""

from pathlib import Path

from pytest_flowhealth.domain import report


def test_the_shipped_schema_is_the_generated_one() -> None:
    shipped = Path(report.__file__).with_name("report.schema.json")

    command = f"python -m {report.__name__} > pytest_flowhealth/domain/{shipped.name}"
    assert shipped.read_text() == report.render_schema(), f"run: {command}"
