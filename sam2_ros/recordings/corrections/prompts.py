"""Annotations as prompts: each goes to the object that it belongs to."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from sam2_ros.tracking.types import Box, Click, Prompt

from ..problems import Problems
from ..prompts import PlannedPrompt
from .label_studio import AnnotatedImage, Region


def images_of(images: Iterable[AnnotatedImage], recording: str, topic: str) -> list[AnnotatedImage]:
    """Those of a camera; an image that names no recording or no topic is of any."""
    return [image for image in images if image.recording in (None, recording) and image.topic in (None, topic)]


def corrections_of(images: Sequence[AnnotatedImage], problems: Problems) -> list[PlannedPrompt]:
    """One prompt for each object on each image.

    Regions of one label that name no object are one: the only object of this label that has no region on this image,
    such as one that was drawn anew, or else another one.
    """
    numbers = _Numbers(images, problems)
    prompts = []
    for image in images:
        by_object: dict[int, list[Region]] = {}
        for region in image.regions:
            if region.object:
                by_object.setdefault(region.object, []).append(region)
        named = set(by_object)
        for region in image.regions:
            if not region.object:
                by_object.setdefault(numbers.find(region.label, named, image.task), []).append(region)
        for number, regions in sorted(by_object.items()):
            prompt = _prompt(regions, f"{image.task}, object {number}", problems)
            prompts.append(PlannedPrompt(number, image.moment, prompt, is_correction=True))
    return prompts


class _Numbers:
    """Numbers of objects by their label."""

    def __init__(self, images: Iterable[AnnotatedImage], problems: Problems) -> None:
        self._problems = problems
        self._by_label: dict[str, set[int]] = {}
        for image in images:
            for region in image.regions:
                if region.object:
                    self._by_label.setdefault(region.label, set()).add(region.object)
        self._next = max((number for known in self._by_label.values() for number in known), default=0) + 1

    def find(self, label: str, taken: set[int], task: str) -> int:
        """For a region without a number, on an image with these numbers; a new one joins its label."""
        candidates = self._by_label.get(label, set()) - taken
        if len(candidates) == 1:
            return next(iter(candidates))
        if candidates:
            listed = ", ".join(map(str, sorted(candidates)))
            self._problems.add(
                "object",
                f"{task}: a region {label!r} may be of the objects {listed}; it becomes another one: write its number "
                "into the region's text, such as `object 3`",
            )
        self._by_label.setdefault(label, set()).add(self._next)
        self._next += 1
        return self._next - 1


def _prompt(regions: Sequence[Region], where: str, problems: Problems) -> Prompt:
    """Masks are joined, and alone where there are any; else the box around all boxes, and all clicks."""
    shapes = [region.geometry for region in regions]
    label = next((region.label for region in regions if region.label), "")
    masks = [shape for shape in shapes if isinstance(shape, np.ndarray)]
    masks = [mask for mask in masks if mask.shape == masks[0].shape]
    boxes = [shape for shape in shapes if isinstance(shape, Box)]
    clicks = [shape for shape in shapes if isinstance(shape, Click)]
    if masks and (boxes or clicks):
        problems.add("shapes", f"{where}: boxes and key points are not used beside a mask")
    if masks:
        return Prompt(mask=np.logical_or.reduce(masks), label=label)
    return Prompt(clicks, _around(boxes), label=label)


def _around(boxes: Sequence[Box]) -> Box | None:
    if not boxes:
        return None
    return Box(
        min(box.x0 for box in boxes),
        min(box.y0 for box in boxes),
        max(box.x1 for box in boxes),
        max(box.y1 for box in boxes),
    )
