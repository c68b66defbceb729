"""A Prometheus-compatible server as history: remote write, and reading back by PromQL."""
