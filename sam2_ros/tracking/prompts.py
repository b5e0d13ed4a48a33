"""Checks prompts against the frame that they were made on, and scales them to the network's square input."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from ..model import PointLabel
from .arguments import shown
from .geometry import clip_box
from .transfer import upload
from .types import Box, Click, Prompt, PromptError

MAX_CLICKS = 64  # on one frame of one object


@dataclass(frozen=True)
class Points:
    """All clicks and the box of an object on one frame (pixels)."""

    clicks: tuple[Click, ...] = ()
    box: Box | None = None

    def __len__(self) -> int:
        return len(self.clicks) + 2 * (self.box is not None)

    def joined(self, prompt: Prompt) -> Points:
        """With the points of another prompt on the same frame; raises PromptError when there are too many."""
        clicks = (*self.clicks, *prompt.clicks)
        if len(clicks) > MAX_CLICKS:
            raise PromptError(f"{len(clicks)} clicks on one frame, expected at most {MAX_CLICKS}")
        return Points(clicks, prompt.box or self.box)

    def tensors(self, size: tuple[int, int], image_size: int, device: torch.device) -> tuple[Tensor, Tensor]:
        """Points (1, L, 2) in pixels of the square and labels (1, L); the corners of the box come first."""
        box = self.box
        corners = [(box.x0, box.y0), (box.x1, box.y1)] if box else []
        labels = [PointLabel.BOX_TOP_LEFT, PointLabel.BOX_BOTTOM_RIGHT][: len(corners)]
        labels += [PointLabel.POSITIVE if click.positive else PointLabel.NEGATIVE for click in self.clicks]
        pixels = np.array(corners + [(click.x, click.y) for click in self.clicks], np.float32).reshape(1, -1, 2)
        points = pixels / np.array([size[1], size[0]], np.float32) * np.float32(image_size)
        return upload(points, device), upload(np.array([labels], np.int64), device)


def check_prompt(prompt: Prompt, size: tuple[int, int]) -> Prompt:
    """The prompt, with its box clipped to a frame of `size` (H, W).

    Raises PromptError for one that cannot be used, TypeError for anything but a Prompt.
    """
    if not isinstance(prompt, Prompt):
        raise TypeError(
            f"prompt is {shown(prompt)}, expected Prompt(clicks=[(x, y)]), Prompt(box=...) or Prompt(mask=...)"
        )
    if prompt.mask is not None:
        if prompt.clicks or prompt.box:
            raise PromptError("prompt has a mask beside clicks or a box, expected a mask alone")
        _check_mask(prompt.mask, size)
        return prompt
    if not prompt.clicks and prompt.box is None:
        raise PromptError("prompt is empty, expected a click, a box or a mask")
    _check_clicks(prompt.clicks, size)
    box = _clipped(prompt.box, size) if prompt.box else None
    return Prompt(tuple(prompt.clicks), box, None, prompt.label)


def check_first_prompt(prompt: Prompt, size: tuple[int, int]) -> Prompt:
    """`check_prompt` for a new object, which needs a positive click, a box or a mask."""
    prompt = check_prompt(prompt, size)
    if prompt.mask is None and prompt.box is None and not any(click.positive for click in prompt.clicks):
        raise PromptError("all clicks are negative; a new object needs at least one positive click or a box")
    return prompt


def mask_tensor(mask: np.ndarray, image_size: int, device: torch.device) -> Tensor:
    """(H, W) bool -> (1, 1, S, S) of zeros and ones; raises PromptError when it is empty at that size."""
    full = upload(mask, device).float()[None, None]
    if full.shape[-2:] != (image_size, image_size):
        size = (image_size, image_size)
        full = F.interpolate(full, size=size, mode="bilinear", align_corners=False, antialias=True)
        full = (full >= 0.5).float()
    if not full.any():
        raise PromptError(f"mask is too small for the model's {image_size} pixels; give a box instead")
    return full


def _check_clicks(clicks: Sequence[Click], size: tuple[int, int]) -> None:
    height, width = size
    for click in clicks:
        if not (math.isfinite(click.x) and math.isfinite(click.y)):
            raise PromptError(f"click ({click.x}, {click.y}) is not finite, expected pixels")
        # A pixel extends half a pixel to either side of its centre.
        if not (-0.5 <= click.x <= width - 0.5 and -0.5 <= click.y <= height - 0.5):
            raise PromptError(
                f"click ({click.x:g}, {click.y:g}) is outside the image, expected x in 0..{width - 1} and y in "
                f"0..{height - 1}"
            )


def _clipped(box: Box, size: tuple[int, int]) -> Box:
    if not all(math.isfinite(edge) for edge in (box.x0, box.y0, box.x1, box.y1)):
        raise PromptError(f"{_text(box)} is not finite, expected pixels")
    if box.x1 <= box.x0 or box.y1 <= box.y0:
        raise PromptError(f"{_text(box)} is empty, expected left < right and top < bottom")
    inside = clip_box(box, size)
    if inside.x1 <= inside.x0 or inside.y1 <= inside.y0:
        raise PromptError(f"{_text(box)} is outside the image of {size[1]} x {size[0]} pixels")
    return inside


def _text(box: Box) -> str:
    return f"box ({box.x0:g}, {box.y0:g}, {box.x1:g}, {box.y1:g})"


def _check_mask(mask: np.ndarray, size: tuple[int, int]) -> None:
    if mask.shape != size:
        raise PromptError(f"mask has shape {mask.shape}, expected that of its image, {size} (height, width)")
    if not np.any(mask):
        raise PromptError("mask is empty, expected at least one pixel of the object")
