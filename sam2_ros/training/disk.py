"""How much disk space a training needs, compared with what is free."""

from __future__ import annotations

import shutil
from pathlib import Path

from sam2_ros.training.data import Clips
from sam2_ros.training.errors import TrainingError
from sam2_ros.training.state import TrainingState


def describe_disk_space(folder: Path, clips: Clips, state: TrainingState) -> str:
    """One line: what will be written below `folder`, and what is free. Raises TrainingError if that is too little."""
    state_bytes = 2 * state.nbytes  # the new file is complete before the old one goes
    needed, free = clips.bytes_to_write + state_bytes, shutil.disk_usage(folder).free
    parts = f"up to {_gigabytes(clips.bytes_to_write)} of rendered clips and {_gigabytes(state_bytes)} of states"
    line = f"{folder}: needs {_gigabytes(needed)} of disk space ({parts}); {_gigabytes(free)} are free"
    if needed > free:
        raise TrainingError(f"{line}: free some, choose another folder with --out, or fewer clips with --clips")
    return line


def _gigabytes(count: int) -> str:
    return f"{count / 1e9:.1f} GB"
