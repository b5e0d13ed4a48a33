"""Errors for input that cannot be used."""

from __future__ import annotations


class PromptError(ValueError):
    """A prompt that cannot be used; the message says why and what to do."""


class StampError(ValueError):
    """A frame that is not newer than the previous one; the message says what to do."""
