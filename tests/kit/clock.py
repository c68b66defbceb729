"""A clock that only waiting moves."""


class FakeClock:
    """A clock for code that takes its time as an argument.

    Args:
        now: Its first time, in seconds since 1970.

    Attributes:
        waited: How long each `sleep` was, in seconds.
    """

    def __init__(self, now: float = 1_790_000_000.0) -> None:
        self.at = now
        self.waited: list[float] = []

    def now(self) -> float:
        """Return the time. Pass this method where a clock is wanted."""
        return self.at

    def sleep(self, seconds: float) -> None:
        """Move the time on. Pass this method where `time.sleep` is wanted."""
        self.waited.append(seconds)
        self.at += max(0.0, seconds)
