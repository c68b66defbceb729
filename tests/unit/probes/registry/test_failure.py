"""Why an installation failed, from npm's own words; recorded with npm 10, addresses shortened."""

import json

import pytest

from pytest_flowhealth.errors import MeasurementUnavailable
from pytest_flowhealth.probes.command import Completed
from pytest_flowhealth.probes.registry.failure import Failure, failure

TREE = (
    "npm silly placeDep ROOT outer@1.0.0 OK for:  want: 1.0.0\n"
    "npm silly placeDep ROOT inner@1.0.0 OK for: outer@1.0.0 want: ^1.0.0\n"
)
PACKED = "npm silly placeDep ROOT mine@1.2.3 OK for:  want: file:../tmp/packed/mine-1.2.3.tgz\n"


def read(code: object, summary: str, detail: str = "", log: str = "", printed: str = "") -> Failure:
    error = {"code": code, "summary": summary, "detail": detail}
    out = printed + json.dumps({"error": error}, indent=2) + "\n"
    return failure(Completed(("npm",), 1, out, log, 1.0), "outer@1.0.0")


def test_a_missing_package_is_named_with_who_asks_for_it() -> None:
    wanted = "@nobody/nothing@^1.0.0"
    found = read(
        "E404",
        "Not Found - GET http://127.0.0.1/@nobody%2fnothing - Not found",
        f"The requested resource '{wanted}' could not be found or you do not have permission.",
        f"{TREE}npm silly placeDep node_modules/inner @nobody/nothing@ OK for: inner@1.0.0 want: ^1.0.0"
        f"\nnpm verbose pkgid {wanted}\n",
    )
    assert found == Failure(
        "E404",
        f"{wanted} is not in the registry; inner@1.0.0 asks for it",
        wanted,
        "inner@1.0.0",
    )


def test_a_missing_version_is_named_with_who_asks_for_it() -> None:
    found = read(
        "ETARGET",
        "No matching version found for ms@^99.0.0.",
        "In most cases you or one of your dependencies are requesting a package version that "
        "doesn't exist.",
        f"{TREE}npm silly placeDep node_modules/inner ms@ OK for: inner@1.0.0 want: ^99.0.0\n",
    )
    assert found.why == "ms@^99.0.0 has no version in that range; inner@1.0.0 asks for it"
    assert (found.dependency, found.asked_by) == ("ms@^99.0.0", "inner@1.0.0")


def test_another_platform_is_named() -> None:
    found = read(
        "EBADPLATFORM",
        'Unsupported platform for mine@1.2.3: wanted {"os":"plan9"} (current: {"os":"linux"})',
        "Valid os:  plan9\nActual os: linux",
        f"{PACKED}npm verbose pkgid mine@1.2.3\n",
    )
    assert found.why == "mine@1.2.3 is not made for this system"


def test_peers_that_disagree_are_a_conflict() -> None:
    found = read("ERESOLVE", "unable to resolve dependency tree", "While resolving: undefined")
    assert found.why == "what it asks for can't be had together: unable to resolve dependency tree"


def test_a_failing_script_is_named_with_its_output_and_its_package() -> None:
    found = read(
        3,
        "command failed",
        "sh -c echo this is why >&2; exit 3\nthis is why",
        f"{PACKED}npm error path /tmp/x/project/node_modules/mine\n",
        printed="a script may print first\n",
    )
    assert "a script of mine@1.2.3 fails: command failed" in found.why
    assert "this is why" in found.why


@pytest.mark.parametrize(
    ("code", "summary"),
    [
        ("E500", "500 Internal Server Error - GET http://127.0.0.1/express - as told"),
        ("ECONNREFUSED", "FetchError: request to http://127.0.0.1:1/express failed"),
        ("ENOSPC", "no space left on device"),
        ("", ""),
    ],
)
def test_a_cause_outside_of_the_package_is_unknown(code: str, summary: str) -> None:
    with pytest.raises(MeasurementUnavailable, match=f"could not be done: {code}"):
        read(code, summary)


def test_output_that_is_no_json_is_unknown() -> None:
    done = Completed(("npm",), 7, "garbage", "", 1.0)
    with pytest.raises(MeasurementUnavailable, match="it ended with code 7"):
        failure(done, "outer@1.0.0")
