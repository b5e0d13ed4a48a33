"""Masks on a single buffered image, in steps; no ROS."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass

from sam2_ros.node.types import FoundMask, SegmentRequest
from sam2_ros.segmentation import ImagePredictor, MaskGenerator, MaskGeneratorConfig, PackedMask
from sam2_ros.segmentation.image_network import prompts_per_piece
from sam2_ros.tracking import Prompt, PromptError, StreamingTracker
from sam2_ros.tracking.frame_buffer import EncodedFrame
from sam2_ros.tracking.prompts import check_prompt

Steps = Generator[object, None, list[FoundMask]]


@dataclass(frozen=True)
class Segmentation:
    """What a request asks for, on its image. The tracker's features are kept until it is done."""

    frame: EncodedFrame
    steps: Steps


def segmentation(request: SegmentRequest, tracker: StreamingTracker) -> Segmentation:
    """The work of a request. Raises PromptError where its image is not buffered or a prompt cannot be used."""
    frame = tracker.encoded(request.stamp)
    if not request.everything:
        for number, prompt in enumerate(request.prompts):
            _check(prompt, number, frame.size)
        return Segmentation(frame, _of_prompts(request, frame, tracker))
    return Segmentation(frame, _of_everything(request, frame, tracker))


def _check(prompt: Prompt, number: int, size: tuple[int, int]) -> None:
    try:
        check_prompt(prompt, size)
    except PromptError as error:
        raise PromptError(f"prompts[{number}]: {error}") from error


def _of_prompts(request: SegmentRequest, frame: EncodedFrame, tracker: StreamingTracker) -> Steps:
    """One prompt at a time: at 4K its masks take 100 MB until they are packed."""
    predictor = ImagePredictor(tracker.model, tracker.config.precision)
    predictor.set_features(frame.features, frame.size)
    found: list[FoundMask] = []
    for number, prompt in enumerate(request.prompts):
        is_ambiguous = len(prompt.clicks) + 2 * (prompt.box is not None) <= 1
        prediction = predictor.predict(prompt, multimask=request.multimask or is_ambiguous)
        yield None
        kept = range(len(prediction.masks)) if request.multimask else [prediction.best]
        for i in kept:
            mask = prediction.masks[i]
            packed = PackedMask.of(mask, frame.size) if mask.any() else None
            found.append(FoundMask(number, packed, float(prediction.predicted_iou[i])))
        yield None
    return found


def _of_everything(request: SegmentRequest, frame: EncodedFrame, tracker: StreamingTracker) -> Steps:
    config = MaskGeneratorConfig.for_model(
        tracker.model.config.name, points_per_batch=prompts_per_piece(tracker.model.device), **request.changes
    )
    generator = MaskGenerator(tracker.model, config, tracker.config.precision)
    segments = yield from generator.steps_with_features(frame.features, frame.size)
    return [
        FoundMask(0, segment.packed, segment.predicted_iou, segment.stability_score)
        for segment in segments[: request.max_masks]
    ]
