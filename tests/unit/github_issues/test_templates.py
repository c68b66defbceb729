"""What is written at GitHub: nothing of a stranger's acts there, and everything fits."""

import re
from typing import Any
from urllib.parse import parse_qs, urlsplit

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_flowhealth.config.decode import Decoder
from pytest_flowhealth.config.github import repository_in, web_address
from pytest_flowhealth.errors import UsageError
from pytest_flowhealth.github_issues import templates
from pytest_flowhealth.probes.github.settings import find_token
from tests.kit.github_issues import BASE, kind


def outside_code(text: str) -> str:
    """Return a text without its code, as GitHub's Markdown (CommonMark, "Fenced code blocks") reads it."""
    kept, fence = [], ""
    for line in text.split("\n"):
        if fence:
            if re.fullmatch(rf" {{0,3}}{fence}`*\s*", line):
                fence = ""
            continue
        opened = re.match(r" {0,3}(`{3,})[^`]*$", line)
        if opened:
            fence = opened[1]
        else:
            kept.append(line)
    assert not fence
    return re.sub(r"(?<!`)(`+)(?!`).+?(?<!`)\1(?!`)", "", "\n".join(kept))


texts = st.text(st.sampled_from("`~@#<>!-|\\\n\r x1/:[]()*_\u202e\x1b\ud800"), max_size=300)


@given(error=texts, name=texts, version=texts)
def test_what_strangers_wrote_stays_in_code(error: str, name: str, version: str) -> None:
    group = kind(error=error, package=name, versions=((version, 3),), nodes=((version, 1),))
    for text in (templates.make_body(group), templates.make_comment(group, 1, ())):
        left = outside_code(text).removeprefix(templates.make_marker(BASE.fingerprint))
        assert not re.search(r"[@#]\w|<|GH-", left.replace("###", "")), left
        assert not {"\x1b", "\u202e", "\ud800"} & {*text}
    assert "\n" not in templates.make_title(group)
    assert not re.search(r"[@#]\w", templates.make_title(group))


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 200_000), st.integers(0, 300))
def test_title_body_comment_and_link_keep_githubs_limits(size: int, many: int) -> None:
    pairs = tuple((f"{number}.0.0-{'x' * 150}", number) for number in range(many))
    group = kind(error="`" * size, versions=pairs, nodes=pairs, platforms=pairs, package="p" * 500)
    assert len(templates.make_body(group)) <= templates.MAX_BODY
    assert len(templates.make_comment(group, 1, ())) <= templates.MAX_BODY
    assert len(templates.make_title(group)) <= 256
    assert (
        len(templates.make_form_url(group, "acme/shop", "https://api.github.com", ("bug",)))
        <= 8_000
    )


def test_the_body_has_all_evidence() -> None:
    text = templates.make_body(BASE)
    for part in (
        "7 installations reported that the install of `shop` ended with this error",
        BASE.error,
        "first report: 2026-09-10 00:26 UTC, last: 2026-09-20 10:26 UTC",
        "`2.1.0` (5), `2.0.0` (2)",
        "`20.11.1` (7)",
        "`linux-x64` (6), `darwin-arm64` (1)",
        "npm install shop@2.1.0",
    ):
        assert part in text, text


def test_unknown_parts_are_named_as_unknown() -> None:
    unknown = kind(versions=(), nodes=(), platforms=(), error="", count=1)
    assert "1 installation reported" in templates.make_body(unknown)
    assert templates.make_body(unknown).count("not known") == 3
    assert "npm install shop@latest" in templates.make_body(unknown)


@pytest.mark.parametrize(
    "version",
    [
        "attacker/evil",
        "npm:evil@1.0.0",
        "../x",
        "$(id)",
        "1.0.0\n",
        "v1.0.0",
        "^1.0.0",
        "latest",
        "",
    ],
)
def test_an_invalid_version_is_not_part_of_a_command(version: str) -> None:
    pairs = ((version, 6), ("2.0.0-rc.1+build.5", 1))
    command = templates.make_commands(kind(versions=pairs, nodes=pairs))
    assert "npm install shop@2.0.0-rc.1+build.5" in command.splitlines()
    assert not version.strip() or version.strip() not in command.replace("2.0.0-rc.1+build.5", "")
    assert "npm install shop@latest" in templates.make_commands(kind(versions=((version, 6),)))


@pytest.mark.parametrize("name", ["x; rm -rf ~", "-g", "@../x", "a/b", "a@b", "shop\n", "", "é"])
def test_an_invalid_name_gives_no_command(name: str) -> None:
    assert templates.make_commands(kind(package=name)).startswith("# no command: ")


def test_the_command_installs_the_package_where_most_reports_come_from() -> None:
    assert templates.make_commands(BASE).startswith("# most reports: Node 20.11.1, linux-x64\n")
    odd = kind(package="@acme/shop.js", nodes=(("$(id)", 1),), platforms=(("`id`", 1),))
    assert templates.make_commands(odd).startswith("cd ")
    for step in ("install", "build", "load", "check"):
        found = templates.make_commands(msgspec.structs.replace(odd, step=step))
        assert "npm install @acme/shop.js@2.1.0" in found


def test_the_link_opens_the_filled_in_form() -> None:
    url = templates.make_form_url(
        BASE, "acme/shop", "https://ghe.example.org/api/v3", ("bug", "installation")
    )
    parts = urlsplit(url)
    named = {name: values[0] for name, values in parse_qs(parts.query).items()}
    assert f"{parts.scheme}://{parts.netloc}{parts.path}" == (
        "https://ghe.example.org/acme/shop/issues/new"
    )
    assert named["template"] == "installation_issue.yml"
    assert named["labels"] == "bug,installation"
    assert named["title"] == templates.make_title(BASE)
    assert BASE.error in named["error"]


@pytest.mark.parametrize(
    ("api", "web"),
    [
        ("https://api.github.com", "https://github.com"),
        ("https://ghe.example.org/api/v3", "https://ghe.example.org"),
        ("https://api.acme.ghe.com", "https://acme.ghe.com"),
    ],
)
def test_the_web_address_is_derived_from_the_api(api: str, web: str) -> None:
    assert web_address(api) == web


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("acme/shop", "acme/shop"),
        ("github:acme/shop", "acme/shop"),
        ("git+https://www.github.com/acme/shop/tree/main/a", "acme/shop"),
        ("git://github.com/acme/shop.js.git#main", "acme/shop.js"),
        ("git+ssh://git@github.com/acme/shop.git", "acme/shop"),
        ("git@github.com:acme/shop.git", "acme/shop"),
        ("gitlab:acme/shop", None),
        ("https://github.com.evil.example/acme/shop", None),
        ("https://[", None),
        ("acme/..", None),
        (None, None),
    ],
)
def test_the_repository_of_package_json(text: str | None, found: str | None) -> None:
    assert repository_in(text) == found


def test_a_repository_of_an_enterprise_server() -> None:
    api = "https://ghe.example.org/api/v3"
    assert repository_in("https://ghe.example.org/acme/shop.git", api) == "acme/shop"
    assert repository_in("https://github.com/acme/shop.git", api) is None
    assert repository_in("github:acme/shop", api) is None


def decode_github(**settings: Any) -> list[str]:
    decoder = Decoder("flowhealth.toml")
    decoder.table({"github": settings})
    return decoder.problems


@pytest.mark.parametrize(
    ("key", "problem", "values"),
    [
        ("repository", "owner/name", ["acme", "a/b/c", "acme/..", "a b/c", "acme/shop?x"]),
        (
            "api",
            "expected an https URL",
            ["http://a.example", "https://u:p@a.example", "ftp://x", "x", "https://", "https://["],
        ),
        ("labels", "1 to 50 characters", [[""], ["a,b"], ["x" * 51], ["a\nb"]]),
    ],
    ids=["repository", "api", "labels"],
)
def test_an_invalid_setting_is_refused(key: str, problem: str, values: list[Any]) -> None:
    for value in values:
        (message,) = decode_github(**{key: value})
        assert problem in message


def test_an_api_address_with_tls_or_on_loopback_is_accepted() -> None:
    for url in ("https://ghe.example.org/api/v3", "http://127.0.0.1:80", "http://localhost"):
        assert decode_github(api=url) == []


def test_the_token_comes_from_the_first_variable_that_is_set() -> None:
    assert find_token({"GH_TOKEN": "c", "GITHUB_TOKEN": "b", "FLOWHEALTH_GITHUB_TOKEN": "a"}) == "a"
    assert find_token({"GH_TOKEN": "c", "GITHUB_TOKEN": " "}) == "c"
    assert find_token({}) is None
    with pytest.raises(UsageError) as caught:
        find_token({"GITHUB_TOKEN": "planted\nX: y"})
    assert "planted" not in str(caught.value)
