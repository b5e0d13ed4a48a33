"""Where synthetic objects and the camera are at every frame. Positions are fractions of the picture, 0..1."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Course:
    """An object's way through a clip of T frames.

    `position` (T, 2), `angle` (T,) radians, `scale` (T, 2) half sides, `there` (T,) bool: drawn at all.
    """

    position: np.ndarray
    angle: np.ndarray
    scale: np.ndarray
    there: np.ndarray


def wander(rng: np.random.Generator, frames: int, step: float) -> np.ndarray:
    """(T,) a walk of `step` per frame that changes its speed slowly; starts at 0."""
    inertia = rng.uniform(0.5, 0.97)
    speed = np.empty(frames)
    speed[0] = rng.normal(0, step)
    for t in range(1, frames):
        speed[t] = inertia * speed[t - 1] + np.sqrt(1 - inertia**2) * rng.normal(0, step)
    return np.concatenate([[0.0], np.cumsum(speed[1:])])


def _reflect(path: np.ndarray, low: float, high: float) -> np.ndarray:
    """The path folded back wherever it leaves low..high."""
    span = high - low
    folded = np.mod(path - low, 2 * span)
    return low + np.where(folded > span, 2 * span - folded, folded)


def _excursion(rng: np.random.Generator, frames: int) -> np.ndarray:
    """(T,) 0 while at home, 1 while away; the way out and back takes one to a few frames."""
    start = rng.uniform(0.1, 0.7) * frames
    stay = max(1.5, rng.uniform(0.1, 0.45) * frames)
    pace = rng.uniform(0.5, 4.0)
    t = np.arange(frames)
    share = np.clip(np.minimum((t - start) / pace, (start + stay + 2 * pace - t) / pace), 0, 1)
    return share**2 * (3 - 2 * share)


def random_course(rng: np.random.Generator, frames: int, size: float, absence: float) -> Course:
    """A course of an object whose half side is about `size`; with probability `absence` it is away for a while.

    Away means carried out of the picture and back, or simply not drawn (put away, cut).
    """
    step = 0.0 if rng.random() < 0.15 else np.exp(rng.uniform(np.log(0.002), np.log(0.06)))
    home = rng.uniform(0.12, 0.88, 2)
    walk = np.stack([wander(rng, frames, step), wander(rng, frames, step)], -1)
    if rng.random() < 0.12:
        jump = int(rng.integers(1, max(2, frames)))
        walk[jump:] += rng.normal(0, 0.15, 2)
    margin = 0.02 if rng.random() < 0.8 else -size
    position = np.stack([_reflect(home[axis] + walk[:, axis], margin, 1 - margin) for axis in range(2)], -1)

    there = np.ones(frames, bool)
    if rng.random() < absence:
        away = _excursion(rng, frames)
        if rng.random() < 0.75:
            side, axis = rng.integers(2), rng.integers(2)
            outside = position.copy()
            outside[:, axis] = side * 1.0 + (2 * side - 1) * 1.6 * size
            if rng.random() < 0.4:
                position[away >= 1, 1 - axis] = rng.uniform(0.1, 0.9)
            position = position + away[:, None] * (outside - position)
        else:
            there = away < 0.5
    turn = rng.choice((0.01, 0.04, 0.15), p=(0.5, 0.35, 0.15))
    angle = rng.uniform(0, 2 * np.pi) + wander(rng, frames, turn)
    growth = np.clip(wander(rng, frames, rng.choice((0.005, 0.03))), -0.7, 0.7)
    squeeze = np.exp(rng.uniform(-0.35, 0.35) + np.clip(wander(rng, frames, 0.015), -0.3, 0.3))
    scale = size * np.exp(growth)
    return Course(position, angle, np.stack([scale * squeeze, scale / squeeze], -1), there)


def crossing_course(rng: np.random.Generator, frames: int, target: Course, size: float) -> Course:
    """A course that meets `target` at one moment in mid-clip: passing over it, or a stop on top of it."""
    moment = int(rng.uniform(0.25, 0.85) * frames)
    direction = rng.uniform(0, 2 * np.pi)
    reach = rng.uniform(1.0, 2.5) * (size + float(target.scale[moment].max()))
    pace = max(1.0, rng.uniform(0.08, 0.4) * frames)
    along = np.clip((np.arange(frames) - moment) / pace, -3, 3)
    if rng.random() < 0.5:
        along = np.sign(along) * np.maximum(np.abs(along) - rng.uniform(0.2, 0.8), 0)
    heading = np.array([np.cos(direction), np.sin(direction)])
    position = target.position[moment] + along[:, None] * reach * heading
    angle = rng.uniform(0, 6) + wander(rng, frames, 0.02)
    return Course(position, angle, np.full((frames, 2), size), np.ones(frames, bool))


def camera(rng: np.random.Generator, frames: int) -> np.ndarray:
    """(T, 3, 3): what the camera's own motion does to picture fractions; still, shaking, panning or zooming."""
    pan, shake, turn, zoom = np.zeros((frames, 2)), np.zeros((frames, 2)), np.zeros(frames), np.zeros(frames)
    if rng.random() < 0.6:
        step = np.exp(rng.uniform(np.log(0.001), np.log(0.02)))
        pan = np.stack([wander(rng, frames, step), wander(rng, frames, step)], -1)
        turn = wander(rng, frames, step / 3)
        zoom = np.clip(wander(rng, frames, step / 2), -0.3, 0.3)
    if rng.random() < 0.3:
        shake = rng.normal(0, np.exp(rng.uniform(np.log(0.001), np.log(0.012))), (frames, 2))
    matrices = np.tile(np.eye(3), (frames, 1, 1))
    for t in range(frames):
        cos, sin = np.exp(zoom[t]) * np.cos(turn[t]), np.exp(zoom[t]) * np.sin(turn[t])
        matrices[t, :2, :2] = [[cos, -sin], [sin, cos]]
        matrices[t, :2, 2] = 0.5 - matrices[t, :2, :2] @ [0.5, 0.5] + pan[t] + shake[t]
    return matrices
