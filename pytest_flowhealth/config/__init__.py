"""Configuration: flowhealth.toml, presets and the environment, into typed structs."""
