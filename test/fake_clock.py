"""A clock for tests of timeouts and durations."""


class FakeClock:
    """Stands still until it is advanced; seconds."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now

    def advance(self, seconds: float) -> None:
        """Let this time pass."""
        self.now += seconds
