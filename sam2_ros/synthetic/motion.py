"""Trajectories of synthetic objects and of the camera. Positions are fractions of the image, 0..1."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Trajectory:
    """An object's pose on every frame of a clip of T frames.

    `position` (T, 2), `angle` (T,) radians, `scale` (T, 2) half sides, `is_drawn` (T,) bool.
    """

    position: np.ndarray
    angle: np.ndarray
    scale: np.ndarray
    is_drawn: np.ndarray

    def at(self, frames: np.ndarray) -> Trajectory:
        """The poses of these frames."""
        return Trajectory(self.position[frames], self.angle[frames], self.scale[frames], self.is_drawn[frames])


def random_walk(rng: np.random.Generator, frames: int, step: float) -> np.ndarray:
    """(T,) a random walk of `step` per frame whose speed changes slowly; starts at 0."""
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


def _absence_profile(rng: np.random.Generator, frames: int) -> np.ndarray:
    """(T,) 0 while present, 1 while absent; leaving and returning take one to a few frames."""
    start = rng.uniform(0.1, 0.7) * frames
    stay = max(1.5, rng.uniform(0.1, 0.45) * frames)
    duration = rng.uniform(0.5, 4.0)
    t = np.arange(frames)
    share = np.clip(np.minimum((t - start) / duration, (start + stay + 2 * duration - t) / duration), 0, 1)
    eased: np.ndarray = share**2 * (3 - 2 * share)
    return eased


def random_trajectory(
    rng: np.random.Generator, frames: int, size: float, absence: float, home: np.ndarray | None = None
) -> Trajectory:
    """A course of an object whose half side is about `size`; with probability `absence` it is absent for a while.

    It starts at `home`, or else anywhere. An absent object has left the image, or is not drawn.
    """
    step = 0.0 if rng.random() < 0.15 else np.exp(rng.uniform(np.log(0.002), np.log(0.06)))
    home = rng.uniform(0.12, 0.88, 2) if home is None else home
    walk = np.stack([random_walk(rng, frames, step), random_walk(rng, frames, step)], -1)
    if rng.random() < 0.12:
        jump = int(rng.integers(1, max(2, frames)))
        walk[jump:] += rng.normal(0, 0.15, 2)
    margin = 0.02 if rng.random() < 0.8 else -size
    position = np.stack([_reflect(home[axis] + walk[:, axis], margin, 1 - margin) for axis in range(2)], -1)

    is_drawn = np.ones(frames, bool)
    if rng.random() < absence:
        away = _absence_profile(rng, frames)
        if rng.random() < 0.75:
            side, axis = rng.integers(2), rng.integers(2)
            outside = position.copy()
            outside[:, axis] = side * 1.0 + (2 * side - 1) * 1.6 * size
            if rng.random() < 0.4:
                position[away >= 1, 1 - axis] = rng.uniform(0.1, 0.9)
            position = position + away[:, None] * (outside - position)
        else:
            is_drawn = away < 0.5
    turn = rng.choice((0.01, 0.04, 0.15), p=(0.5, 0.35, 0.15))
    angle = rng.uniform(0, 2 * np.pi) + random_walk(rng, frames, turn)
    growth = np.clip(random_walk(rng, frames, rng.choice((0.005, 0.03))), -0.7, 0.7)
    squeeze = np.exp(rng.uniform(-0.35, 0.35) + np.clip(random_walk(rng, frames, 0.015), -0.3, 0.3))
    scale = size * np.exp(growth)
    return Trajectory(position, angle, np.stack([scale * squeeze, scale / squeeze], -1), is_drawn)


def crossing_trajectory(rng: np.random.Generator, frames: int, target: Trajectory, size: float) -> Trajectory:
    """A trajectory that crosses `target` in the middle of the clip, or stops on top of it."""
    moment = int(rng.uniform(0.25, 0.85) * frames)
    direction = rng.uniform(0, 2 * np.pi)
    reach = rng.uniform(1.0, 2.5) * (size + float(target.scale[moment].max()))
    duration = max(1.0, rng.uniform(0.08, 0.4) * frames)
    along = np.clip((np.arange(frames) - moment) / duration, -3, 3)
    if rng.random() < 0.5:
        along = np.sign(along) * np.maximum(np.abs(along) - rng.uniform(0.2, 0.8), 0)
    heading = np.array([np.cos(direction), np.sin(direction)])
    position = target.position[moment] + along[:, None] * reach * heading
    angle = rng.uniform(0, 6) + random_walk(rng, frames, 0.02)
    return Trajectory(position, angle, np.full((frames, 2), size), np.ones(frames, bool))


def camera_motion(rng: np.random.Generator, frames: int) -> np.ndarray:
    """(T, 3, 3): maps positions by the camera's own motion: none, shake, pan, zoom or roll."""
    pan, shake, turn, zoom = np.zeros((frames, 2)), np.zeros((frames, 2)), np.zeros(frames), np.zeros(frames)
    if rng.random() < 0.6:
        step = np.exp(rng.uniform(np.log(0.001), np.log(0.02)))
        pan = np.stack([random_walk(rng, frames, step), random_walk(rng, frames, step)], -1)
        turn = random_walk(rng, frames, step / 3)
        zoom = np.clip(random_walk(rng, frames, step / 2), -0.3, 0.3)
    if rng.random() < 0.3:
        shake = rng.normal(0, np.exp(rng.uniform(np.log(0.001), np.log(0.012))), (frames, 2))
    matrices = np.tile(np.eye(3), (frames, 1, 1))
    for t in range(frames):
        cos, sin = np.exp(zoom[t]) * np.cos(turn[t]), np.exp(zoom[t]) * np.sin(turn[t])
        matrices[t, :2, :2] = [[cos, -sin], [sin, cos]]
        matrices[t, :2, 2] = 0.5 - matrices[t, :2, :2] @ [0.5, 0.5] + pan[t] + shake[t]
    return matrices
