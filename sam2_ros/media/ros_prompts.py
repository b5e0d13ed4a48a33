"""Reads sam2_ros/msg/Prompt by its fields, without ROS."""

from __future__ import annotations

from typing import Any

import numpy as np

from sam2_ros.tracking.mask_prompts import to_mask
from sam2_ros.tracking.types import Box, Click, Prompt, PromptError

from .ros_encodings import ImageError
from .ros_images import raw_pixels


def prompt_of(message: Any) -> Prompt:
    """The clicks, box or mask of a prompt, and its label. Raises PromptError for a mask that cannot be read."""
    return Prompt(
        clicks=tuple(Click(click.x, click.y, click.positive) for click in message.clicks),
        box=box_of(message.box) if message.has_box else None,
        mask=_mask(message.mask) if message.mask.height else None,
        label=message.label,
    )


def box_of(message: Any) -> Box:
    """The box in a message."""
    return Box(message.x_min, message.y_min, message.x_max, message.y_max)


def _mask(message: Any) -> np.ndarray:
    try:
        return to_mask(raw_pixels(message))
    except ImageError as error:
        raise PromptError(f"cannot read the prompt's mask: {error}") from error
