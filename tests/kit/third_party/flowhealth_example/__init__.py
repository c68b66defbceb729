"""A package that extends pytest-flowhealth in every way that docs/extending.md describes."""
