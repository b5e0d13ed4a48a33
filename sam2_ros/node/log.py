"""How often the node repeats a log message."""

THROTTLE_PERIOD = 5.0  # seconds, for throttle_duration_sec of warnings that would repeat with every image
