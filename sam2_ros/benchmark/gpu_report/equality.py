"""Part: the same tracks on the GPU as on the CPU, over the bundled clip with late prompts.

The target is occluded and returns; a second object is added, and the first one corrected, on frames that are past.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from ...model import load_model
from ...tracking import Box, Click, FrameResult, Prompt, StreamingTracker, TrackerConfig, TrackState
from ...tracking.device import choose_device
from ...tracking.geometry import mask_iou
from .parts import Extent, Row

_CLIP = Path(__file__).parents[2] / "demo_data" / "clip.mp4"  # read by OpenCV: PyAV may not be there
_RATE = 30.0  # frames per second
_CATCH_UP = 2  # buffered frames after each new one, as in the node
_LEAST_IOU = {"float32": 0.99, "bfloat16": 0.98}  # of a mask on any frame
VARIANTS = (("float32", False), ("float32", True), ("bfloat16", False), ("bfloat16", True))  # precision, CUDA graphs


@dataclass(frozen=True)
class LatePrompt:
    """A prompt on a frame, given when the tracker is `delay` frames further."""

    frame: int
    prompt: Prompt
    delay: int = 0
    corrects: int = 0  # id of the object, 0 for a new one


PROMPTS = (
    LatePrompt(0, Prompt(clicks=(Click(96, 150),))),
    LatePrompt(4, Prompt(box=Box(37, 259, 101, 350)), delay=3),
    LatePrompt(7, Prompt(clicks=(Click(102, 149),)), delay=4, corrects=1),
)


def rows(device: str, extent: Extent) -> Iterator[Row]:
    """One row for each precision, eager and with CUDA graphs."""
    frames = list(itertools.islice(_clip(), extent.clip_frames))
    expected = _track("cpu", "float32", False, frames, extent.clip_size)
    for precision, cuda_graphs in VARIANTS:
        found = _track(device, precision, cuda_graphs, frames, extent.clip_size)
        name = f"{precision}, {'CUDA graphs' if cuda_graphs else 'eager'}"
        row = agreement(found, expected)
        agrees = not row["different states"] and (row["least mask IoU"] or 0.0) >= _LEAST_IOU[precision]
        yield {"variant": name, "verdict": "pass" if agrees else "fail", **row}


def agreement(found: Sequence[FrameResult], expected: Sequence[FrameResult]) -> Row:
    """Presence and masks of every object on every frame, compared."""
    both = [({t.id: t for t in f.tracks}, {t.id: t for t in e.tracks}) for f, e in zip(found, expected)]
    count = sum(len(ours.keys() | theirs.keys()) for ours, theirs in both)
    pairs = [(ours[track_id], theirs[track_id]) for ours, theirs in both for track_id in ours.keys() & theirs.keys()]
    ious = [mask_iou(a.mask, b.mask) if a.state is b.state is TrackState.VISIBLE else None for a, b in pairs]
    visible = [iou for iou in ious if iou is not None]
    return {
        "frames": len(found),
        "object states": count,
        "different states": count - sum(a.state is b.state for a, b in pairs),
        "largest difference of presence": max((abs(a.presence - b.presence) for a, b in pairs), default=0.0),
        "visible in both": len(visible),
        "mean mask IoU": float(np.mean(visible)) if visible else None,
        "least mask IoU": min(visible, default=None),
        "mask IoU of every object on every frame": ious,
    }


def _track(device: str, precision: str, cuda_graphs: bool, frames: list[np.ndarray], size: int) -> list[FrameResult]:
    model = load_model("nano", image_size=size, device=str(choose_device(device)))
    config = TrackerConfig(max_objects=3, precision=precision, cuda_graphs=cuda_graphs, catch_up_at_once=False)
    tracker = StreamingTracker(model, config)
    for _ in tracker.capture():
        pass
    results = []
    for index, rgb in enumerate(frames):
        tracker.step(rgb, index / _RATE)
        for late in PROMPTS:
            if late.frame + late.delay == index:
                _apply(late, tracker)
        tracker.catch_up(_CATCH_UP)
        results.append(tracker.result_at(index / _RATE))
    return results


def _apply(late: LatePrompt, tracker: StreamingTracker) -> None:
    stamp = late.frame / _RATE
    if late.corrects:
        tracker.refine(late.corrects, late.prompt, stamp)
    else:
        tracker.add(late.prompt, stamp)


def _clip() -> Iterator[np.ndarray]:
    """Frames (H, W, 3) uint8 RGB."""
    capture = cv2.VideoCapture(str(_CLIP))
    while (read := capture.read())[0]:
        yield cv2.cvtColor(read[1], cv2.COLOR_BGR2RGB)
