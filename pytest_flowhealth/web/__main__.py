"""The process of a monitor with a web page: `pytest --web` becomes it."""

from __future__ import annotations

import os
import sys

from pytest_flowhealth.history.location import HistoryLocation
from pytest_flowhealth.monitor.__main__ import main
from pytest_flowhealth.monitor.settings import MonitorOptions, Settings
from pytest_flowhealth.web.server import WebServer
from pytest_flowhealth.web.settings import Secrets, read_address

if __name__ == "__main__":
    known = Secrets.from_environ(os.environ)

    def make_server(
        options: MonitorOptions, settings: Settings, location: HistoryLocation
    ) -> WebServer:
        """Return the web server that the command line asks for."""
        return WebServer(read_address(options.page or ""), settings, location, known)

    sys.exit(main(sys.argv[1:], make_server))
