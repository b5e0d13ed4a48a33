"""Clips from still pictures with masks, as video segmentation networks are pre-trained (STM, XMem).

The picture is seen by a moving camera and deforms; objects leave their place, objects of other pictures are pasted in,
move, deform, cross and occlude, leave and return.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np

from sam2_ros.synthetic.camera_effects import apply_camera_effects, random_camera_effects
from sam2_ros.synthetic.clip import Clip
from sam2_ros.synthetic.drawing import Actor, draw, fit_sprites, motion_blur_kernel
from sam2_ros.synthetic.motion import Trajectory, camera_motion, crossing_trajectory, random_trajectory
from sam2_ros.synthetic.objects import random_object
from sam2_ros.synthetic.pictures import Pictures
from sam2_ros.synthetic.shapes import Part
from sam2_ros.synthetic.stills import (
    Crop,
    CutOut,
    Plane,
    Still,
    background_plane,
    cut_out,
    random_crop,
    tilted,
    without_object,
)
from sam2_ros.synthetic.warps import random_bends, random_tilt

MAX_OBJECTS = 4  # of a still
_MAX_STRIDE = 4  # frames of the motion from one frame of the clip to the next
_ABSENCE_TRIES = 12  # trajectories that are searched for an absence


@dataclass(frozen=True)
class StillClipSpec:
    """A clip of `frames` frames of `size` x `size` pixels.

    Objects cover from `zoom[0]` to `zoom[1]` of the image. With `absence` one that is visible on the first frame leaves
    or is occluded on a later one, where such a trajectory is found.
    """

    frames: int
    size: int
    zoom: tuple[float, float] = (0.03, 0.45)
    absence: bool = False


def render_still_clip(rng: np.random.Generator, stills: Sequence[Still], spec: StillClipSpec) -> Clip:
    """A clip of the first still, with objects of all of them; each has at least one and at most MAX_OBJECTS."""
    stills = [still.mirrored() if rng.random() < 0.5 else still for still in stills]
    times = np.arange(spec.frames) * int(rng.integers(1, _MAX_STRIDE + 1))
    scene = _compose(rng, stills, spec, times)
    effects = random_camera_effects(rng, spec.frames)
    frames = np.empty((spec.frames, spec.size, spec.size, 3), np.uint8)
    labels = np.empty((spec.frames, spec.size, spec.size), np.uint8)
    for t in range(spec.frames):
        picture, labels[t] = scene.plane.render(t, scene.view[t], spec.size)
        picture = _blurred(picture, scene.view, t, effects.shutter)
        for actor in scene.actors:
            if actor.trajectory.is_drawn[t]:
                draw(actor, t, scene.view, effects.shutter, picture, labels[t])
        frames[t] = apply_camera_effects(rng, picture, effects, t)
    return Clip(frames, labels)


@dataclass(frozen=True)
class _Scene:
    """A background, the camera's `view` (T, 3, 3) of it, and actors from the lowest to the topmost."""

    plane: Plane
    view: np.ndarray
    actors: tuple[Actor, ...]


@dataclass(frozen=True)
class _Motion:
    """What trajectories are drawn for: `times` (T,) of the frames, the camera's `view` at each, and object sizes."""

    times: np.ndarray
    view: np.ndarray
    zoom: tuple[float, float]

    @property
    def length(self) -> int:
        """Frames of the motion from the clip's first to its last."""
        return int(self.times[-1]) + 1


def _compose(rng: np.random.Generator, stills: Sequence[Still], spec: StillClipSpec, times: np.ndarray) -> _Scene:
    motion = _Motion(times, camera_motion(rng, int(times[-1]) + 1)[times], spec.zoom)
    background = stills[0]
    tilt = random_tilt(rng, motion.length, 0.01, 0.15)[times] if rng.random() < 0.5 else np.zeros((len(times), 2))
    bends = random_bends(rng, motion.length, 0.02)[times] if rng.random() < 0.5 else None
    crop = random_crop(rng, background, _reach(motion.view, tilt), spec.zoom)
    labels = {number: number + 1 for number in range(len(background.masks))}
    count = len(labels)

    leaves = spec.absence and rng.random() < 0.6  # else it is occluded
    actors = []
    if spec.frames > 1 and rng.random() < (0.75 if leaves else 0.35):
        actors.append(_cut_from_background(rng, background, crop, motion, leaves, labels.pop(0)))
        background = replace(background, image=without_object(rng, background.image, background.masks[0]))
    pasted = int(rng.choice(3, p=(0.6, 0.3, 0.1) if spec.frames == 1 else (0.35, 0.4, 0.25)))
    for _ in range(max(pasted, 1) if leaves and not actors else pasted):
        count += 1
        donor = stills[0] if rng.random() < 0.15 else stills[int(rng.integers(len(stills)))]
        actors.append(_pasted(rng, donor, motion, leaves and not actors, count))
    if spec.frames > 1 and ((spec.absence and not leaves) or rng.random() < 0.3):
        target = actors[0].trajectory if actors else _resting(stills[0], crop, len(times))
        label = count + 1 if rng.random() < 0.3 else 0
        actors.append(_occluder(rng, stills, target, motion, label))
    actors = [fit_sprites(actor, spec.size) for actor in actors]
    return _Scene(background_plane(background, labels, crop, spec.size, (tilt, bends)), motion.view, tuple(actors))


def _reach(view: np.ndarray, tilt: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Lowest and highest position (x, y) that the frames show, in fractions of the crop."""
    corners = np.array([[0, 1, 1, 0], [0, 0, 1, 1], [1, 1, 1, 1]])
    shown = np.stack([np.linalg.inv(at @ tilted(turn)) @ corners for at, turn in zip(view, tilt)])
    points = shown[:, :2] / shown[:, 2:]
    return points.min(axis=(0, 2)), points.max(axis=(0, 2))


def _cut_from_background(
    rng: np.random.Generator, still: Still, crop: Crop, motion: _Motion, leaves: bool, label: int
) -> Actor:
    """The still's first object, which starts where it is and moves apart from the picture."""
    cut = cut_out(still, 0, rng.uniform(0.4, 1.2))
    half = cut.half_side / crop.extent
    home = (cut.centre - crop.corner) / crop.extent
    return _actor(rng, cut, half, motion, leaves, label, home)


def _pasted(rng: np.random.Generator, still: Still, motion: _Motion, leaves: bool, label: int) -> Actor:
    """An object of a still, of any size and anywhere."""
    cut = cut_out(still, int(rng.integers(len(still.masks))), rng.uniform(0.4, 2.0))
    half = 0.5 * np.sqrt(np.exp(rng.uniform(*np.log(motion.zoom))) / cut.fill) * np.exp(rng.uniform(-0.3, 0.3))
    squeeze = np.exp(rng.uniform(-0.3, 0.3))
    return _actor(rng, cut, min(half, 0.7) * np.array([squeeze, 1 / squeeze]), motion, leaves, label)


def _actor(
    rng: np.random.Generator,
    cut: CutOut,
    half: np.ndarray,
    motion: _Motion,
    leaves: bool,
    label: int,
    home: np.ndarray | None = None,
) -> Actor:
    """An upright object of half sides `half` on a random trajectory."""

    def trajectory() -> Trajectory:
        course = random_trajectory(rng, motion.length, float(half.max()), 1.0 if leaves else 0.2, home)
        lean = 0.0 if home is not None else rng.normal(0, 0.2)
        upright = replace(course, angle=course.angle - course.angle[0] + lean)
        return replace(upright, scale=course.scale / course.scale[0] * half).at(motion.times)

    chosen = _with_absence(trajectory, lambda x: _outside(x, motion.view)) if leaves else trajectory()
    return Actor(
        (Part(cut.sprite, np.eye(3)),),
        chosen,
        label,
        shadow=rng.uniform(0.1, 0.5) if rng.random() < 0.3 else 0.0,
        bends=random_bends(rng, motion.length, rng.uniform(0.01, 0.05))[motion.times] if rng.random() < 0.5 else None,
        tilt=random_tilt(rng, motion.length, 0.02, 0.12)[motion.times] if rng.random() < 0.4 else None,
    )


def _occluder(
    rng: np.random.Generator, stills: Sequence[Still], target: Trajectory, motion: _Motion, label: int
) -> Actor:
    """An object that crosses the target in front of it: of a still, or drawn."""
    if rng.random() < 0.5:
        still = stills[int(rng.integers(len(stills)))]
        cut = cut_out(still, int(rng.integers(len(still.masks))), rng.uniform(0.4, 2.0))
        parts: tuple[Part, ...] = (Part(cut.sprite, np.eye(3)),)
    else:
        parts, label = random_object(rng, Pictures()), 0
    size = float(target.scale.mean()) * rng.uniform(0.7, 1.8) + 0.03
    # The target on each frame of the motion: where it is on the next one of the clip.
    followed = target.at(np.searchsorted(motion.times, np.arange(motion.length)))

    def trajectory() -> Trajectory:
        return crossing_trajectory(rng, motion.length, followed, size).at(motion.times)

    def covered(course: Trajectory) -> np.ndarray:
        distance = np.abs(course.position - target.position).max(axis=1)
        return np.asarray(distance < 0.4 * size)

    return Actor(parts, _with_absence(trajectory, covered), label, shadow=0.3 * rng.random())


def _resting(still: Still, crop: Crop, frames: int) -> Trajectory:
    """The first object of the background as a trajectory."""
    x, y, width, height = cv2.boundingRect(still.masks[0].astype(np.uint8))
    half = np.array([width, height]) / 2
    centre = (np.array([x, y]) + half - crop.corner) / crop.extent
    return Trajectory(
        np.tile(centre, (frames, 1)), np.zeros(frames), np.tile(half / crop.extent, (frames, 1)), np.ones(frames, bool)
    )


def _with_absence(draw_one: Callable[[], Trajectory], absent: Callable[[Trajectory], np.ndarray]) -> Trajectory:
    """A trajectory with an absence after the first frame, preferably with a return; the last one tried if none has."""
    found = None
    for _ in range(_ABSENCE_TRIES):
        trajectory = draw_one()
        away = absent(trajectory)
        if away[0] or not away.any():
            continue
        if (np.diff(away.astype(int)) < 0).any():
            return trajectory
        found = found or trajectory
    return found or trajectory


def _outside(trajectory: Trajectory, view: np.ndarray) -> np.ndarray:
    """(T,) bool: the object is not drawn, or its sprite lies beyond the frame's border."""
    shown = np.einsum("tij,tj->ti", view[:, :2, :2], trajectory.position) + view[:, :2, 2]
    beyond = np.abs(shown - 0.5) > 0.5 + 0.8 * trajectory.scale
    outside: np.ndarray = ~trajectory.is_drawn | beyond.any(axis=1)
    return outside


def _blurred(picture: np.ndarray, view: np.ndarray, t: int, shutter: float) -> np.ndarray:
    """The background blurred by the camera's motion."""
    size = len(picture)
    shift = ((view[t] - view[max(t - 1, 0)]) @ [0.5, 0.5, 1])[:2] * size * shutter
    if not 1.5 < np.hypot(*shift) < 0.25 * size:
        return picture
    return np.asarray(cv2.filter2D(picture, -1, motion_blur_kernel(shift)))
