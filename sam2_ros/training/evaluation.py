"""Track the objects of annotated videos and score the masks."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np

from sam2_ros.training.davis import DatasetError, Sequence, read_labels, without_void

from ..model import Sam2
from ..tracking import Box, Click, EventKind, Prompt, StreamingTracker, TrackerConfig
from .event_metrics import score_lost, score_reacquired
from .metrics import ObjectScore, score_object
from .side_by_side import write_side_by_side

PROMPTS = ("mask", "box", "click")
_MIN_ANNOTATED = 3  # J and F ignore the first and the last frame
_SHOWN = 6  # frames of a picture


@dataclass(frozen=True)
class Evaluated:
    """The scores of a sequence, its predicted masks, and how long tracking took: 0 for labels."""

    scores: tuple[ObjectScore, ...]
    found: dict[int, np.ndarray]  # (T, H, W) bool by object, from its first frame on
    seconds: float


@dataclass(frozen=True)
class FramePrediction:
    """One frame: masks (H, W) bool by object, and events as (object, kind)."""

    masks: dict[int, np.ndarray]
    events: tuple[tuple[int, EventKind], ...] = ()


# Tracks objects through frames, from their masks on the first frame.
Method = Callable[[Iterable[np.ndarray], dict[int, np.ndarray]], Iterator[FramePrediction]]


def model_method(model: Sam2, kind: str, config: TrackerConfig, rate: float) -> Method:
    """Tracks with a model at `rate` frames per second; every object starts from a prompt of this kind."""

    def track(frames: Iterable[np.ndarray], masks: dict[int, np.ndarray]) -> Iterator[FramePrediction]:
        tracker = StreamingTracker(model, replace(config, max_objects=len(masks), history=1))
        numbers: dict[int, int] = {}
        for t, frame in enumerate(frames):
            result = tracker.step(frame, t / rate)
            if not numbers:
                numbers = {tracker.add(make_prompt(kind, mask)): number for number, mask in masks.items()}
                result = tracker.latest or result
            events = tuple((numbers[event.track_id], event.kind) for event in result.events)
            yield FramePrediction({numbers[track.id]: track.mask for track in result.tracks}, events)

    return track


def baseline_method(propagate: Callable[[Iterable[np.ndarray], np.ndarray], Iterator[np.ndarray]]) -> Method:
    """Propagates every object's first mask with a baseline."""

    def track(frames: Iterable[np.ndarray], masks: dict[int, np.ndarray]) -> Iterator[FramePrediction]:
        kept = list(frames)
        propagated = [propagate(kept, mask) for mask in masks.values()]
        for found in zip(*propagated):
            yield FramePrediction(dict(zip(masks, found)))

    return track


def make_prompt(kind: str, mask: np.ndarray) -> Prompt:
    """The mask itself, its box, or a click on the pixel farthest from its border."""
    if kind == "mask":
        return Prompt(mask=mask)
    if kind == "box":
        x, y, width, height = cv2.boundingRect(mask.astype(np.uint8))
        return Prompt(box=Box(x, y, x + width - 1, y + height - 1))
    depth = cv2.distanceTransform(np.pad(mask, 1).astype(np.uint8), cv2.DIST_L2, 5)[1:-1, 1:-1]
    y, x = np.unravel_index(int(depth.argmax()), depth.shape)
    return Prompt(clicks=(Click(float(x), float(y)),))


def evaluate_sequence(sequence: Sequence, method: Method, lost_after: float | None = None) -> Evaluated:
    """Score the objects of the first frame on the annotated frames.

    With `lost_after`, frames after which an absent object counts as lost, events are scored too if every frame is
    annotated. Raises DatasetError for an unusable sequence.
    """
    labels = _annotated(sequence)
    numbers = [int(number) for number in np.unique(labels[0]) if number]
    masks = {number: labels[0] == number for number in numbers}
    annotated = {file.stem: i for i, file in enumerate(sequence.annotations)}
    rows = [annotated.get(file.stem) for file in sequence.images]
    found = {number: np.zeros(labels.shape, bool) for number in numbers}
    events: dict[tuple[int, EventKind], list[int]] = defaultdict(list)
    start = time.perf_counter()
    for t, (row, result) in enumerate(zip(rows, method(sequence.frames(), masks))):
        for event in result.events:
            events[event].append(t)
        if row is not None:
            for number, mask in result.masks.items():
                found[number][row] = mask
    seconds = time.perf_counter() - start
    others = {a: b for pair in sequence.look_alikes for a, b in (pair, pair[::-1])}
    scores = [
        score_object(sequence.name, number, found[number], labels == number, _mask_of(labels, others.get(number)))
        for number in numbers
    ]
    if lost_after is not None and None not in rows:
        scores = [
            _with_events(score, events, found[score.object], labels == score.object, lost_after) for score in scores
        ]
    return Evaluated(tuple(scores), found, seconds)


def evaluate_labels(sequence: Sequence, folder: Path) -> Evaluated:
    """Score label PNGs with the names of the annotated frames; a frame without one shows no object.

    Each object counts from the first frame on which it is annotated, if at least three frames follow. Raises
    DatasetError for an unusable sequence, and where labels are missing or of another size.
    """
    true = _annotated(sequence)
    if not folder.is_dir():
        raise DatasetError(f"{folder} does not exist; expected its labels, as `sam2_ros label --format davis` writes")
    files = [folder / f"{file.stem}.png" for file in sequence.annotations]
    empty = np.zeros(true.shape[1:], np.uint8)
    labels = [read_labels(file) if file.exists() else empty for file in files]
    for file, label in zip(files, labels):
        if label.shape != empty.shape:
            raise DatasetError(f"{file} is {label.shape[::-1]} pixels (W, H), the annotation {empty.shape[::-1]}")
    stacked = without_void(np.stack(labels))
    scores, found = [], {}
    for number in (int(number) for number in np.unique(true) if number):
        masks, found[number] = true == number, stacked == number
        first = int(masks.any(axis=(1, 2)).argmax())
        if len(true) - first >= _MIN_ANNOTATED:
            scores.append(score_object(sequence.name, number, found[number][first:], masks[first:]))
    return Evaluated(tuple(scores), found, seconds=0.0)


def _annotated(sequence: Sequence) -> np.ndarray:
    """(T, H, W) uint8: labels of the annotated frames. Raises DatasetError for too few."""
    labels = sequence.labels()
    if len(labels) < _MIN_ANNOTATED:
        raise DatasetError(
            f"{len(labels)} of its {len(sequence.images)} frames are annotated; expected at least {_MIN_ANNOTATED}"
        )
    return labels


def _with_events(
    score: ObjectScore,
    events: dict[tuple[int, EventKind], list[int]],
    found: np.ndarray,
    true: np.ndarray,
    lost_after: float,
) -> ObjectScore:
    visible = np.asarray(true.any(axis=(1, 2)))
    on_object = [bool(2 * np.count_nonzero(a & b) > np.count_nonzero(a)) for a, b in zip(found, true)]
    return replace(
        score,
        lost_events=score_lost(events[score.object, EventKind.LOST], visible, lost_after),
        reacquired_events=score_reacquired(events[score.object, EventKind.REACQUIRED], visible, lost_after, on_object),
    )


def _mask_of(labels: np.ndarray, number: int | None) -> np.ndarray | None:
    return None if number is None else labels == number


def write_picture(file: Path, sequence: Sequence, number: int, found: np.ndarray) -> None:
    """Frames side by side: the predicted mask in red, the contour of the true mask in white."""
    labels = sequence.labels()
    annotated = {path.stem for path in sequence.annotations}
    frames = [frame for path, frame in zip(sequence.images, sequence.frames()) if path.stem in annotated]
    shown = np.linspace(0, len(frames) - 1, min(_SHOWN, len(frames))).round().astype(int)
    tiles = {}
    for t in shown:
        tile = frames[t].copy()
        tile[found[t]] = tile[found[t]] // 2 + np.array([127, 0, 0], np.uint8)
        outlines, _ = cv2.findContours((labels[t] == number).astype(np.uint8), cv2.RETR_LIST, cv2.CHAIN_APPROX_NONE)
        cv2.drawContours(tile, outlines, -1, (255, 255, 255), 1)
        tiles[int(t)] = tile
    write_side_by_side(file, tiles, f"{sequence.name}, object {number}")
