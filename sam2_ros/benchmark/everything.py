"""What it takes to find everything in an image, ours and the reference's."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ..model import Sam2
from ..parity.reference import Reference
from ..segmentation import MaskGenerator, MaskGeneratorConfig
from ..tracking.device import autocast
from ..tracking.geometry import mask_iou

_SAME = 0.99  # IoU of masks from which on they are the same
# The defaults, and thresholds that more masks pass: those that do not are not made, which is a part of the work.
SETTINGS: tuple[dict[str, Any], ...] = ({}, {"pred_iou_thresh": 0.4, "stability_score_thresh": 0.5})

Generate = Callable[[], list[np.ndarray]]  # all masks (H, W) of an image


@dataclass(frozen=True)
class EverythingTime:
    """One implementation with one setting."""

    name: str
    settings: MaskGeneratorConfig
    seconds: float  # median
    masks: int
    ratio: float | None = None  # of the reference's time to it
    same: int = 0  # of the reference's masks that it finds

    def line(self) -> str:
        """A line of the table."""
        thresholds = f"{self.settings.pred_iou_thresh:.2f} {self.settings.stability_score_thresh:.2f}"
        line = f"{self.name:20} {thresholds:>11} {self.seconds:9.2f} {self.masks:6}"
        return line if self.ratio is None else f"{line} {self.ratio:9.2f} {self.same:6}"


HEADER = f"{'':20} {'thresholds':>11} {'seconds':>9} {'masks':>6} {'faster by':>9} {'same':>6}"


def measure_everything(
    model: Sam2, rgb: np.ndarray, precision: str, runs: int, checkout: Path | None
) -> Iterator[EverythingTime]:
    """`runs` times with each of `SETTINGS` after one time of warm-up, in turn with the reference's mask generator."""
    reference = None if checkout is None else _ImageReference(checkout, model)
    for changes in SETTINGS:
        config = MaskGeneratorConfig(**changes)
        generator = MaskGenerator(model, config, precision)
        variants: list[Generate] = [lambda generator=generator: [s.mask for s in generator.generate(rgb)]]  # type: ignore[misc]
        if reference is not None:
            variants.append(lambda changes=changes: reference.masks(rgb, changes, precision))  # type: ignore[misc]
        seconds, masks = _measure(variants, runs)
        if reference is None:
            yield EverythingTime(f"sam2_ros {precision}", config, seconds[0], len(masks[0]))
            continue
        same = sum(any(mask_iou(mask, ours) > _SAME for ours in masks[0]) for mask in masks[1])
        ratio = seconds[1] / seconds[0]
        yield EverythingTime(f"sam2_ros {precision}", config, seconds[0], len(masks[0]), ratio, same)
        yield EverythingTime(f"reference {precision}", config, seconds[1], len(masks[1]))


def _measure(variants: Sequence[Generate], runs: int) -> tuple[list[float], list[list[np.ndarray]]]:
    """Median seconds and masks of each; the masks are fetched from the device, so that time is all of it."""
    seconds = np.zeros((runs + 1, len(variants)))
    masks: list[list[np.ndarray]] = [[] for _ in variants]
    for run in range(runs + 1):
        for i, generate in enumerate(variants):
            start = time.perf_counter()
            masks[i] = generate()
            seconds[run, i] = time.perf_counter() - start
    return np.median(seconds[1:], axis=0).tolist(), masks


class _ImageReference(Reference):
    """The reference on single images, each of which it encodes anew."""

    def __init__(self, checkout: Path, model: Sam2) -> None:
        super().__init__(checkout, model.config, str(model.device))
        self.load(model)
        del self._model.forward_image
        self._device = model.device

    def masks(self, rgb: np.ndarray, changes: dict[str, Any], precision: str) -> list[np.ndarray]:
        """All masks (H, W) bool of an image."""
        with autocast(self._device, precision):
            return [segment["segmentation"] for segment in self.segments(rgb, changes)]
