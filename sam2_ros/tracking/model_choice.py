"""A model by its name, its weights and how it is run; and trackers that use it."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from ..model import Sam2, load_model
from .config import TrackerConfig
from .device import choose_device, choose_precision
from .presets import Preset
from .tracker import StreamingTracker


@dataclass(frozen=True)
class ModelChoice:
    """What the options of a command choose. It can be sent to another process, which loads the model itself."""

    name: str
    checkpoint: Path | None = None  # None: bundled or downloaded
    image_size: int | None = None  # None: the model's own
    device: str = "auto"
    preset: Preset = Preset()
    precision: str = "auto"

    def load(self) -> LoadedModel:
        """Load the weights. Raises ValueError, CheckpointError, OSError."""
        device = choose_device(self.device)
        model = load_model(self.name, self.checkpoint, self.image_size, device)
        precision = choose_precision(self.precision, device, model.config.image_size).name
        return LoadedModel(model, TrackerConfig(precision=precision, **asdict(self.preset)))


@dataclass(frozen=True)
class LoadedModel:
    """A model with the precision and the preset that it is to be run with."""

    model: Sam2
    config: TrackerConfig

    def tracker(self, **options: Any) -> StreamingTracker:
        """A tracker with further options of TrackerConfig."""
        return StreamingTracker(self.model, replace(self.config, **options))

    def offline_tracker(self, max_objects: int) -> StreamingTracker:
        """For recordings, whose prompts come with their frames: no earlier frame is buffered."""
        return self.tracker(max_objects=max_objects, history=1)
