"""Run the console script as `python -m pytest_flowhealth.cli`."""

from pytest_flowhealth.cli.main import main

main()
