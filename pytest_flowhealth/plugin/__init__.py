"""The glue to pytest, the only package that imports it."""
