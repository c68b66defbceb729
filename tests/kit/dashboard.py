"""A dashboard whose delays and faults are known, and its configuration."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, Self

import requests

from pytest_flowhealth.config.load import load_target
from pytest_flowhealth.probes.dashboard.site import Site, make_site


class DashboardServer:
    """A running `dashboard_server.py`, which serves what `plan` says.

    Args:
        argv: The files of a certificate and its key, to serve over TLS; a third one has the authority
            of the clients' certificates, which are then required.
    """

    def __init__(self, *argv: str) -> None:
        program = Path(__file__).with_name("dashboard_server.py")
        self._process = subprocess.Popen(
            [sys.executable, str(program), *argv],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self._process.stdout is not None
        self.place = f"127.0.0.1:{self._process.stdout.readline().strip()}"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.communicate()

    def plan(self, **plan: Any) -> str:
        """Behave by a new plan from now on; return host and port."""
        requests.post(f"http://{self.place}/plan", json=plan, timeout=60).raise_for_status()
        return self.place

    def plan_over_tls(self, client: tuple[Path, Path], authority: Path, **plan: Any) -> None:
        """Behave by a new plan, which a client with this certificate and key sends."""
        requests.post(
            f"https://{self.place}/plan",
            json=plan,
            timeout=60,
            cert=(str(client[0]), str(client[1])),
            verify=str(authority),
        ).raise_for_status()

    def truth(self) -> dict[str, list[Any]]:
        """Return what the server did since the last plan."""
        told: dict[str, list[Any]] = requests.get(f"http://{self.place}/truth", timeout=60).json()
        return told


MakeSite = Callable[..., Site]
"""The types of the fixtures `make_site` and `planned`."""


def site_with(folder: Path, **settings: Any) -> Site:
    """Return the site that `[dashboard]` with these settings describes, read from a file."""
    configure(folder, **settings)
    return make_site(load_target(folder, {}, folder))


def configure(folder: Path, **settings: Any) -> None:
    """Write a package.json, and a flowhealth.toml with `[dashboard]`."""
    (folder / "package.json").write_text('{"name": "board", "version": "1.0.0"}')
    lines = [f"{key} = {_toml(value)}" for key, value in settings.items()]
    (folder / "flowhealth.toml").write_text("\n".join(["[dashboard]", *lines]))


def _toml(value: Any) -> str:
    """Return a value as TOML writes it, tables in one line."""
    if isinstance(value, dict):
        return f"{{{', '.join(f'{key} = {_toml(one)}' for key, one in value.items())}}}"
    return json.dumps(value)
