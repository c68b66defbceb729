"""The console script `flowhealth`: one file per command, no logic of its own."""
