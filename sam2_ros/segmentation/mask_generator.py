"""Everything in an image: a grid of clicks, and of their masks those that are good and no duplicates."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from ..model import ImageFeatures, Network, PointLabel, PromptTensors
from ..tracking.geometry import full_size
from ..tracking.preprocess import check_frame
from ..tracking.transfer import fetch, upload
from ..tracking.types import Box
from .crops import Crop, crops, grid
from .image_network import EncodedImage, ImageNetwork, PredictedMasks
from .mask_generator_config import MaskGeneratorConfig
from .regions import clean
from .segment import PackedMask, Segment
from .suppression import box_nms, mask_nms

_CPU_PIXELS = 2**22  # of masks at image size, at once: what they take stays small, on a CPU nearly in its caches
_GPU_PIXELS = 2**27
_MAX_LOGIT = 32.0  # of mask logits that are fed back


class MaskGenerator:
    """Finds everything in an image.

    Masks are kept packed, so that memory does not grow with the image times the number of masks.
    """

    def __init__(self, model: Network, config: MaskGeneratorConfig | None = None, precision: str = "float32") -> None:
        """`precision` is float32 or bfloat16. Raises ValueError for another one."""
        self._network = ImageNetwork(model, precision)
        self._config = config or MaskGeneratorConfig()

    def generate(self, rgb: np.ndarray) -> list[Segment]:
        """All segments of an image (H, W, 3) uint8, best predicted IoU first, and those of small crops before others.

        Raises TypeError or ValueError for anything but such an image.
        """
        steps = self.steps(rgb)
        while True:
            try:
                next(steps)
            except StopIteration as end:
                return list(end.value)

    def steps(self, rgb: np.ndarray) -> Generator[float, None, list[Segment]]:
        """`generate` in bounded pieces of work, which yield the part that is done, 0..1; returns the segments."""
        check_frame(rgb)
        size = rgb.shape[:2]
        config = self._config
        all_crops = list(crops(size, config))
        total = sum(config.points_on_side(crop.layer) ** 2 for crop in all_crops)
        done = 0
        segments: list[Segment] = []
        for crop in all_crops:
            image = self._network.encode(np.ascontiguousarray(crop.of(rgb)))
            yield done / total
            points = grid(crop, config)
            segments += yield from self._on_crop(image, points, crop, size, _Progress(done, total))
            done += len(points)
        if len(all_crops) > 1:
            scores = [1 / ((s.crop_box.x1 - s.crop_box.x0) * (s.crop_box.y1 - s.crop_box.y0)) for s in segments]
            segments = _without_duplicates(segments, scores, config.crop_nms_thresh)
        return self._finished(segments)

    def steps_with_features(
        self, features: ImageFeatures, size: tuple[int, int], points: np.ndarray | None = None
    ) -> Generator[float, None, list[Segment]]:
        """`steps` on an image of `size` (H, W) that is encoded already, without smaller crops.

        Masks are of this size, which may be smaller than the image was. `points` (P, 2) in its pixels replace the grid.
        """
        image = self._network.with_features(features, size)
        crop = Crop(0, 0, 0, size[1], size[0])
        if points is None:
            points = grid(crop, self._config)
        segments = yield from self._on_crop(image, points, crop, size, _Progress(0, len(points)))
        return self._finished(segments)

    def _on_crop(
        self, image: EncodedImage, points: np.ndarray, crop: Crop, size: tuple[int, int], progress: _Progress
    ) -> Generator[float, None, list[Segment]]:
        """What clicks (P, 2) on a crop find, without duplicates."""
        config = self._config
        found: list[Segment] = []
        for start in range(0, len(points), config.points_per_batch):
            batch = points[start : start + config.points_per_batch]
            parts = self._in_parts(self._decoded(image, batch), image.size)
            for i, part in enumerate(parts):
                if i:
                    yield progress.part(start)
                found += self._stable_segments(part, batch, crop, size)
            yield progress.part(start + len(batch))
        return _without_duplicates(found, [s.predicted_iou for s in found], config.box_nms_thresh)

    def _finished(self, segments: list[Segment]) -> list[Segment]:
        """Cleaned, and without duplicates by their masks, where the parameters ask for it."""
        config = self._config
        if config.min_mask_region_area > 0:
            segments = self._cleaned(segments)
        if config.mask_nms_thresh < 1:
            quality = np.array([segment.predicted_iou for segment in segments])
            kept = mask_nms([segment.packed for segment in segments], quality, config.mask_nms_thresh)
            segments = [segments[i] for i in kept]
        return segments

    @torch.inference_mode()
    def _decoded(self, image: EncodedImage, points: np.ndarray) -> PredictedMasks:
        """The masks of clicks (P, 2) that are good enough."""
        above = self._config.pred_iou_thresh
        prompts = self._prompts(points, image)
        if self._config.use_m2m:
            return self._refined(image, prompts, above)
        return self._network.decode(image, prompts, self._config.multimask_output, above)

    @torch.inference_mode()
    def _in_parts(self, masks: PredictedMasks, size: tuple[int, int]) -> list[PredictedMasks]:
        """As many masks at a time as may be scaled up to `size` (H, W) at once."""
        pixels = _CPU_PIXELS if self._network.device.type == "cpu" else _GPU_PIXELS
        count = max(1, pixels // (size[0] * size[1]))
        return [
            PredictedMasks(*(x[start : start + count] for x in masks)) for start in range(0, len(masks.logits), count)
        ]

    def _prompts(self, points: np.ndarray, image: EncodedImage) -> PromptTensors:
        """One positive click each."""
        height, width = image.size
        square = points / np.array([width, height], np.float32) * np.float32(self._network.image_size)
        labels = np.full((len(points), 1), PointLabel.POSITIVE, np.int64)
        return PromptTensors(upload(square[:, None], self._network.device), upload(labels, self._network.device))

    def _refined(self, image: EncodedImage, prompts: PromptTensors, above: float) -> PredictedMasks:
        """The masks that come of feeding every mask back with its click."""
        first = self._network.decode(image, prompts, self._config.multimask_output)
        fed_back = first.logits.clamp(-_MAX_LOGIT, _MAX_LOGIT)[:, None]
        parts = []
        for start in range(0, len(fed_back), self._config.points_per_batch):
            rows = slice(start, start + self._config.points_per_batch)
            origin = first.prompt[rows]
            again = PromptTensors(prompts.points[origin], prompts.labels[origin], fed_back[rows])
            refined = self._network.decode(image, again, multimask=False, above_iou=above)
            parts.append(refined._replace(prompt=origin[refined.prompt]))
        return PredictedMasks(*(torch.cat(pieces) for pieces in zip(*parts)))

    @torch.inference_mode()
    def _stable_segments(
        self, masks: PredictedMasks, points: np.ndarray, crop: Crop, size: tuple[int, int]
    ) -> list[Segment]:
        """The masks at image size, as far as they are stable and not cut off by the crop."""
        config = self._config
        logits = full_size(masks.logits[:, None], crop.size)
        scores = _stability(logits, config.mask_threshold, config.stability_score_offset)
        (stable,) = (scores >= config.stability_score_thresh).nonzero(as_tuple=True)
        if not len(stable):
            return []
        found, iou, score, prompt = fetch(
            logits[stable] > config.mask_threshold,
            masks.predicted_iou[stable],
            scores[stable],
            masks.prompt[stable],
        )
        packed = {i: PackedMask.of(mask, size, (crop.x0, crop.y0)) for i, mask in enumerate(found) if mask.any()}
        are_cut = crop.cuts(_edges(list(packed.values())), size)
        places = points + np.array([crop.x0, crop.y0], np.float32)
        return [
            Segment(mask, float(iou[i]), float(score[i]), tuple(places[prompt[i]].tolist()), Box(*crop.edges))
            for (i, mask), is_cut in zip(packed.items(), are_cut)
            if not is_cut
        ]

    def _cleaned(self, segments: Sequence[Segment]) -> list[Segment]:
        """Without small regions; where that makes duplicates, segments that it did not change are kept."""
        config = self._config
        cleaned, scores = [], []
        for segment in segments:
            mask = segment.mask
            clean_mask = clean(mask, config.min_mask_region_area)
            scores.append(float(clean_mask is mask))
            packed = segment.packed if clean_mask is mask else PackedMask.of(clean_mask, segment.packed.size)
            cleaned.append(replace(segment, packed=packed))
        return _without_duplicates(cleaned, scores, max(config.box_nms_thresh, config.crop_nms_thresh))


class _Progress(NamedTuple):
    """How far the work is: `before` this crop, of `total` clicks."""

    before: int
    total: int

    def part(self, clicks: int) -> float:
        """0..1 after so many clicks on the crop."""
        return (self.before + clicks) / self.total


def _without_duplicates(segments: Sequence[Segment], scores: Sequence[float], threshold: float) -> list[Segment]:
    kept = box_nms(_edges([segment.packed for segment in segments]), np.array(scores, np.float32), threshold)
    return [segments[i] for i in kept]


def _edges(masks: Sequence[PackedMask]) -> np.ndarray:
    """(K, 4): first and last column and row of each mask, which is what the reference compares."""
    return np.array([mask.edges for mask in masks], np.int64).reshape(-1, 4) - (0, 0, 1, 1)


def _stability(logits: Tensor, threshold: float, offset: float) -> Tensor:
    """(K,) float32 of logits (K, H, W): IoU of the masks at a higher and at a lower threshold; 0 of an empty mask."""
    inner, outer = _areas(logits > threshold + offset), _areas(logits > threshold - offset)
    return inner / outer.clamp(min=1)


def _areas(masks: Tensor) -> Tensor:
    """(K,) pixels of masks (K, H, W); NumPy counts far faster than PyTorch's sum on a CPU."""
    if masks.device.type != "cpu":
        return masks.flatten(1).sum(dim=1)
    return torch.tensor([np.count_nonzero(mask) for mask in masks.numpy()])
