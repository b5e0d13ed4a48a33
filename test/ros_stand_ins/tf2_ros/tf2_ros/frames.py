"""The poses of frames over time."""

from __future__ import annotations

from bisect import bisect_left, insort
from dataclasses import dataclass

import numpy as np
from geometry_msgs.msg import TransformStamped
from rclpy.time import Time
from scipy.spatial.transform import Rotation, Slerp

_CACHE_TIME = 10 * 10**9  # nanoseconds


class TransformException(Exception):
    """A transform is not available; the message says why."""


class LookupException(TransformException):
    """A frame is not known."""


class ConnectivityException(TransformException):
    """Two frames are not in one tree."""


class ExtrapolationException(TransformException):
    """A transform is known, but not for this stamp."""


@dataclass(frozen=True)
class Pose:
    """Of a frame in another one, at a stamp (nanoseconds)."""

    stamp: int
    parent: str
    translation: np.ndarray  # (3,) metres
    rotation: Rotation

    @classmethod
    def from_message(cls, message: TransformStamped) -> Pose:
        position, turn = message.transform.translation, message.transform.rotation
        return cls(
            Time.from_msg(message.header.stamp).nanoseconds,
            message.header.frame_id,
            np.array([position.x, position.y, position.z]),
            Rotation.from_quat([turn.x, turn.y, turn.z, turn.w]),
        )

    def interpolate(self, later: Pose, stamp: int) -> Pose:
        """The pose at a stamp between this one's and a later one's; this one where they have different parents."""
        if self.parent != later.parent:
            return self
        share = (stamp - self.stamp) / (later.stamp - self.stamp)
        turns = Slerp([0.0, 1.0], Rotation.concatenate([self.rotation, later.rotation]))
        return Pose(stamp, self.parent, (1 - share) * self.translation + share * later.translation, turns(share))

    @property
    def matrix(self) -> np.ndarray:
        """(4, 4), from the frame to its parent."""
        matrix = np.eye(4)
        matrix[:3, :3], matrix[:3, 3] = self.rotation.as_matrix(), self.translation
        return matrix


class Frame:
    """The poses of one frame."""

    def __init__(self, is_static: bool) -> None:
        self.is_static = is_static
        self._poses: list[Pose] = []  # by stamp

    def insert(self, pose: Pose) -> None:
        """Drops poses that are older than the newest one by more than the cache time, also the given one."""
        others = [] if self.is_static else [other for other in self._poses if other.stamp != pose.stamp]
        insort(others, pose, key=lambda pose: pose.stamp)
        self._poses = [other for other in others if other.stamp >= others[-1].stamp - _CACHE_TIME]

    def clear(self) -> None:
        """Static poses stay."""
        if not self.is_static:
            self._poses.clear()

    @property
    def is_empty(self) -> bool:
        return not self._poses

    @property
    def newest(self) -> Pose:
        """Raises ExtrapolationException."""
        if not self._poses:
            raise ExtrapolationException("Lookup would require extrapolation: there are no data after a reset")
        return self._poses[-1]

    def at(self, stamp: int) -> Pose:
        """Raises ExtrapolationException."""
        if self.is_static or stamp == self.newest.stamp:
            return self.newest
        later = bisect_left(self._poses, stamp, key=lambda pose: pose.stamp)
        if later == len(self._poses):
            raise ExtrapolationException(_refusal("future", stamp, self.newest.stamp))
        if self._poses[later].stamp == stamp:
            return self._poses[later]
        if later == 0:
            raise ExtrapolationException(_refusal("past", stamp, self._poses[0].stamp))
        return self._poses[later - 1].interpolate(self._poses[later], stamp)


def _refusal(where: str, requested: int, nearest: int) -> str:
    return (
        f"Lookup would require extrapolation into the {where}: requested time {requested / 1e9:.6f}, "
        f"the nearest data are of {nearest / 1e9:.6f}"
    )
