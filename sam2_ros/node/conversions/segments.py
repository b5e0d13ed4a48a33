"""Conversions of ~/segment."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import dataclass
from typing import Any

from builtin_interfaces.msg import Time
from std_msgs.msg import Header

from sam2_ros import msg
from sam2_ros.media.ros_prompts import prompt_of
from sam2_ros.node.conversions import messages
from sam2_ros.node.conversions.messages import StampRangeError
from sam2_ros.node.types import FoundMask, SegmentRequest
from sam2_ros.tracking.types import Prompt, PromptError

MAX_PROMPTS = 64
MAX_POINTS = 64  # on a side of the grid
MAX_MASKS = 256  # of everything
MAX_BYTES = 32 * 2**20  # of the masks in a response: the executor's thread sends it


def segment_request(message: Any) -> SegmentRequest:
    """Raises PromptError for a request that cannot be met on any image."""
    try:
        stamp = messages.seconds(message.stamp) or None
    except StampRangeError as error:
        raise PromptError(str(error)) from error
    if message.everything == bool(message.prompts):
        found = "everything beside prompts" if message.prompts else "neither prompts nor everything"
        raise PromptError(f"the request has {found}, expected one of them: set prompts, or everything to true")
    if message.everything:
        return SegmentRequest(
            stamp, everything=True, changes=_changes(message), max_masks=_at_most("max_masks", message, MAX_MASKS)
        )
    if len(message.prompts) > MAX_PROMPTS:
        raise PromptError(f"the request has {len(message.prompts)} prompts, expected at most {MAX_PROMPTS}: split it")
    prompts = [_prompt(prompt, number, message.stamp) for number, prompt in enumerate(message.prompts)]
    return SegmentRequest(stamp, prompts, message.multimask)


def _prompt(message: msg.Prompt, number: int, stamp: Time) -> Prompt:
    name = f"prompts[{number}]"
    if message.object_id:
        raise PromptError(f"{name} has object_id {message.object_id}, expected 0: ~/segment corrects no object")
    if message.mask.height:
        raise PromptError(f"{name} has a mask, expected clicks or a box")
    if message.header.stamp not in (Time(), stamp):
        raise PromptError(f"{name} has another stamp than the request, expected zero or the same: set the request's")
    try:
        return prompt_of(message)
    except PromptError as error:
        raise PromptError(f"{name}: {error}") from error


def _changes(message: Any) -> dict[str, Any]:
    """What is not 0, by its name in MaskGeneratorConfig. Raises PromptError."""
    changes: dict[str, Any] = {}
    if message.points_per_side:
        changes["points_per_side"] = _at_most("points_per_side", message, MAX_POINTS)
    for name, parameter in (("min_predicted_iou", "pred_iou_thresh"), ("min_stability", "stability_score_thresh")):
        value = getattr(message, name)
        if not 0 <= value <= 1:
            raise PromptError(f"{name} is {value:g}, expected 0..1")
        if value:
            changes[parameter] = float(value)
    return changes


def _at_most(name: str, message: Any, limit: int) -> int:
    """0 is the limit. Raises PromptError."""
    value = int(getattr(message, name))
    if value > limit:
        raise PromptError(f"{name} is {value}, expected at most {limit}")
    return value or limit


@dataclass(frozen=True)
class SegmentAnswer:
    """The masks on the image of this header."""

    header: Header
    size: tuple[int, int]  # (H, W) pixels
    masks: Sequence[msg.SegmentMask]
    warning: str


def segment_answer(
    found: Sequence[FoundMask], header: Header, size: tuple[int, int]
) -> Generator[None, None, SegmentAnswer]:
    """The answer, in steps of one mask. Masks beyond `MAX_BYTES` have a box and scores only."""
    masks: list[msg.SegmentMask] = []
    total = left_out = 0
    for entry in found:
        message = msg.SegmentMask(
            prompt=entry.prompt, predicted_iou=entry.predicted_iou, stability_score=entry.stability
        )
        if packed := entry.mask:
            x0, y0, x1, y1 = packed.edges
            message.box = msg.Box(x_min=float(x0), y_min=float(y0), x_max=float(x1), y_max=float(y1))
            message.area = packed.area
            if total + (x1 - x0) * (y1 - y0) <= MAX_BYTES:
                message.mask = messages.mask_message(packed.inside(), header)
                total += len(message.mask.data)
            else:
                left_out += 1
        masks.append(message)
        yield
    return SegmentAnswer(header, size, masks, _warning(len(masks), left_out))


def _warning(count: int, left_out: int) -> str:
    if not count:
        return "nothing found: lower min_predicted_iou or min_stability"
    if not left_out:
        return ""
    limit = MAX_BYTES // 2**20
    return (
        f"{left_out} of {count} masks are left out, only their boxes and scores are here: together they take more than "
        f"{limit} MB; ask for fewer at a time"
    )
