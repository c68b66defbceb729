"""Probes: each measures one thing outside, knows nothing of pytest, and never judges."""
