"""Mistakes in the configuration of the monitor, its rules, receivers and silences."""

from pathlib import Path

import pytest

from pytest_flowhealth.errors import UsageError
from pytest_flowhealth.monitor.settings import MonitorOptions, load_settings


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ('[[rules]]\nname = "a"\n', "rules: a: 'metric' is missing"),
        ('[[rules]]\nname = "a"\nmetric = "a.b"\n', "needs 'above', 'below' or 'absent'"),
        (
            '[[rules]]\nname = "a"\nmetric = "x"\n',
            "expected component.measurement, such as 'redis.connect.p95'",
        ),
        ('[[rules]]\nname = "a"\nmetric = "a.b"\nabove = 1\nbelow = 2\n', "exclude each other"),
        (
            '[[rules]]\nname = "a"\nmetric = "a.b"\nabove = 1\nfor = "soon"\n',
            "'soon' is not a valid duration",
        ),
        ('[[rules]]\nname = "a"\nnonsense = 1\n', "nonsense"),
        ('[[receivers]]\nname = "a"\ntype = "pigeon"\n', "pigeon"),
        ('[[receivers]]\nname = "a"\ntype = "webhook"\n', "needs 'url' or 'url_env'"),
        (
            '[monitor]\nintervals = { redis = "often" }\n',
            "monitor.intervals.redis: 'often' is not a valid duration",
        ),
        ('[[silences]]\nmatch = "a"\nuntil = 2026-01-01T00:00:00\n', "time"),
    ],
)
def test_mistake_is_a_usage_error_that_names_it(tmp_path: Path, text: str, says: str) -> None:
    (tmp_path / "package.json").write_text('{"name": "shop", "version": "1.0.0"}')
    (tmp_path / "flowhealth.toml").write_text(text)
    asked = MonitorOptions(str(tmp_path), None, None, (), False, (), None, None)

    with pytest.raises(UsageError, match=says):
        load_settings(asked, {})
