"""Alerts: rules and failing checks, their states, routing and delivery to receivers."""
