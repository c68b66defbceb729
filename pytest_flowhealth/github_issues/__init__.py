"""GitHub issues for errors that many installations reported: one for each fingerprint."""
