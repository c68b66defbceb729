"""Alerts: rules and failing checks, their states, and who is told of them."""
