"""What a user can put right."""


class TrainingError(ValueError):
    """A training that cannot start or continue; the message says why and what to do."""
