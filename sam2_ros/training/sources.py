"""Where training samples come from: several sources, each with its share."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from sam2_ros.synthetic.davis_writer import ANNOTATIONS, IMAGES
from sam2_ros.training.data import Clips, Sample, SampleSpec, draw
from sam2_ros.training.davis import DatasetError
from sam2_ros.training.davis_clips import DavisClips
from sam2_ros.training.sav import SavClips, is_sav
from sam2_ros.training.still_clips import StillClips
from sam2_ros.training.stills import read_stills

SYNTHETIC = "synthetic"
_LAYOUTS = (
    f"{IMAGES}/ and {ANNOTATIONS}/ with pictures or a folder for each video (DAVIS), <name>.jpg and <name>.json "
    "(SA-1B), <name>.mp4 and <name>_manual.json (SA-V), or the file instances_<name>.json (COCO)"
)


@dataclass(frozen=True)
class Source:
    """A data set at `path`, or the synthetic clips if it is None; `weight` is its share of the samples."""

    path: Path | None
    weight: float = 1.0

    def __str__(self) -> str:
        name = SYNTHETIC if self.path is None else str(self.path)
        return name if self.weight == 1 and "=" not in name else f"{name}={self.weight:g}"


def parse_source(text: str) -> Source:
    """A source from PATH or PATH=WEIGHT. Raises ValueError for a weight that is no number above 0."""
    path, separator, weight = text.rpartition("=")
    if not separator or Path(text).exists():
        return Source(_path(text))
    try:
        value = float(weight)
    except ValueError:
        value = 0.0
    if not path or not 0 < value < float("inf"):
        raise ValueError(f"expected PATH or PATH=WEIGHT with a weight above 0, not {text!r}")
    return Source(_path(path), value)


def _path(text: str) -> Path | None:
    return None if text == SYNTHETIC else Path(text)


class WeightedClips:
    """Samples of several sources, each as often as its weight says."""

    def __init__(self, sources: Sequence[tuple[Clips, float]]) -> None:
        self._clips = [clips for clips, _ in sources]
        weights = np.array([weight for _, weight in sources])
        self._shares = weights / weights.sum()

    @property
    def bytes_to_write(self) -> int:
        """Disk space that reading all clips will take."""
        return sum(clips.bytes_to_write for clips in self._clips)

    def sample(self, rng: np.random.Generator, spec: SampleSpec, absence: bool) -> Sample:
        """A sample of a random source, without an absence if the source has none. Raises DatasetError as `draw`."""
        return draw(self._clips[int(rng.choice(len(self._clips), p=self._shares))], rng, spec, absence)


def open_data(path: Path, frames: int, size: int) -> DavisClips | SavClips | StillClips:
    """The data set at `path`: pictures or recordings with masks, in any of the layouts.

    Recordings are resized to squares of `size` pixels, and need `frames` annotated frames. Raises DatasetError for
    another layout and for files that cannot be used, MissingLibraryError without pycocotools for run-length masks.
    """
    if not path.exists():
        raise DatasetError(f"{path} does not exist; expected a folder of pictures or videos with masks")
    if path.is_dir() and is_sav(path):
        return SavClips(path, frames, size)
    stills = read_stills(path)
    if stills is not None:
        return StillClips(stills)
    if not (path / IMAGES).is_dir():
        raise DatasetError(f"{path} has no layout that can be trained on; expected {_LAYOUTS}")
    return DavisClips(path, frames, size)
