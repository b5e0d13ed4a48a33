"""An open-vocabulary detector: an image and phrases in, boxes out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch

from sam2_ros.detection.types import Detection
from sam2_ros.segmentation.suppression import box_nms
from sam2_ros.tracking.geometry import clip_box
from sam2_ros.tracking.types import Box

from .families import Candidates, Family, Query

_MAX_CANDIDATES = 1000  # with the highest scores; those of low thresholds are thousands
_MAX_BOXES = 100  # of an image


@dataclass(frozen=True)
class DetectorConfig:
    """Which boxes are kept. Raises ValueError."""

    threshold: float = 0.0  # lowest score, 0..1; 0: that of the kind of model
    max_overlap: float = 0.5  # IoU with a better box of the same phrase, above which a box is a duplicate

    def __post_init__(self) -> None:
        if not 0 <= self.threshold < 1 or not 0 < self.max_overlap <= 1:
            raise ValueError(
                f"threshold is {self.threshold:g} and max_overlap {self.max_overlap:g}, expected 0 <= threshold < 1 "
                "and 0 < max_overlap <= 1"
            )


class TextDetector:
    """A model of transformers' zero-shot object detection. `query` and `detect` may run on two threads."""

    def __init__(self, model: Any, processor: Any, family: Family) -> None:
        self.family = family
        self._model = model
        self._processor = processor

    @property
    def device(self) -> torch.device:
        """Where the model runs."""
        device: torch.device = self._model.device
        return device

    def query(self, phrases: Sequence[str]) -> Query:
        """The phrases, ready to be searched for. Raises WordsError for words that the model cannot read."""
        query = self.family.encode(phrases, self._processor, self._model.config)
        return replace(query, inputs={name: value.to(self.device) for name, value in query.inputs.items()})

    @torch.inference_mode()
    def detect(self, rgb: np.ndarray, query: Query, config: DetectorConfig) -> list[Detection]:
        """What is found in an image (H, W, 3) uint8 RGB: boxes in its pixels, labelled by their phrases, best first."""
        image = self._processor.image_processor(images=rgb, input_data_format="channels_last", return_tensors="pt")
        outputs = self._model(**{name: value.to(self.device) for name, value in image.items()}, **query.inputs)
        size = (rgb.shape[0], rgb.shape[1])
        threshold = config.threshold or self.family.threshold
        found = self.family.candidates(outputs, query, self._processor, size, threshold)
        return _detections(found, query, size, config.max_overlap)


def _detections(found: Candidates, query: Query, size: tuple[int, int], max_overlap: float) -> list[Detection]:
    """Without duplicates and boxes outside the image."""
    order = found.scores.argsort(descending=True, stable=True)[:_MAX_CANDIDATES]
    boxes, scores, phrases = (part[order].float().cpu().numpy() for part in (found.boxes, found.scores, found.phrases))
    detections = []
    for i in _without_duplicates(boxes, scores, phrases, max_overlap)[:_MAX_BOXES]:
        box = clip_box(Box(*boxes[i].tolist()), size)
        if box.x0 < box.x1 and box.y0 < box.y1:
            detections.append(Detection(box, float(scores[i]), query.phrases[int(phrases[i])]))
    return detections


def _without_duplicates(boxes: np.ndarray, scores: np.ndarray, phrases: np.ndarray, max_overlap: float) -> list[int]:
    """Indices, best first, of the boxes that are no duplicates within their phrase."""
    kept: list[int] = []
    for phrase in np.unique(phrases):
        (members,) = np.nonzero(phrases == phrase)
        kept += members[box_nms(boxes[members], scores[members], max_overlap)].tolist()
    return sorted(kept, key=lambda i: -scores[i])
