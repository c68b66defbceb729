"""The report formats, one module per format with `render(report) -> str`."""
