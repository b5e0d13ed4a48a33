"""Why a training ends before its last step."""

from __future__ import annotations

from pathlib import Path


class TrainingError(ValueError):
    """A training that cannot start or continue; the message says why and what to do."""


class TrainingStopped(Exception):
    """A signal stopped the training after `step`; its state is saved in `file`."""

    def __init__(self, step: int, file: Path, signal: int) -> None:
        super().__init__(f"stopped by signal {signal} after step {step}, saved in {file}")
        self.step = step
        self.file = file
        self.signal = signal
