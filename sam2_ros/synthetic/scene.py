"""Synthetic clips with true masks: textured objects move, turn, deform, occlude one another, leave and return.

A clip is a function of (seed, index) and the pictures. An object is drawn, or a segment of the background
photograph: a segment has no drawn border that a network could recognise.
"""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np

from sam2_ros.synthetic.camera_effects import apply_camera_effects, random_camera_effects
from sam2_ros.synthetic.clip import Clip
from sam2_ros.synthetic.drawing import Actor, draw, fit_sprites
from sam2_ros.synthetic.motion import Trajectory, camera_motion, crossing_trajectory, random_trajectory
from sam2_ros.synthetic.objects import random_object
from sam2_ros.synthetic.pictures import Pictures
from sam2_ros.synthetic.shapes import Part, blend_towards, look_alike, similarity
from sam2_ros.synthetic.textures import noise_texture, photograph_crop, random_surface, smooth_noise

# The background extends beyond each side of the image by this share of its side.
MARGIN = 0.2


def render_clip(seed: int, index: int, pictures: Pictures, frames: int = 8, size: int = 192) -> Clip:
    """Clip number `index` of series `seed`: `frames` images of `size` x `size` pixels."""
    rng = np.random.default_rng((seed, index))
    background, segments = _background(rng, pictures, int(size * (1 + 2 * MARGIN)))
    view = camera_motion(rng, frames)
    actors, look_alikes, segment_labels = _compose(rng, pictures, background, segments, frames)
    actors = [fit_sprites(actor, size) for actor in actors]
    effects = random_camera_effects(rng, frames)
    shown = np.empty((frames, size, size, 3), np.uint8)
    labels = np.empty((frames, size, size), np.uint8)
    for t in range(frames):
        picture, labels[t] = _render_background(background, segment_labels, view[t], size)
        for actor in actors:
            if actor.trajectory.is_drawn[t]:
                draw(actor, t, view, effects.shutter, picture, labels[t])
        shown[t] = apply_camera_effects(rng, picture, effects, t)
    return Clip(shown, labels, look_alikes)


def _background(rng: np.random.Generator, pictures: Pictures, size: int) -> tuple[np.ndarray, np.ndarray]:
    """Image (size, size, 3) float32 and its segments (size, size), all 0 where there are none."""
    if pictures.photographs and rng.random() < 0.75:
        return photograph_crop(rng, pictures.photographs, size, smallest=0.5)
    surface = noise_texture(rng, size)
    if rng.random() < 0.6:
        edge = cv2.GaussianBlur((smooth_noise(rng, size, 3) > 0.5).astype(np.float32), (3, 3), 0)[..., None]
        other = cv2.resize(random_surface(rng, pictures, 128), (size, size))
        surface = surface * edge + other * (1 - edge)
    return surface, np.zeros((size, size), np.uint16)


def _compose(
    rng: np.random.Generator,
    pictures: Pictures,
    background: np.ndarray,
    segments: np.ndarray,
    frames: int,
) -> tuple[list[Actor], tuple[tuple[int, int], ...], np.ndarray]:
    """Actors from the lowest to the topmost, pairs of look-alikes, labels of background segments."""
    clutter = rng.choice((0, 1, 3, 6), p=(0.4, 0.2, 0.2, 0.2)) * (2 if pictures.cut_outs else 1)
    scenery = [
        Actor(random_object(rng, pictures), _still_trajectory(rng, frames), 0, shadow=0.4 * rng.random())
        for _ in range(clutter)
    ]
    count = int(rng.integers(1, 4))
    actors, look_alikes = [], []
    for label in range(1, count + 1):
        parts = random_object(rng, pictures)
        if rng.random() < 0.2:
            parts = blend_towards(rng, parts, background)
        actors.append(_random_actor(rng, parts, label, frames))
    if rng.random() < 0.35:
        twin = _random_actor(rng, look_alike(rng, actors[0].parts), count + 1, frames)
        if rng.random() < 0.6:
            twin = replace(
                twin, trajectory=replace(twin.trajectory, scale=actors[0].trajectory.scale * rng.uniform(0.85, 1.2))
            )
        actors.append(twin)
        look_alikes.append((1, count + 1))
    hidden = actors[rng.integers(count)].trajectory
    actors = [actors[i] for i in rng.permutation(len(actors))]
    labels = len(actors)
    if rng.random() < 0.45:
        labelled = rng.random() < 0.4
        labels += labelled
        size = float(hidden.scale.mean()) * rng.uniform(0.7, 1.8) + 0.03
        trajectory = crossing_trajectory(rng, frames, hidden, size)
        actors.append(
            Actor(random_object(rng, pictures), trajectory, labels if labelled else 0, shadow=0.3 * rng.random())
        )
    # Segments have one colour. A network trained on many of them includes similar surfaces next to a real object.
    rare = bool(pictures.cut_outs) and rng.random() < 0.75
    segment_labels = np.zeros(segments.shape, np.uint8) if rare else _label_segments(rng, segments, labels)
    return scenery + actors, tuple(look_alikes), segment_labels


def _label_segments(rng: np.random.Generator, segments: np.ndarray, labels: int) -> np.ndarray:
    """(H, W) uint8: up to two segments of a suitable size become objects, numbered after the `labels` drawn ones."""
    chosen = np.zeros(segments.shape, np.uint8)
    numbers, counts = np.unique(segments[segments > 0], return_counts=True)
    fitting = numbers[(counts > 0.01 * segments.size) & (counts < 0.2 * segments.size)]
    for number in rng.permutation(fitting)[: rng.integers(0, 3)]:
        labels += 1
        chosen[segments == number] = labels
    return chosen


def _random_actor(rng: np.random.Generator, parts: tuple[Part, ...], label: int, frames: int) -> Actor:
    size = float(np.exp(rng.uniform(np.log(0.045), np.log(0.33))))
    wobble = rng.uniform(0.02, 0.12) if rng.random() < 0.4 else 0.0
    shadow = rng.uniform(0.1, 0.6) if rng.random() < 0.4 else 0.0
    return Actor(parts, random_trajectory(rng, frames, size, absence=0.35), label, wobble, shadow)


def _still_trajectory(rng: np.random.Generator, frames: int) -> Trajectory:
    size = np.exp(rng.uniform(np.log(0.04), np.log(0.4)))
    scale = np.tile(size * np.exp(rng.uniform(-0.4, 0.4) * np.array([1, -1])), (frames, 1))
    position = np.tile(rng.uniform(0, 1, 2), (frames, 1))
    return Trajectory(position, np.full(frames, rng.uniform(0, 6)), scale, np.ones(frames, bool))


def _render_background(
    background: np.ndarray, segment_labels: np.ndarray, view: np.ndarray, size: int
) -> tuple[np.ndarray, np.ndarray]:
    """The background from the camera's `view`: image (size, size, 3) float32 and labels (size, size) uint8."""
    to_fractions = similarity(0, (1 / size, 1 / size), (-MARGIN, -MARGIN))
    matrix = (similarity(0, (size, size)) @ view @ to_fractions)[:2]
    picture = cv2.warpAffine(background, matrix, (size, size), borderMode=cv2.BORDER_REFLECT_101)
    if not segment_labels.any():
        return picture, np.zeros((size, size), np.uint8)
    return picture, cv2.warpAffine(segment_labels, matrix, (size, size), flags=cv2.INTER_NEAREST)
