"""Finds what is in view and not tracked yet, and tracks it.

A grid of clicks on one frame finds candidates. That takes many pieces of work, between which frames are tracked; so
each candidate has to be found again on the newest frame, by its box, before an object is started there.
"""

from __future__ import annotations

import math
from collections.abc import Generator, Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np

from ..tracking import Box, Prompt, PromptError, StreamingTracker
from ..tracking.arguments import check_types
from ..tracking.geometry import mask_iou
from .crops import Crop, grid
from .image_network import prompts_per_piece
from .image_predictor import ImagePredictor
from .mask_generator import MaskGenerator
from .mask_generator_config import MaskGeneratorConfig
from .regions import clean
from .segment import PackedMask, Segment

_MAX_PIXELS = 2**18  # of candidates; the network's masks are no larger
_MAX_CONTAINMENT = 0.5  # of an object and a tracked one, in the smaller of the two
_SPECK = 0.05  # of an object's area: smaller islands and holes do not count
_MIN_INSIDE = 0.9  # of an object, inside the region
_MIN_OVERLAP = 0.5  # mask IoU of a candidate and what is found at its place on the newest frame


@dataclass(frozen=True)
class DiscoveryConfig:
    """Limits of what is discovered. Raises TypeError for a value of another type, ValueError for one out of range."""

    max_objects: int = 8  # nothing is discovered while as many are tracked, however they were started
    min_area: float = 0.002  # of an object, in fractions of the frame (0..1)
    max_area: float = 0.25
    min_predicted_iou: float = MaskGeneratorConfig.pred_iou_thresh
    min_stability: float = MaskGeneratorConfig.stability_score_thresh
    region: Box = Box(0, 0, 1, 1)  # where to look, in fractions of the frame (0..1)
    points_per_side: int = 16  # of the grid of clicks in the region

    def __post_init__(self) -> None:
        check_types(self)
        for name, least in (("max_objects", 1), ("points_per_side", 1)):
            if getattr(self, name) < least:
                raise ValueError(f"{name} is {getattr(self, name)}, expected at least {least}")
        if not 0 <= self.min_area <= self.max_area <= 1:
            raise ValueError(
                f"min_area is {self.min_area:g} and max_area {self.max_area:g}, expected 0 <= min_area <= max_area <= 1"
            )
        for name in ("min_predicted_iou", "min_stability"):
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"{name} is {getattr(self, name):g}, expected 0..1")
        region = self.region
        if not (0 <= region.x0 < region.x1 <= 1 and 0 <= region.y0 < region.y1 <= 1):
            raise ValueError(
                f"region is ({region.x0:g}, {region.y0:g}, {region.x1:g}, {region.y1:g}), expected left < right and "
                "top < bottom, in fractions of the frame (0..1)"
            )


class Discovery:
    """Starts objects of a tracker without prompts; like the tracker not thread-safe."""

    def __init__(self, tracker: StreamingTracker, config: DiscoveryConfig | None = None) -> None:
        self._tracker = tracker
        self._config = config = config or DiscoveryConfig()
        precision = tracker.config.precision
        self._generator_config = MaskGeneratorConfig(
            points_per_side=config.points_per_side,
            points_per_batch=prompts_per_piece(tracker.model.device),
            pred_iou_thresh=config.min_predicted_iou,
            stability_score_thresh=config.min_stability,
        )
        self._generator = MaskGenerator(tracker.model, self._generator_config, precision)
        self._predictor = ImagePredictor(tracker.model, precision)

    def discover(self) -> list[int]:
        """Track what is on the newest frame and not tracked yet; returns the ids, best predicted IoU first.

        Raises PromptError before the first frame.
        """
        steps = self.steps()
        while True:
            try:
                next(steps)
            except StopIteration as end:
                return list(end.value)

    def steps(self) -> Generator[None, None, list[int]]:
        """`discover` in bounded pieces of work, between which the tracker may be used."""
        started: list[int] = []
        if self._has_room():
            candidates = yield from self._candidates()
            for candidate in candidates:
                yield
                if self._has_room() and (track_id := self._start(candidate)):
                    started.append(track_id)
        return started

    def _has_room(self) -> bool:
        return len(self._tracker.labels) < min(self._config.max_objects, self._tracker.config.max_objects)

    def _candidates(self) -> Generator[None, None, list[Segment]]:
        """What is on the newest frame and not tracked, best predicted IoU first; none is a part of another."""
        frame = self._tracker.encoded()
        size = _reduced(frame.size)
        known = self._tracked(size, frame.stamp)
        clicks = self._clicks(size, known)
        yield
        segments = yield from _silently(self._generator.steps_with_features(frame.features, size, clicks))
        candidates: list[Segment] = []
        for segment in segments:
            segment = _without_specks(segment)
            if self._is_wanted(segment.packed) and not _is_known(segment.packed, known):
                candidates.append(segment)
                known.append(segment.packed)
            yield
        return candidates

    def _tracked(self, size: tuple[int, int], stamp: float) -> list[PackedMask]:
        """The masks of all objects on a buffered frame, scaled to `size` (H, W)."""
        return [PackedMask.of(mask, size) for mask in self._tracker.object_masks(size, stamp) if mask.any()]

    def _clicks(self, size: tuple[int, int], known: Sequence[PackedMask]) -> np.ndarray:
        """(P, 2) float32: a grid in the region, without clicks on objects that are tracked."""
        x0, y0, x1, y1 = _pixels(self._config.region, size)
        clicks = grid(Crop(0, x0, y0, x1, y1), self._generator_config) + np.array([x0, y0], np.float32)
        columns, rows = clicks.astype(int).T
        is_tracked = np.zeros(size, bool)
        for mask in known:
            is_tracked |= mask.array()
        untracked: np.ndarray = clicks[~is_tracked[rows, columns]]
        return untracked

    def _is_wanted(self, mask: PackedMask) -> bool:
        """Whether its size and place are within the limits."""
        height, width = mask.size
        x0, y0, x1, y1 = _pixels(self._config.region, mask.size)
        left, top = mask.edges[:2]
        if not self._config.min_area <= mask.area / (height * width) <= self._config.max_area:
            return False
        in_region = mask.inside()[max(0, y0 - top) : max(0, y1 - top), max(0, x0 - left) : max(0, x1 - left)]
        return int(np.count_nonzero(in_region)) >= _MIN_INSIDE * mask.area

    def _start(self, candidate: Segment) -> int | None:
        """The object's id; None where the newest frame does not show it at its place, or it is tracked by now."""
        frame = self._tracker.encoded()
        size = candidate.packed.size
        if size != _reduced(frame.size):
            return None
        self._predictor.set_features(frame.features, size)
        found = self._predictor.predict(Prompt(box=candidate.box), multimask=False)
        mask, predicted_iou = found.masks[0], float(found.predicted_iou[0])
        if predicted_iou <= self._config.min_predicted_iou or mask_iou(mask, candidate.mask) < _MIN_OVERLAP:
            return None
        packed = PackedMask.of(mask, size)
        if not self._is_wanted(packed) or _is_known(packed, self._tracked(size, frame.stamp)):
            return None
        height, width = frame.size
        full = cv2.resize(mask.view(np.uint8), (width, height), interpolation=cv2.INTER_NEAREST)
        reason = f"discovered (predicted IoU {candidate.predicted_iou:.2f}, stability {candidate.stability_score:.2f})"
        try:
            return self._tracker.add(Prompt(mask=full > 0), frame.stamp, reason)
        except PromptError:  # too small for the network
            return None


def _without_specks(segment: Segment) -> Segment:
    """A few pixels elsewhere would make the box of an object as large as the frame."""
    mask = clean(segment.mask, int(_SPECK * segment.area))
    return replace(segment, packed=PackedMask.of(mask, segment.packed.size))


def _is_known(mask: PackedMask, known: Sequence[PackedMask]) -> bool:
    """Whether it is one of these, a part of one, or has one as a part."""
    return any(mask.overlap(other) >= _MAX_CONTAINMENT * min(mask.area, other.area) for other in known)


def _reduced(size: tuple[int, int]) -> tuple[int, int]:
    """(H, W) of at most `_MAX_PIXELS` pixels."""
    scale = min(1.0, math.sqrt(_MAX_PIXELS / (size[0] * size[1])))
    return max(1, round(size[0] * scale)), max(1, round(size[1] * scale))


def _pixels(region: Box, size: tuple[int, int]) -> tuple[int, int, int, int]:
    """The edges of a region (fractions of the frame) in pixels of a frame of `size` (H, W); at least one pixel."""
    height, width = size
    x0, y0 = min(int(region.x0 * width), width - 1), min(int(region.y0 * height), height - 1)
    return x0, y0, max(x0 + 1, math.ceil(region.x1 * width)), max(y0 + 1, math.ceil(region.y1 * height))


def _silently(steps: Generator[float, None, list[Segment]]) -> Generator[None, None, list[Segment]]:
    """The same steps, which do not say how far they are."""
    while True:
        try:
            next(steps)
        except StopIteration as end:
            return list(end.value)
        yield
