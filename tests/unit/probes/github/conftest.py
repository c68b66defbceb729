from tests.kit.github import clock, github

__all__ = ["clock", "github"]
