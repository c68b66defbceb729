"""GitHub's issues: one for each kind of error that many installations report, and what they tell."""
