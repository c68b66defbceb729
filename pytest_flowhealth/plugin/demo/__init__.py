"""`pytest --health-demo`: run the checks on a small application that the demo starts itself."""
