"""Recommendations, and the facts that they follow from."""

import pytest

from pytest_flowhealth.probes.fleet.advice import Facts, recommendations


@pytest.mark.parametrize(
    ("facts", "says"),
    [
        (Facts(), ()),
        (Facts(agents=4, busy=75, waiting=9, grown=3, growth=12), ("grows by 12/min with 3 of 4",)),
        (Facts(agents=4, busy=100, waiting=9, grown=3, growth=12), ("raise the pool",)),
        (Facts(agents=4, busy=100, waiting=9, grown=2, growth=8), ()),
        (
            Facts(agents=4, busy=100, grown=9, growth=9, utilisation=95, scope="the CPU time"),
            ("95 % of the CPU time",),
        ),
        (Facts(agents=0, waiting=1), ("1 task waits and there is no agent",)),
        (Facts(paused=True), ("paused",)),
        (Facts(completion=90.0), ("10 % of the tasks fail",)),
        (Facts(completion=95.0), ()),
        (Facts(stuck=2, abandoned=1), ("without an agent", "too long")),
        (Facts(silent=3), ("restart",)),
        (Facts(spawn=4.2), ("4.2 s",)),
        (Facts(agents=10, busy=10, waiting=0), ("smaller pool",)),
        (Facts(agents=2, busy=0, waiting=0), ()),
    ],
)
def test_each_recommendation_follows_from_its_facts(facts: Facts, says: tuple[str, ...]) -> None:
    told = recommendations(facts)
    assert len(told) == len(says)
    assert all(words in sentence for words, sentence in zip(says, told, strict=True)), told
