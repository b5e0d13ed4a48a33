"""Where a box will be: a Kalman filter of constant velocity, in image time.

Kalman, "A New Approach to Linear Filtering and Prediction Problems" (1960). The four numbers of a box (centre and
sides) are filtered alike and independently. Noise is counted in sizes of the object, so that one covariance serves
all four, whatever the size.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .types import Box

_MEASUREMENT_NOISE = 0.05  # standard deviation of a box's centre and sides, in sizes of the object
_ACCELERATION = 2.0  # standard deviation of what constant velocity leaves out, sizes per second squared
_FIRST_SPEED = 2.0  # standard deviation before anything is known, sizes per second
_STEADY = 5  # boxes from which on the filter is worth asking


@dataclass(frozen=True)
class Motion:
    """The filter after `boxes` boxes, the last one at `stamp` (seconds)."""

    mean: np.ndarray  # (2, 4): centre x, y, width, height; their change per second
    covariance: np.ndarray  # (2, 2) of value and change, in sizes of the object
    stamp: float
    boxes: int = 1

    @classmethod
    def start(cls, box: Box, stamp: float) -> Motion:
        """At rest, as far as one knows."""
        covariance = np.diag([_MEASUREMENT_NOISE**2, _FIRST_SPEED**2])
        return cls(np.stack([_numbers(box), np.zeros(4)]), covariance, stamp)

    @property
    def is_steady(self) -> bool:
        """Whether enough was seen for an expectation."""
        return self.boxes >= _STEADY

    def expected(self, stamp: float) -> Box:
        """The box at that time."""
        x, y, width, height = (_transition(stamp - self.stamp)[0] @ self.mean).tolist()
        width, height = max(width, 0.0), max(height, 0.0)
        return Box(x - width / 2, y - height / 2, x + width / 2, y + height / 2)

    def after(self, box: Box, stamp: float) -> Motion:
        """The filter with one more box."""
        seconds = stamp - self.stamp
        step = _transition(seconds)
        push = np.array([seconds**2 / 2, seconds]) * _ACCELERATION
        mean = step @ self.mean
        covariance = step @ self.covariance @ step.T + np.outer(push, push)
        gain = covariance[:, :1] / (covariance[0, 0] + _MEASUREMENT_NOISE**2)
        mean = mean + gain * (_numbers(box) - mean[0])
        covariance = covariance - gain * covariance[:1]
        return Motion(mean, covariance, stamp, self.boxes + 1)


def _numbers(box: Box) -> np.ndarray:
    return np.array([(box.x0 + box.x1) / 2, (box.y0 + box.y1) / 2, box.x1 - box.x0, box.y1 - box.y0])


def _transition(seconds: float) -> np.ndarray:
    return np.array([[1.0, seconds], [0.0, 1.0]])
