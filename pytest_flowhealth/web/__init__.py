"""The web page and its API, in the monitor's process."""
