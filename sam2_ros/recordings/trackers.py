"""The model that labels are made with."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path

from sam2_ros.model import load_model
from sam2_ros.tracking import StreamingTracker, TrackerConfig
from sam2_ros.tracking.device import choose_device, choose_precision
from sam2_ros.tracking.presets import Preset

from .look_back import MakeTracker


@dataclass(frozen=True)
class ModelChoice:
    """A model by its name, its weights (None: bundled or downloaded) and how it is run."""

    name: str
    checkpoint: Path | None
    image_size: int | None
    device: str
    preset: Preset

    def load(self) -> MakeTracker:
        """Load the weights; returns a function that makes trackers. Raises ValueError, CheckpointError, OSError."""
        model = load_model(self.name, self.checkpoint, self.image_size, choose_device(self.device))
        precision = choose_precision("auto", model.device, model.config.image_size).name

        def make(max_objects: int) -> StreamingTracker:
            config = TrackerConfig(max_objects=max_objects, history=1, precision=precision, **asdict(self.preset))
            return StreamingTracker(model, config)

        return make
