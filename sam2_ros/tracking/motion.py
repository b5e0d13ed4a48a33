"""A motion model for one box: a Kalman filter of constant velocity, in image time.

Kalman, "A New Approach to Linear Filtering and Prediction Problems" (1960). Centre and sides of the box are filtered
alike and independently. Noise is in object sizes, so that one covariance serves all four, whatever the size.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .types import Box

_MEASUREMENT_NOISE = 0.05  # standard deviation of a box's centre and sides, in object sizes
_ACCELERATION = 2.0  # standard deviation of the acceleration, object sizes per second squared
_INITIAL_VELOCITY = 2.0  # standard deviation the initial velocity, object sizes per second
_MIN_BOXES = 5  # before the filter predicts


@dataclass(frozen=True)
class Motion:
    """The filter after `boxes` boxes, the last one at `stamp` (seconds)."""

    mean: np.ndarray  # (2, 4): centre x, y, width, height; their velocities per second
    covariance: np.ndarray  # (2, 2) of value and velocity, in object sizes
    stamp: float
    boxes: int = 1

    @classmethod
    def start(cls, box: Box, stamp: float) -> Motion:
        """A filter at rest."""
        covariance = np.diag([_MEASUREMENT_NOISE**2, _INITIAL_VELOCITY**2])
        return cls(np.stack([_center_and_sides(box), np.zeros(4)]), covariance, stamp)

    @property
    def is_steady(self) -> bool:
        """Whether the filter has seen enough boxes to predict."""
        return self.boxes >= _MIN_BOXES

    def predicted_box(self, stamp: float) -> Box:
        """The box at `stamp`."""
        x, y, width, height = (_transition(stamp - self.stamp)[0] @ self.mean).tolist()
        width, height = max(width, 0.0), max(height, 0.0)
        return Box(x - width / 2, y - height / 2, x + width / 2, y + height / 2)

    def update(self, box: Box, stamp: float) -> Motion:
        """The filter after one more measured box."""
        seconds = stamp - self.stamp
        transition = _transition(seconds)
        noise = np.array([seconds**2 / 2, seconds]) * _ACCELERATION
        mean = transition @ self.mean
        covariance = transition @ self.covariance @ transition.T + np.outer(noise, noise)
        gain = covariance[:, :1] / (covariance[0, 0] + _MEASUREMENT_NOISE**2)
        mean = mean + gain * (_center_and_sides(box) - mean[0])
        covariance = covariance - gain * covariance[:1]
        return Motion(mean, covariance, stamp, self.boxes + 1)


def _center_and_sides(box: Box) -> np.ndarray:
    return np.array([(box.x0 + box.x1) / 2, (box.y0 + box.y1) / 2, box.x1 - box.x0, box.y1 - box.y0])


def _transition(seconds: float) -> np.ndarray:
    return np.array([[1.0, seconds], [0.0, 1.0]])
