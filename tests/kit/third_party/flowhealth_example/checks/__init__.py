"""A check suite: `pytest --health --pyargs flowhealth_example.checks`."""
