"""Run the checks: the health fixture, the hooks around each check, prefetched probes, timeouts."""
