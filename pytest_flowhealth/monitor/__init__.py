"""The monitor: the same checks for ever, in rounds, with history and alerts."""
