"""Renders the bundled demo clip: one of two look-alikes is fully occluded, then leaves and returns.

    python -m sam2_ros.synthetic.demo_clip sam2_ros/demo_data

It also writes detections.json: boxes of the target as from a slow detector. A click at CLICK on the first frame
selects the target. It contains no photograph, so that it carries no third party's rights.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from sam2_ros.media.video import VideoWriter
from sam2_ros.synthetic.clip import Clip
from sam2_ros.synthetic.command import run
from sam2_ros.synthetic.drawing import Actor, draw, fit_sprites
from sam2_ros.synthetic.motion import Trajectory
from sam2_ros.synthetic.pictures import Pictures
from sam2_ros.synthetic.shapes import SPRITE, Part, block, creature, similarity
from sam2_ros.synthetic.textures import noise_texture, plain_texture, unit_grid
from sam2_ros.tracking.geometry import bounding_box

FRAMES = 150
RATE = 30.0
SIZE = (360, 480)  # height, width in pixels
CLICK = (96, 150)  # x, y on the first frame: the target, label 1
TARGET, LOOK_ALIKE = 1, 2  # labels of the two blocks
DETECTED_EVERY = 4  # frames
DETECTED_SHARE = 0.9  # visible share of the target, at least
_SIDE = 480  # rendered as a square, cropped to SIZE


def demo_clip(length: int = FRAMES) -> Clip:
    """The clip's first frames (length, *SIZE) with their true labels: 1 the target, 2 its look-alike, 3 a creature."""
    block_parts = _toy_block()
    actors = [
        Actor(block_parts, _look_alike_trajectory(), LOOK_ALIKE, shadow=0.4),
        Actor(block_parts, _target_trajectory(), TARGET, shadow=0.4),
        Actor(creature(np.random.default_rng(12), Pictures()), _creature_trajectory(), 3, shadow=0.3),
        Actor(_pillar(), _trajectory([0, FRAMES], [(0.52, 0.5)] * 2, (0.145, 0.52), [0, 0]), 0, shadow=0.5),
    ]
    actors = [fit_sprites(actor, _SIDE) for actor in actors]
    background = _table()
    view = np.tile(np.eye(3), (FRAMES, 1, 1))
    rng = np.random.default_rng(0)
    frames = np.empty((length, *SIZE, 3), np.uint8)
    labels = np.empty((length, *SIZE), np.uint8)
    kept = slice((_SIDE - SIZE[0]) // 2, (_SIDE + SIZE[0]) // 2)
    for t in range(length):
        picture, label_image = background.copy(), np.zeros((_SIDE, _SIDE), np.uint8)
        for actor in actors:
            draw(actor, t, view, 0.5, picture, label_image)
        picture += rng.normal(0, 2, picture.shape)
        frames[t], labels[t] = np.clip(picture, 0, 255)[kept].astype(np.uint8), label_image[kept]
    return Clip(frames, labels, ((TARGET, LOOK_ALIKE),))


def detections(clip: Clip) -> list[dict[str, Any]]:
    """Boxes (left, top, right, bottom in pixels) around the target, by frame."""
    target = clip.labels == TARGET
    least = DETECTED_SHARE * target[0].sum()
    boxes = {t: bounding_box(target[t]) for t in range(0, len(target), DETECTED_EVERY) if target[t].sum() >= least}
    return [
        {"frame": frame, "label": "block", "score": 0.9, "box": [box.x0, box.y0, box.x1, box.y1]}
        for frame, box in boxes.items()
        if box is not None
    ]


def write_demo_data(folder: Path) -> None:
    """Write clip.mp4 and detections.json."""
    folder.mkdir(parents=True, exist_ok=True)
    clip = demo_clip()
    with VideoWriter(folder / "clip.mp4", RATE) as video:
        for frame in clip.frames:
            video.write(frame)
    lines = ",\n".join(json.dumps(entry) for entry in detections(clip))
    (folder / "detections.json").write_text(f"[\n{lines}\n]\n")


def _toy_block() -> tuple[Part, ...]:
    return block(np.random.default_rng(42), Pictures())


def _pillar() -> tuple[Part, ...]:
    """An upright board in front of everything."""
    x, _ = unit_grid(SPRITE)
    board = np.array([92.0, 104.0, 112.0]) * (1 - 0.35 * x[..., None])
    opacity = (np.abs(x) < 0.97).astype(np.float32)
    return (Part(np.dstack([board * opacity[..., None], opacity]).astype(np.float32), similarity()),)


def _table() -> np.ndarray:
    """(_SIDE, _SIDE, 3) float32: a pale, grained surface."""
    grain = cv2.resize(
        noise_texture(np.random.default_rng(3), 128)[:, 40:60], (_SIDE, _SIDE), interpolation=cv2.INTER_CUBIC
    )
    shade = plain_texture(np.random.default_rng(8), _SIDE).mean(-1, keepdims=True)
    grain = grain.mean(-1, keepdims=True) - grain.mean()
    light = shade / shade.mean()
    table: np.ndarray = ((np.array([196.0, 178.0, 150.0]) + 0.25 * grain) * light).astype(np.float32)
    return table


def _target_trajectory() -> Trajectory:
    """Passes behind the pillar, leaves on the right for more than a second, returns further down."""
    times = [0, 12, 36, 50, 66, 72, 82, 118, 130, 149]
    positions = [(0.2, 0.44), (0.22, 0.43), (0.52, 0.42), (0.52, 0.42), (0.8, 0.42), (0.8, 0.42)]
    positions += [(1.15, 0.45), (1.15, 0.6), (0.82, 0.62), (0.74, 0.66)]
    return _trajectory(times, positions, (0.085, 0.085), [0, 0.1, 0.5, 0.5, 0.2, 0.2, 0.4, 0.6, 0.3, 0.1])


def _look_alike_trajectory() -> Trajectory:
    times = [0, 37, 75, 112, 149]
    return _trajectory(
        times, [(0.14, 0.76), (0.2, 0.72), (0.26, 0.76), (0.2, 0.7), (0.14, 0.74)], (0.08, 0.08), [1, 1.2, 1.0, 0.8, 1]
    )


def _creature_trajectory() -> Trajectory:
    times = [0, 50, 100, 149]
    return _trajectory(times, [(0.85, 0.25), (0.75, 0.3), (0.88, 0.24), (0.78, 0.28)], (0.08, 0.08), [0, 0.4, 0.1, 0.5])


def _trajectory(
    times: list[int], positions: list[tuple[float, float]], half_sides: tuple[float, float], angles: list[float]
) -> Trajectory:
    """A smooth trajectory through the given positions and angles."""
    now = np.arange(FRAMES)
    progress = np.interp(now, times, np.arange(len(times)))
    eased = np.floor(progress) + (progress % 1) ** 2 * (3 - 2 * (progress % 1))
    stops = np.arange(len(times))
    position = np.stack([np.interp(eased, stops, axis) for axis in np.array(positions).T], axis=-1)
    return Trajectory(
        position, np.interp(eased, stops, angles), np.tile(half_sides, (FRAMES, 1)), np.ones(FRAMES, bool)
    )


def main(argv: Sequence[str] | None = None) -> int:
    """Parse the command line and render the clip."""
    parser = argparse.ArgumentParser(
        "python -m sam2_ros.synthetic.demo_clip", description=(__doc__ or "").split("\n")[0]
    )
    parser.add_argument("folder", type=Path, metavar="FOLDER", help="where clip.mp4 and detections.json are written")
    args = parser.parse_args(argv)
    return run(parser.prog, lambda: write_demo_data(args.folder))


if __name__ == "__main__":
    sys.exit(main())
