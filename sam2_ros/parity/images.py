"""Single images: what both implementations are asked, our outputs, and how they differ from the reference's."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from ..model import Sam2
from ..segmentation import ImagePredictor, MaskGenerator, MaskGeneratorConfig, Segment
from ..tracking import Box, Click, Prompt
from ..tracking.geometry import mask_iou
from .compare import Limits

_IOU_LIMIT = 1e-3  # difference of predicted IoU


class ImagePrompt(NamedTuple):
    """A prompt on an image; with `refined`, the logits of its best mask of three are fed back for one mask."""

    name: str
    prompt: Prompt
    multimask: bool
    refined: bool = False


class ImageOutput(NamedTuple):
    """The masks of one prompt."""

    masks: np.ndarray  # (M, H, W) bool
    predicted_iou: np.ndarray  # (M,)
    logits: np.ndarray  # (M, S / 4, S / 4)


ImageOutputs = dict[str, ImageOutput]  # by the name of the prompt
Predict = Callable[[Prompt, np.ndarray | None, bool], ImageOutput]  # from a prompt, logits and `multimask`

# Settings of the mask generator that find many masks with the weights of `golden.SMALL`.
_MANY = {
    "points_per_side": 6,
    "pred_iou_thresh": 0.0,
    "stability_score_thresh": 0.05,
    "stability_score_offset": 0.01,
    "mask_threshold": 0.15,
}
GENERATORS: dict[str, dict[str, Any]] = {
    "everything": _MANY,
    "everything, single masks": {**_MANY, "multimask_output": False},
    "everything, refined": {**_MANY, "use_m2m": True, "box_nms_thresh": 0.9},
    "everything, crops": {**_MANY, "crop_n_layers": 2, "crop_n_points_downscale_factor": 2, "points_per_batch": 5},
    "everything, alike": {**_MANY, "pred_iou_thresh": 0.5, "stability_score_thresh": 0.1, "box_nms_thresh": 0.95},
}


def image_prompts(size: tuple[int, int]) -> list[ImagePrompt]:
    """Every kind of prompt on an image of `size` (H, W)."""
    height, width = size
    click = Prompt(clicks=[Click(0.5 * width, 0.45 * height)])
    clicks = Prompt(clicks=[*click.clicks, Click(0.15 * width, 0.2 * height, positive=False)])
    box = Prompt(box=Box(0.3 * width, 0.25 * height, 0.7 * width, 0.8 * height))
    both = Prompt(clicks=clicks.clicks, box=box.box)
    prompts = []
    for name, prompt in (("click", click), ("clicks", clicks), ("box", box), ("box and clicks", both)):
        prompts.append(ImagePrompt(f"image, {name}, three", prompt, True))
        prompts.append(ImagePrompt(f"image, {name}, one", prompt, False))
        prompts.append(ImagePrompt(f"image, {name}, refined", prompt, False, refined=True))
    return prompts


def answer(predict: Predict, prompts: Sequence[ImagePrompt]) -> ImageOutputs:
    """The outputs of a predictor; it gets its own logits back."""
    outputs = {}
    for name, prompt, multimask, refined in prompts:
        logits = None
        if refined:
            first = predict(prompt, None, True)
            logits = first.logits[first.predicted_iou.argmax()]
        outputs[name] = predict(prompt, logits, multimask)
    return outputs


def our_images(model: Sam2, rgb: np.ndarray) -> ImageOutputs:
    """Our outputs for `image_prompts` on an image (H, W, 3) uint8."""
    predictor = ImagePredictor(model)
    predictor.set_image(rgb)

    def predict(prompt: Prompt, logits: np.ndarray | None, multimask: bool) -> ImageOutput:
        prediction = predictor.predict(prompt, mask_logits=logits, multimask=multimask)
        return ImageOutput(prediction.masks, prediction.predicted_iou, prediction.logits)

    return answer(predict, image_prompts(rgb.shape[:2]))


def our_segments(model: Sam2, rgb: np.ndarray, settings: dict[str, Any]) -> list[Segment]:
    """What our mask generator finds in an image (H, W, 3) uint8."""
    return MaskGenerator(model, MaskGeneratorConfig(**settings)).generate(rgb)


@dataclass(frozen=True)
class ImageDifference:
    """One prompt, the largest difference of its masks."""

    name: str
    difference: float  # of the logits, relative to the standard deviation of the reference's
    mask_iou: float
    predicted_iou: float  # difference
    area: float  # fraction of the image inside the reference's first mask

    def within(self, limits: Limits) -> bool:
        """Whether the two are equal."""
        is_equal = self.difference <= limits.logits and self.predicted_iou <= _IOU_LIMIT
        return is_equal and self.mask_iou >= limits.mask_iou


def compare_images(ours: ImageOutputs, theirs: ImageOutputs) -> list[ImageDifference]:
    """Raises ValueError where the two have outputs for different prompts, or another number of masks."""
    if ours.keys() != theirs.keys():
        raise ValueError(f"only one implementation has: {sorted(ours.keys() ^ theirs.keys())}")
    return [_compare(name, ours[name], theirs[name]) for name in theirs]


def _compare(name: str, ours: ImageOutput, theirs: ImageOutput) -> ImageDifference:
    if ours.logits.shape != theirs.logits.shape:
        raise ValueError(f"{name} has logits {ours.logits.shape}, the reference's have {theirs.logits.shape}")
    return ImageDifference(
        name,
        float(np.abs(ours.logits - theirs.logits).max() / max(theirs.logits.std(), 1e-30)),
        min(mask_iou(a, b) if a.any() or b.any() else 1.0 for a, b in zip(ours.masks, theirs.masks)),
        float(np.abs(ours.predicted_iou - theirs.predicted_iou).max()),
        float(theirs.masks[0].mean()),
    )
