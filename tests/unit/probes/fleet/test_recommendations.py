"""Recommendations, and the facts that they follow from."""

import pytest

from pytest_flowhealth.probes.fleet.recommendations import FleetFacts, list_recommendations


@pytest.mark.parametrize(
    ("facts", "says"),
    [
        (FleetFacts(), ()),
        (
            FleetFacts(agents=4, busy=75, waiting=9, grown=3, growth=12),
            ("grows by 12/min with 3 of 4",),
        ),
        (FleetFacts(agents=4, busy=100, waiting=9, grown=3, growth=12), ("raise the pool",)),
        (FleetFacts(agents=4, busy=100, waiting=9, grown=2, growth=8), ()),
        (
            FleetFacts(agents=4, busy=100, grown=9, growth=9, utilisation=95, scope="the CPU time"),
            ("95 % of the CPU time",),
        ),
        (FleetFacts(agents=0, waiting=1), ("1 task waits and there is no agent",)),
        (FleetFacts(paused=True), ("paused",)),
        (FleetFacts(completion=90.0), ("10 % of the tasks fail",)),
        (FleetFacts(completion=95.0), ()),
        (FleetFacts(stuck=2, abandoned=1), ("without an agent", "too long")),
        (FleetFacts(silent=3), ("restart",)),
        (FleetFacts(spawn=4.2), ("4.2 s",)),
        (FleetFacts(agents=10, busy=10, waiting=0), ("smaller pool",)),
        (FleetFacts(agents=2, busy=0, waiting=0), ()),
    ],
)
def test_each_recommendation_follows_from_its_facts(
    facts: FleetFacts, says: tuple[str, ...]
) -> None:
    told = list_recommendations(facts)
    assert len(told) == len(says)
    assert all(words in sentence for words, sentence in zip(says, told, strict=True)), told
