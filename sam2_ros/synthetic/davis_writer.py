"""Writes clips in DAVIS' layout, which `sam2_ros.training.davis` describes and reads."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path

import cv2
import numpy as np

from sam2_ros.files import named_errors
from sam2_ros.media.pictures import write_picture
from sam2_ros.synthetic.clip import Clip

IMAGES, ANNOTATIONS, LOOK_ALIKES = "JPEGImages", "Annotations", "look_alikes.json"


def write_clip(folder: Path, name: str, clip: Clip) -> None:
    """Add a clip to a data set; only objects that are visible on its first frame are annotated."""
    visible = clip.visible()
    kept = np.flatnonzero(visible[0]) + 1
    labels = {}
    for t, label in enumerate(clip.labels):
        shown = np.flatnonzero(visible[t]) + 1
        labels[t] = np.where(np.isin(label, np.intersect1d(kept, shown)), label, 0)
    write_sequence(folder, name, clip.frames, labels)
    file = folder / LOOK_ALIKES
    alike = json.loads(file.read_text()) if file.exists() else {}
    alike[name] = [pair for pair in clip.look_alikes if np.isin(pair, kept).all()]
    with named_errors(file):
        file.write_text(json.dumps(alike))


def write_sequence(folder: Path, name: str, frames: Iterable[np.ndarray], labels: dict[int, np.ndarray]) -> None:
    """Add frames (H, W, 3) uint8 RGB to a data set, with the labels (H, W) of annotated frames by frame number."""
    images, annotations = folder / IMAGES / name, folder / ANNOTATIONS / name
    images.mkdir(parents=True, exist_ok=True)
    annotations.mkdir(parents=True, exist_ok=True)
    for t, frame in enumerate(frames):
        bgr = cv2.cvtColor(frame, cv2.COLOR_RGB2BGR)
        write_picture(images / f"{t:05d}.jpg", bgr)
    for t, label in labels.items():
        write_picture(annotations / f"{t:05d}.png", label.astype(np.uint8))
