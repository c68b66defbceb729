"""The fixtures that the tests of the web page share."""

from tests.kit.tabs import axe

__all__ = ["axe"]
