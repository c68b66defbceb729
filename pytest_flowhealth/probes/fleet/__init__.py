"""The application's agents: what its own records tell of them, what they use, how quickly one starts."""
