"""The npm registry and its downloads API: what they tell of a package, and whether it installs."""
