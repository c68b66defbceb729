"""Values of [fleet] that are not supported are usage errors, which name their key."""

from __future__ import annotations

from pathlib import Path

import pytest

from pytest_flowhealth.config.load import load_target
from pytest_flowhealth.errors import UsageError


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ('[fleet]\nsource = "guess"', "fleet.source"),
        ('[fleet]\nurl = "ftp://x"', "fleet.url"),
        ('[fleet]\nwindow = "soon"', "fleet.window"),
        ("[fleet.spawn]\ncommand = []", "fleet.spawn.command"),
        ('[fleet.spawn]\nready = "stdout:x"', "fleet.spawn.command"),
        ('[fleet.spawn]\ncommand = ["x"]\nready = "port:99999"', "fleet.spawn.ready"),
        ('[fleet.spawn]\ncommand = ["x"]\nready = "stdout: "', "fleet.spawn.ready"),
        ('[fleet.spawn]\ncommand = ["x"]\nready = "file:x"', "fleet.spawn.ready"),
        ('[fleet.spawn]\ncommand = ["x"]\ncount = 0', "fleet.spawn.count"),
    ],
)
def test_an_unsupported_value_names_its_key(tmp_path: Path, text: str, key: str) -> None:
    (tmp_path / "flowhealth.toml").write_text(text)
    with pytest.raises(UsageError) as caught:
        load_target(tmp_path, {}, tmp_path)
    assert key in str(caught.value)
