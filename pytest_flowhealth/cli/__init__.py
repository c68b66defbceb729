"""The console script `flowhealth`: one file per command."""
