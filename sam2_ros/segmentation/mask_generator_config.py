"""The parameters of `MaskGenerator`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ..tracking.arguments import check_types

# What differs for a model by its name. nano is less sure of good masks than the released models are.
_THRESHOLDS = {"nano": {"pred_iou_thresh": 0.6, "stability_score_thresh": 0.7}}


@dataclass(frozen=True)
class MaskGeneratorConfig:
    """Names and defaults are those of the reference; `mask_nms_thresh` is ours.

    Raises TypeError for a value of another type, ValueError for one out of range.
    """

    points_per_side: int = 32  # of the grid of clicks
    points_per_batch: int = 64  # clicks that are decoded at once
    pred_iou_thresh: float = 0.8  # masks need a predicted IoU above it
    stability_score_thresh: float = 0.95  # and a stability score of at least that
    stability_score_offset: float = 1.0  # logits by which the threshold is moved up and down to measure stability
    mask_threshold: float = 0.0  # logit from which on a pixel is on the mask
    box_nms_thresh: float = 0.7  # of two masks of one crop with a higher box IoU, one is a duplicate
    mask_nms_thresh: float = 1.0  # of any two masks with a higher mask IoU, one is a duplicate; 1: not compared
    crop_n_layers: int = 0  # layer n has 4^n crops of the image
    crop_nms_thresh: float = 0.7  # of two masks of different crops with a higher box IoU, one is a duplicate
    crop_overlap_ratio: float = 512 / 1500  # of the crops of the first layer, in lengths of the image's shorter side
    crop_n_points_downscale_factor: int = 1  # layer n has points_per_side / factor^n points on a side
    min_mask_region_area: int = 0  # pixels; smaller holes are filled and smaller islands removed
    use_m2m: bool = False  # refine each mask by feeding it back
    multimask_output: bool = True  # three masks of each click, not one

    def __post_init__(self) -> None:
        check_types(self)
        for name in ("points_per_side", "points_per_batch", "crop_n_points_downscale_factor"):
            self._check(name, 1)
        for name in ("crop_n_layers", "min_mask_region_area", "stability_score_offset"):
            self._check(name, 0)
        for name in ("pred_iou_thresh", "stability_score_thresh", "box_nms_thresh", "mask_nms_thresh"):
            self._check(name, 0, 1)
        for name in ("crop_nms_thresh", "crop_overlap_ratio"):
            self._check(name, 0, 1)
        if not self.points_on_side(self.crop_n_layers):
            raise ValueError(
                f"points_per_side is {self.points_per_side}, expected at least "
                f"{self.crop_n_points_downscale_factor**self.crop_n_layers}: the last of {self.crop_n_layers} crop "
                "layers would have no points"
            )

    @classmethod
    def for_model(cls, name: str, **changes: Any) -> MaskGeneratorConfig:
        """With `changes`; other thresholds are those for the model of this name."""
        return cls(**{**_THRESHOLDS.get(name, {}), **changes})

    def points_on_side(self, layer: int) -> int:
        """Clicks on a side of each crop of a layer; 0 is the whole image."""
        return int(self.points_per_side / self.crop_n_points_downscale_factor**layer)

    def _check(self, name: str, least: float, most: float = float("inf")) -> None:
        value = getattr(self, name)
        if not least <= value <= most:
            expected = f"{least}..{most:g}" if most < float("inf") else f"a number from {least} on"
            raise ValueError(f"{name} is {value}, expected {expected}")
