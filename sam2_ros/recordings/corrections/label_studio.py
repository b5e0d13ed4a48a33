"""Annotations of Label Studio: what people drew on each image, from its export as JSON.

Source: Label Studio's documentation of its JSON format and of the tags BrushLabels, PolygonLabels, RectangleLabels and
KeyPointLabels.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..outputs.common import UNNAMED
from ..problems import Problems
from ..prompts import AtFrame, AtStamp
from .regions import Geometry, RegionError, geometry_of

_OBJECT = "object "  # before an object's number, in the text of a region


class LabelStudioError(ValueError):
    """A file that is no export of Label Studio; the message says why and what to do."""


@dataclass(frozen=True)
class Region:
    """What somebody drew."""

    object: int  # number, 0 if it does not say
    label: str
    geometry: Geometry


@dataclass(frozen=True)
class AnnotatedImage:
    """An image that somebody has annotated. `recording` and `topic` are None where the task does not name them."""

    task: str
    recording: str | None
    topic: str | None
    moment: AtFrame | AtStamp
    regions: tuple[Region, ...]


def read_annotations(file: Path, problems: Problems) -> list[AnnotatedImage]:
    """Of each task the annotation that is ground truth, or else the newest. A region that cannot be used is a problem.

    Raises LabelStudioError, OSError.
    """
    try:
        tasks = json.loads(file.read_text(encoding="utf-8"))
    except ValueError as error:
        raise LabelStudioError(f"{file} is no JSON: {error}; export from Label Studio as JSON") from error
    if not isinstance(tasks, list) or not all(_is_task(task) for task in tasks):
        raise LabelStudioError(
            f"{file} is no list of tasks with annotations: export from Label Studio as JSON, not as JSON-MIN or another"
        )
    return [image for task in tasks for image in _images(task, file, problems)]


def _is_task(task: Any) -> bool:
    return isinstance(task, dict) and isinstance(task.get("annotations"), list) and isinstance(task.get("data"), dict)


def _images(task: Mapping[str, Any], file: Path, problems: Problems) -> Iterator[AnnotatedImage]:
    """One, or none if nobody has annotated it."""
    annotations = [entry for entry in task["annotations"] if not entry.get("was_cancelled")]
    if not annotations:
        return
    chosen = max(annotations, key=lambda entry: (bool(entry.get("ground_truth")), str(entry.get("updated_at", ""))))
    name, data = f"task {task.get('id', '?')}", task["data"]
    yield AnnotatedImage(
        task=name,
        recording=data.get("recording"),
        topic=data.get("topic"),
        moment=_moment(data, f"{file}, {name}"),
        regions=tuple(_regions(chosen.get("result", []), name, problems)),
    )


def _moment(data: Mapping[str, Any], where: str) -> AtFrame | AtStamp:
    """By its exact stamp, so that another recording's image is never taken for it."""
    try:
        return AtStamp(int(data["stamp"]), tolerance=0) if "stamp" in data else AtFrame(int(data["frame"]))
    except (KeyError, TypeError, ValueError):
        raise LabelStudioError(
            f"{where} does not say which image it is: its data needs `stamp` (nanoseconds) or `frame`, as the tasks of "
            "`sam2_ros label --format label-studio` have it"
        ) from None


def _regions(results: Sequence[Mapping[str, Any]], task: str, problems: Problems) -> Iterator[Region]:
    """Results of one id are one region: its shape and, with the tag Labels, its label apart from it."""
    by_id: dict[str, list[Mapping[str, Any]]] = {}
    for index, result in enumerate(results):
        by_id.setdefault(str(result.get("id", index)), []).append(result)
    for region_id, parts in by_id.items():
        shape = next((part for part in parts if "original_width" in part and "value" in part), None)
        if shape is None:  # a choice or a text, about the whole image
            continue
        try:
            yield Region(_object(region_id, parts), _label(parts), geometry_of(shape))
        except RegionError as error:
            problems.add("region", f"{task}: a region of Label Studio is not used: {error}")


def _object(region_id: str, parts: Sequence[Mapping[str, Any]]) -> int:
    """From its text, which people can edit, or from the id that our tasks gave it."""
    texts = [text for part in parts for text in part.get("meta", {}).get("text", [])]
    candidates = [text[len(_OBJECT) :] for text in texts if text.startswith(_OBJECT)]
    candidates += region_id.split("_")[1:2] if region_id.startswith("object_") else []
    return next((int(number) for number in candidates if number.isdecimal()), 0)


def _label(parts: Sequence[Mapping[str, Any]]) -> str:
    labels = [
        label
        for part in parts
        for name, values in part.get("value", {}).items()
        if name.endswith("labels")
        for label in values
    ]
    return labels[0] if labels and labels[0] != UNNAMED else ""
