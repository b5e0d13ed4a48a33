"""Masks from prompts on a single image, which is encoded once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..model import ImageFeatures, Network, PromptTensors
from ..tracking.arguments import shown
from ..tracking.geometry import full_size
from ..tracking.prompts import Points, check_prompt
from ..tracking.transfer import fetch
from ..tracking.types import Prompt, PromptError
from .image_network import EncodedImage, ImageNetwork

_MAX_LOGIT = 32.0  # of mask logits that are given out, to be fed back


@dataclass(frozen=True)
class Prediction:
    """The masks of one prompt: three for an ambiguous prompt, or a single one."""

    masks: np.ndarray  # (M, H, W) bool, of the image's size
    predicted_iou: np.ndarray  # (M,) float32, 0..1
    logits: np.ndarray  # (M, S / 4, S / 4) float32 in -32..32, where S is the side of the network's input

    @property
    def best(self) -> int:
        """The index of the mask with the best predicted IoU."""
        return int(self.predicted_iou.argmax())


class ImagePredictor:
    """Predicts masks on the image that was set last.

    It does not ask whether the object is in view: every prompt gets its masks, as in the original SAM.
    """

    def __init__(self, model: Network, precision: str = "float32") -> None:
        """`precision` is float32 or bfloat16. Raises ValueError for another one."""
        self._network = ImageNetwork(model, precision)
        self._image: EncodedImage | None = None

    def set_image(self, rgb: np.ndarray) -> None:
        """Encode an image (H, W, 3) uint8. Raises TypeError or ValueError for anything else."""
        self._image = None  # not kept beside the next one
        self._image = self._network.encode(rgb)

    def set_features(self, features: ImageFeatures, size: tuple[int, int]) -> None:
        """Use an image of `size` (H, W) that is encoded already."""
        self._image = self._network.with_features(features, size)

    def predict(
        self, prompt: Prompt | None = None, *, mask_logits: np.ndarray | Tensor | None = None, multimask: bool = True
    ) -> Prediction:
        """Masks of a prompt of clicks and a box, of the logits of an earlier mask (S / 4, S / 4), or of both.

        With `multimask` three masks, which is for ambiguous prompts such as a single click. Without, the single one;
        where its outline is not stable, that of the three with the best predicted IoU. Raises PromptError for a prompt
        that cannot be used, TypeError for anything else, RuntimeError before an image is set.
        """
        (prediction,) = self.predict_batch([prompt or Prompt()], mask_logits=[mask_logits], multimask=multimask)
        return prediction

    def predict_batch(
        self,
        prompts: Sequence[Prompt],
        *,
        mask_logits: Sequence[np.ndarray | Tensor | None] | None = None,
        multimask: bool = True,
    ) -> list[Prediction]:
        """Like `predict`, for many prompts at once; `mask_logits` has as many entries as `prompts`."""
        image = self._image
        if image is None:
            raise RuntimeError("no image: call set_image before predict")
        earlier = [None] * len(prompts) if mask_logits is None else list(mask_logits)
        if len(earlier) != len(prompts):
            raise PromptError(f"{len(earlier)} mask_logits for {len(prompts)} prompts, expected as many")
        checked = [self._checked(prompt, logits, image) for prompt, logits in zip(prompts, earlier)]
        predictions: dict[int, Prediction] = {}
        # Prompts with as many points need no padding.
        groups = {(len(entry.points), entry.logits is None) for entry in checked}
        for group in sorted(groups):
            indices = [i for i, entry in enumerate(checked) if (len(entry.points), entry.logits is None) == group]
            tensors = self._tensors([checked[i] for i in indices], image)
            predictions |= zip(indices, self._predict(image, tensors, multimask))
        return [predictions[i] for i in range(len(prompts))]

    def _checked(self, prompt: Prompt, logits: np.ndarray | Tensor | None, image: EncodedImage) -> _Checked:
        if isinstance(prompt, Prompt) and prompt.mask is not None:
            raise PromptError(
                "prompt has a mask, expected clicks or a box: pass the logits of an earlier mask as mask_logits"
            )
        earlier = None if logits is None else self._mask_logits(logits)
        is_mask_alone = earlier is not None and isinstance(prompt, Prompt) and not prompt.clicks and prompt.box is None
        if not is_mask_alone:
            prompt = check_prompt(prompt, image.size)
        return _Checked(Points(tuple(prompt.clicks), prompt.box), earlier)

    def _mask_logits(self, given: Any) -> Tensor:
        """(1, S / 4, S / 4) on the device; raises TypeError or PromptError."""
        side = self._network.image_size // 4
        try:
            logits = torch.as_tensor(given, dtype=torch.float32, device=self._network.device)
        except (TypeError, ValueError, RuntimeError):
            raise TypeError(f"mask_logits is {shown(given)}, expected an array ({side}, {side}) of numbers") from None
        if logits.shape not in ((side, side), (1, side, side)):
            raise PromptError(
                f"mask_logits has shape {tuple(logits.shape)}, expected ({side}, {side}): one of an earlier "
                "prediction's logits"
            )
        if not logits.isfinite().all():
            raise PromptError("mask_logits is not finite, expected the logits of an earlier prediction")
        return logits.reshape(1, side, side)

    def _tensors(self, entries: Sequence[_Checked], image: EncodedImage) -> PromptTensors:
        """Of prompts with the same number of points."""
        device = self._network.device
        tensors = [entry.points.tensors(image.size, self._network.image_size, device) for entry in entries]
        points = torch.cat([points for points, _ in tensors])
        labels = torch.cat([labels for _, labels in tensors])
        logits = [entry.logits for entry in entries if entry.logits is not None]
        return PromptTensors(points, labels, torch.stack(logits) if logits else None)

    def _predict(self, image: EncodedImage, prompts: PromptTensors, multimask: bool) -> list[Prediction]:
        predicted = self._network.decode(image, prompts, multimask)
        count = len(prompts.points)
        each = predicted.logits.unflatten(0, (count, -1)), predicted.predicted_iou.unflatten(0, (count, -1))
        return [_prediction(logits, iou, image.size) for logits, iou in zip(*each)]


@dataclass(frozen=True)
class _Checked:
    """A prompt that can be used."""

    points: Points
    logits: Tensor | None  # (1, S / 4, S / 4)


@torch.inference_mode()
def _prediction(logits: Tensor, iou: Tensor, size: tuple[int, int]) -> Prediction:
    """One prompt at a time: at image size its logits take many times the memory of its masks."""
    masks = full_size(logits[:, None], size) > 0
    return Prediction(*fetch(masks, iou, logits.clamp(-_MAX_LOGIT, _MAX_LOGIT)))
