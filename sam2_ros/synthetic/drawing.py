"""Draws objects into a frame and into its labels."""

from __future__ import annotations

from dataclasses import dataclass, replace

import cv2
import numpy as np

from sam2_ros.synthetic.motion import Trajectory
from sam2_ros.synthetic.shapes import SPRITE, Part, similarity
from sam2_ros.synthetic.warps import perspective, thin_plate_warp


@dataclass(frozen=True)
class Actor:
    """A drawn object. `label` 0 is scenery; `wobble`: amplitude of its deformation, `shadow`: the shadow's opacity.

    `bends` (T, POINTS, 2) deform its sprites by thin-plate splines, `tilt` (T, 2) turns it out of the image plane.
    """

    parts: tuple[Part, ...]
    trajectory: Trajectory
    label: int
    wobble: float = 0.0
    shadow: float = 0.0
    bends: np.ndarray | None = None
    tilt: np.ndarray | None = None


def fit_sprites(actor: Actor, size: int) -> Actor:
    """The actor with sprites reduced to about their drawn size, so that sampling does not alias."""
    half_side = float(actor.trajectory.scale.max()) * size
    parts = []
    for part in actor.parts:
        drawn = 2 * half_side * np.abs(np.linalg.svd(part.transform[:2, :2], compute_uv=False)).max()
        side = int(np.clip(drawn * 1.2, 8, max(SPRITE, part.side)))
        sprite = part.sprite
        if side < min(0.8 * max(SPRITE, part.side), part.side):
            count = len(sprite) // part.side
            sprite = cv2.resize(sprite, (side, count * side), interpolation=cv2.INTER_AREA)
        parts.append(replace(part, sprite=sprite))
    return replace(actor, parts=tuple(parts))


def _object_to_pixels(trajectory: Trajectory, t: int, view: np.ndarray, size: int) -> np.ndarray:
    """(3, 3): maps the object's coordinates (-1..1) to pixels on frame t."""
    pose = similarity(trajectory.angle[t], tuple(trajectory.scale[t]), tuple(trajectory.position[t]))
    matrix: np.ndarray = similarity(0, (size, size)) @ view[t] @ pose
    return matrix


def _sprite_to_object(part: Part, t: int) -> np.ndarray:
    """(3, 3): maps the part's sprite pixels to its object's coordinates on frame t."""
    side = part.side
    to_square = similarity(0, (2 / (side - 1), 2 / (side - 1)), (-1, -1))
    if not part.swing:
        matrix: np.ndarray = part.transform @ to_square
        return matrix
    joint = np.array(part.joint)
    turn = similarity(part.swing * np.sin(2 * np.pi * part.frequency * t + part.phase))
    turn[:2, 2] = joint - turn[:2, :2] @ joint
    swung: np.ndarray = turn @ part.transform @ to_square
    return swung


def _bend(sprite: np.ndarray, wobble: float, t: int) -> np.ndarray:
    """The sprite deformed by slow waves."""
    side = sprite.shape[0]
    axis = np.arange(side, dtype=np.float32)
    x, y = np.meshgrid(axis, axis)
    phase = axis / side * 5
    bend = np.float32(wobble * side)
    x = x + bend * np.sin(phase + 0.5 * t)[:, None]
    y = y + bend * np.sin(1.3 * phase + 0.37 * t)[None, :]
    bent: np.ndarray = cv2.remap(sprite, x, y, cv2.INTER_LINEAR)
    return bent


def draw(actor: Actor, t: int, view: np.ndarray, shutter: float, picture: np.ndarray, labels: np.ndarray) -> None:
    """Draw the actor into `picture`; `labels` takes its label where its opacity exceeds one half."""
    size = picture.shape[0]
    to_pixels = _object_to_pixels(actor.trajectory, t, view, size)
    before = _object_to_pixels(actor.trajectory, max(t - 1, 0), view, size)
    motion = (to_pixels[:2, 2] - before[:2, 2]) * shutter
    if np.hypot(*motion) > 0.25 * size:
        motion = np.zeros(2)
    corners = to_pixels[:2, :2] @ (1.4 * np.array([[-1, 1, 1, -1], [-1, -1, 1, 1]])) + to_pixels[:2, 2:]
    reach = 4 + np.abs(motion)
    left, upper = np.clip(np.floor(corners.min(1) - reach), 0, size).astype(int)
    right, lower = np.clip(np.ceil(corners.max(1) + reach), 0, size).astype(int)
    if right - left < 2 or lower - upper < 2:
        return
    layer = np.zeros((lower - upper, right - left, 4), np.float32)
    to_window = similarity(0, (1, 1), (-left, -upper)) @ to_pixels
    if actor.tilt is not None:
        to_window = to_window @ perspective(actor.tilt[t])
    for part in actor.parts:
        sprite = part.sprite_at(t)
        if actor.wobble:
            sprite = _bend(sprite, actor.wobble, t)
        if actor.bends is not None:
            sprite = thin_plate_warp(sprite, actor.bends[t])
        matrix = to_window @ _sprite_to_object(part, t)
        if actor.tilt is None:
            drawn = cv2.warpAffine(sprite, matrix[:2], (right - left, lower - upper), flags=cv2.INTER_LINEAR)
        else:
            drawn = cv2.warpPerspective(sprite, matrix, (right - left, lower - upper), flags=cv2.INTER_LINEAR)
        layer *= 1 - drawn[..., 3:]
        layer += drawn
    labels[upper:lower, left:right][layer[..., 3] > 0.5] = actor.label
    if np.hypot(*motion) > 1.5:
        layer = cv2.filter2D(layer, -1, motion_blur_kernel(motion))
    window = picture[upper:lower, left:right]
    if actor.shadow:
        spread = max(3, (lower - upper) // 8) | 1
        aside = np.array([[1, 0, spread / 3], [0, 1, spread / 2]])
        shade = cv2.GaussianBlur(layer[..., 3], (spread, spread), 0)
        shade = cv2.warpAffine(shade, aside, (right - left, lower - upper))
        window *= 1 - actor.shadow * shade[..., None]
    window *= 1 - layer[..., 3:]
    window += layer[..., :3]


def motion_blur_kernel(motion: np.ndarray) -> np.ndarray:
    """The blur kernel of a displacement by `motion` (pixels)."""
    length = int(np.clip(np.hypot(*motion), 2, 40))
    kernel = np.zeros((length | 1, length | 1), np.float32)
    middle = length // 2
    reach = motion / np.hypot(*motion) * length / 2
    start, end = (middle - reach).round().astype(int), (middle + reach).round().astype(int)
    cv2.line(kernel, (int(start[0]), int(start[1])), (int(end[0]), int(end[1])), 1.0, 1, cv2.LINE_AA)
    normalised: np.ndarray = kernel / kernel.sum()
    return normalised
