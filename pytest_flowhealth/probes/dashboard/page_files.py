"""The scripts and stylesheets that a page loads from its own servers: whether they are there."""

from __future__ import annotations

import time

import msgspec

from pytest_flowhealth.domain.text import one_line
from pytest_flowhealth.errors import FlowHealthError
from pytest_flowhealth.probes.dashboard.address import SiteAddress, resolve_address
from pytest_flowhealth.probes.dashboard.content import read_content
from pytest_flowhealth.probes.dashboard.forms import LoadedFile, PageText
from pytest_flowhealth.probes.dashboard.http_client import (
    TOO_LARGE,
    HttpClient,
    HttpError,
    HttpResponse,
)
from pytest_flowhealth.probes.dashboard.site import Site

MOST_FILES = 20
"""Files of a page that are requested."""

_PAUSE = 1.0
_SCRIPT = {"Accept": "*/*", "Sec-Fetch-Dest": "script"}
_ACCEPTED = {
    "module": _SCRIPT,
    "script": _SCRIPT,
    "stylesheet": {"Accept": "text/css,*/*;q=0.1", "Sec-Fetch-Dest": "style"},
}
"""The headers with which browsers request files (fetch.spec.whatwg.org)."""


class MissingPageFile(msgspec.Struct, frozen=True):
    """A file that a page loads and does not get; `problem` is a predicate such as "is empty"."""

    file: LoadedFile
    path: str
    problem: str


class PageFiles(msgspec.Struct, frozen=True):
    """The files of a page.

    Attributes:
        scripts: How many scripts were requested.
        missing: Those, and stylesheets, that the page does not get.
    """

    scripts: int
    missing: tuple[MissingPageFile, ...]

    @property
    def breaks(self) -> MissingPageFile | None:
        """The script without which a page that scripts fill stays empty, None without one."""
        scripts = [item for item in self.missing if item.file.kind != "stylesheet"]
        modules = [item for item in scripts if item.file.kind == "module"]
        if modules or (scripts and len(scripts) == self.scripts):
            return (modules or scripts)[0]
        return None


def request_files(
    site: Site, client: HttpClient, page: PageText, address: SiteAddress
) -> PageFiles:
    """Request the scripts and stylesheets that a page loads from the configured servers.

    The requests end at the first file that does not come in time, or that a rate limit refuses.

    Args:
        site: The dashboard.
        client: Sends the requests.
        page: The page.
        address: Its address.
    """
    missing: list[MissingPageFile] = []
    scripts = 0
    for file in page.files[:MOST_FILES]:
        try:
            found = resolve_address(address, file.url)
        except FlowHealthError:
            continue
        if found.origin not in site.origins:
            continue
        try:
            # Servers of single pages give the page itself to whom accepts HTML.
            headers = {**site.access.headers(found), **_ACCEPTED[file.kind]}
            response = client.request(found.url, headers=headers)
            if response.status == 503:
                # Some rate limits refuse with this status what comes quickly.
                time.sleep(_PAUSE)
                response = client.request(found.url, headers=headers)
            problem = None if response.status == 429 else find_file_problem(file, response)
        except HttpError as error:
            response, problem = None, error.problem
        scripts += file.kind != "stylesheet"
        if problem is not None and problem != TOO_LARGE:
            path = one_line(found.target.partition("?")[0], 100)
            missing.append(MissingPageFile(file, path, problem))
        if response is None or response.status == 429:
            break
    return PageFiles(scripts, tuple(missing))


def find_file_problem(file: LoadedFile, response: HttpResponse) -> str | None:
    """Return why a browser can't use a response as the file that a page loads, None if it can.

    Raises:
        HttpError: Its body is not what its header says.
    """
    if response.status >= 300:
        return f"responds with status {response.status}" if response.status >= 400 else None
    kind = (response.header("content-type") or "").partition(";")[0].strip().lower()
    text = read_content(response).text.lstrip()
    problem = None
    if kind == "text/html" or text[:9].lower() in ("<!doctype", "<html"):
        problem = "is an HTML page"
    elif file.kind == "module" and not ("javascript" in kind or "ecmascript" in kind):
        problem = f"has the content type {one_line(kind or 'none', 60)}, which no module may have"
    elif file.kind != "stylesheet" and not text:
        problem = "is empty"
    return problem
