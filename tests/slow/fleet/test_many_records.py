"""Fleets with hundreds of thousands of records: what is read of them is bounded."""

from __future__ import annotations

from pytest_flowhealth.probes.fleet.sources.redis_reading import Records
from pytest_flowhealth.probes.fleet.sources.redis_swarm import RedisSwarm
from pytest_flowhealth.probes.fleet.sources.swarm_keys import Keys
from pytest_flowhealth.probes.redis.address import parse
from tests.kit.redis import RedisServer


def test_of_a_quarter_of_a_million_swarms_the_newest_are_read(breakable_redis: RedisServer) -> None:
    fill = (
        "for i=1,250000 do redis.call('SET','other:'..i,'x') "
        "redis.call('ZADD',KEYS[1],i,'s'..i) end"
    )
    breakable_redis.command("EVAL", fill, 1, "swarm:index")
    found = RedisSwarm(Records(parse(breakable_redis.url)), Keys({}), listening=0.0).read()
    assert any("newest 1,000 swarms" in text for text in found.partial)
    assert any("not gone over to its end" in text for text in found.partial)
