"""Addresses of Redis: read, shown without their password, and found for a target."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_flowhealth.errors import CheckFailed
from pytest_flowhealth.probes.redis.address import mask, parse_address


@pytest.mark.parametrize(
    ("url", "place", "database", "user", "password"),
    [
        ("redis://localhost", "localhost:6379", 0, None, None),
        ("redis://", "localhost:6379", 0, None, None),
        ("redis://h:6380/3", "h:6380", 3, None, None),
        ("redis://h/?db=4", "h:6379", 4, None, None),
        ("redis://h:1/2?family=6&tls=x", "h:1", 2, None, None),
        ("redis://[::1]:6380/0", "[::1]:6380", 0, None, None),
        ("redis://:p%40s%2Fs@h/0", "h:6379", 0, None, "p@s/s"),
        ("redis://app:a%3Ab@h/0", "h:6379", 0, "app", "a:b"),
        ("redis://app:p@ss@h/0", "h:6379", 0, "app", "p@ss"),
        ("redis://h/0?username=u&password=p%26q", "h:6379", 0, "u", "p&q"),
        ("rediss://u@h:1/0", "h:1", 0, "u", None),
        ("unix:///run/my%20redis.sock?db=5", "/run/my redis.sock", 5, None, None),
        ("unix://u:p@/run/redis.sock", "/run/redis.sock", 0, "u", "p"),
        (" redis://h:6380/0\n", "h:6380", 0, None, None),
    ],
)
def test_each_part_of_an_address_is_read(
    url: str, place: str, database: int, user: str | None, password: str | None
) -> None:
    found = parse_address(url)
    assert found.place == place
    assert found.database == database
    assert found.username == user
    assert (found.password.reveal() if found.password else None) == password
    assert found.tls == url.strip().startswith("rediss")


@pytest.mark.parametrize(
    ("url", "place", "service", "database"),
    [
        ("redis+sentinel://h/my", "h:26379", "my", 0),
        ("redis+sentinel://u:p@h1:1,h2,[::1]:3/my%2Fown/2", "h1:1, h2:26379, [::1]:3", "my/own", 2),
        ("rediss+sentinel://h/my?db=3&sentinel_password=s3cret", "h:26379", "my", 3),
        ("redis+cluster://:s3cret@h1:7000,h2", "h1:7000, h2:6379", "", 0),
        ("rediss+cluster://h/0", "h:6379", "", 0),
    ],
)
def test_an_address_of_sentinels_or_a_cluster_names_several_hosts(
    url: str, place: str, service: str, database: int
) -> None:
    found = parse_address(url)
    assert (found.place, found.service, found.database) == (place, service, database)
    assert found.kind == ("sentinel" if service else "cluster")
    assert found.tls == url.startswith("rediss")
    assert "s3cret" not in repr(found)
    assert "s3cret" not in found.scrub("a s3cret" if "s3cret" in url else "")
    one = found.at("h9", 9, "told")
    assert (one.place, one.kind, one.password) == ("h9:9", "server", found.password)


@pytest.mark.parametrize(
    "url",
    [
        "",
        "redis+sentinel://h:26379",
        "redis+sentinel://h:x,h2/my",
        "redis+cluster://h/1",
        "redis+cluster://h:s3cret,h2",
        "unix+cluster://h",
        "http://h/0",
        "redis://h:99999999/0",
        "redis://h/cache",
        "redis://:s3/cret@h/0",
        "redis://:12#s3cret@h/0",
        "redis://:12?s3cret@h/0",
        "redis://:s3cret",
        "redis://[::1/0",
        "redis://h:s3cret/0",
        "unix://",
        "redis://u:s3cret@h:x/0",
    ],
)
def test_what_is_no_address_is_refused_without_showing_its_password(url: str) -> None:
    with pytest.raises(CheckFailed) as caught:
        parse_address(url, "redis.url from environment")
    assert "redis.url from environment" in caught.value.message
    assert "s3" not in caught.value.message
    assert "cret" not in caught.value.message
    assert caught.value.remedy
    assert caught.value.__context__ is None


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("redis://u:x@h:6379/0", "redis://u:***@h:6379/0"),
        ("redis://x@h:6379/0", "redis://***@h:6379/0"),
        ("redis://u:a/b#c?d@e@h/0", "redis://u:***@h/0"),
        ("redis://h/0?password=x&db=1", "redis://h/0?password=***&db=1"),
        ("u:x@h:1", "u:***@h:1"),
        ("redis://:x/0", "redis://:***"),
        ("unix:///run/r.sock", "unix:///run/r.sock"),
        ("redis+cluster://h1:1,h2,[::1]:3/0", "redis+cluster://h1:1,h2,[::1]:3/0"),
        ("redis://u:1,x/0", "redis://u:***"),
        ("redis+cluster://u:1,x@", "redis+cluster://u:***@"),
        ("redis+sentinel://h/m?sentinel_password=x", "redis+sentinel://h/m?sentinel_password=***"),
    ],
)
def test_a_password_is_masked_wherever_it_may_stand(url: str, shown: str) -> None:
    assert mask(url) == shown


@given(st.text(min_size=1), st.text(alphabet="abc", max_size=3))
def test_no_password_is_ever_shown(password: str, user: str) -> None:
    marked = f"<{password}>"
    assert marked not in mask(f"redis://{user}:{marked}@host:6379/0")
    assert marked not in mask(f"redis+cluster://{user}:{marked}@host:6379,other:1")


@given(st.text())
def test_any_text_is_an_address_or_a_problem(text: str) -> None:
    several = f"redis+cluster://{text}", f"redis+sentinel://h,{text}/m"
    for url in (text, f"redis://{text}", f"unix://{text}", f"rediss://{text}@h/0", *several):
        with contextlib.suppress(CheckFailed):
            assert parse_address(url).place
