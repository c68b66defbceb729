"""The history of runs: an SQLite file with runs, samples and roll-ups, and a remote server."""
