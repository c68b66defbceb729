"""The monitor: runs the checks in rounds, with history and alerts, until it is stopped."""
