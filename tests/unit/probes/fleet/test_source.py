"""Which source a configuration names, and what is said of one that lacks something."""

from pathlib import Path

import pytest

from pytest_flowhealth.config.load import load_target
from pytest_flowhealth.config.target import Target
from pytest_flowhealth.errors import CheckFailed, FlowHealthError, NotApplicable
from pytest_flowhealth.probes.fleet import source
from pytest_flowhealth.probes.fleet.sources.fetch import WebAddress
from pytest_flowhealth.probes.fleet.sources.http import HttpSource
from pytest_flowhealth.probes.fleet.sources.prometheus import Prometheus

REDIS = "redis://:s3cret@127.0.0.1:1/0"


def target(folder: Path, text: str, name: str = "app") -> Target:
    (folder / "package.json").write_text(f'{{"name": "{name}"}}')
    (folder / "flowhealth.toml").write_text(f"[fleet]\n{text}\n")
    return load_target(folder, {"FLOWHEALTH_REDIS_URL": REDIS}, folder)


@pytest.mark.parametrize(
    ("text", "name", "place", "reads_redis"),
    [
        ('source = "redis-swarm"', "redis-swarm", "redis://:***@127.0.0.1:1/0", True),
        ('source = "bullmq"\nqueue = "q"', "bullmq", "redis://:***@127.0.0.1:1/0, queue q", True),
        ('source = "bullmq"\nurl = "redis://h/1"', "bullmq", "redis://h/1", False),
        ('source = "command"\ncommand = ["node", "a.js"]', "command", "node a.js", False),
        ('source = "http"\nurl = "http://u:p@h/x?k=1"', "http", "http://h/x", False),
    ],
)
def test_a_source_is_named_with_its_place_and_without_secrets(
    tmp_path: Path, text: str, name: str, place: str, reads_redis: bool
) -> None:
    configured = target(tmp_path, text)
    found = source.of_target(configured)
    assert (found.name, found.place) == (name, place)
    assert source.reads_redis(configured) is reads_redis


def test_the_preset_of_a_known_application_names_its_source(tmp_path: Path) -> None:
    assert source.of_target(target(tmp_path, "", "claude-flow-novice")).name == "redis-swarm"


@pytest.mark.parametrize(
    ("text", "kind", "says"),
    [
        ("", NotApplicable, "no fleet is configured"),
        ('source = "command"', CheckFailed, "needs fleet.command"),
        ('source = "http"', CheckFailed, "needs fleet.url"),
        ('source = "http"\nurl = "redis://h"', CheckFailed, "needs fleet.url"),
        (
            'source = "http"\nurl = "http://h"\ntoken_env = "TOKEN"',
            CheckFailed,
            "the variable TOKEN, which fleet.token_env names, is not set",
        ),
        ('source = "prometheus"\nurl = "http://h"', CheckFailed, "fleet.fields names no metric"),
        (
            'source = "prometheus"\nurl = "http://h"\nfields = { odd = "x" }',
            CheckFailed,
            "fleet.fields has no field 'odd'",
        ),
        ('source = "redis-swarm"\nkeys = { nonsense = "x" }', CheckFailed, "no role 'nonsense'"),
        ('source = "redis-swarm"\nkeys = { swarm = "s" }', CheckFailed, "swarm must contain {id}"),
    ],
)
def test_what_a_source_lacks_is_told(
    tmp_path: Path, text: str, kind: type[FlowHealthError], says: str
) -> None:
    with pytest.raises(kind) as caught:
        source.of_target(target(tmp_path, text), {})
    assert says in caught.value.message


def test_a_token_and_the_time_of_an_answer_are_taken_from_the_configuration(
    tmp_path: Path,
) -> None:
    text = 'url = "http://h"\ntoken_env = "TOKEN"\ntimeout = "1 h"\nfields = { agents = "workers" }'
    place = WebAddress("http://h", "tok", source.LONGEST_ANSWER)
    for name, kind in (("http", HttpSource), ("prometheus", Prometheus)):
        found = source.of_target(target(tmp_path, f'source = "{name}"\n{text}'), {"TOKEN": " tok "})
        assert isinstance(found, kind)
        assert found.address == place
