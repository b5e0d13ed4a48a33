"""How often the node says the same."""

REPEAT = 5.0  # seconds between two log lines of one kind
