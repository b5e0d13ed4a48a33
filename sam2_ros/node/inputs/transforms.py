"""Transforms between frames from tf2, as matrices. Without tf2_ros, no transform is available."""

from __future__ import annotations

from typing import Any

import numpy as np
from builtin_interfaces.msg import Time
from geometry_msgs.msg import TransformStamped
from rclpy.node import Node
from rclpy.time import Time as RclpyTime
from scipy.spatial.transform import Rotation

from sam2_ros.node.distributions import close_buffer

_PACKAGE = "tf2_ros"


class TransformUnavailableError(RuntimeError):
    """tf2 has no transform between two frames at a stamp; the message says why."""


class Transforms:
    """Subscribed to /tf and /tf_static from `open` to `close`; lookups never wait, and any thread may call them."""

    def __init__(self, node: Node) -> None:
        self._node = node
        self._buffer: Any = None  # tf2_ros.Buffer, while open
        self._listener: Any = None
        self._unavailable = "/tf is not subscribed yet"

    def open(self) -> None:
        """Subscribe, on the executor's thread; does nothing where that was done before."""
        if self._buffer is not None:
            return
        try:
            import tf2_ros
        except ImportError as error:
            self._unavailable = f"the ROS package {_PACKAGE} cannot be imported ({error})"
            return
        self._buffer = tf2_ros.Buffer(node=self._node)  # cleared when the node's clock jumps back
        self._listener = tf2_ros.TransformListener(self._buffer, self._node)

    def lookup(self, target_frame: str, source_frame: str, stamp: Time) -> np.ndarray:
        """(4, 4) float64 that transforms points from `source_frame` to `target_frame` at `stamp`.

        Raises TransformUnavailableError.
        """
        if target_frame == source_frame:
            return np.eye(4)
        buffer = self._buffer
        if buffer is None:
            raise TransformUnavailableError(
                f"no transform from {source_frame!r} to {target_frame!r}: {self._unavailable}"
            )
        import tf2_ros

        try:
            found = buffer.lookup_transform(target_frame, source_frame, RclpyTime.from_msg(stamp))
        except tf2_ros.TransformException as error:
            raise TransformUnavailableError(
                f"no transform from {source_frame!r} to {target_frame!r}: {error}"
            ) from error
        return matrix_of(found)

    def reset(self) -> None:
        """Drop all transforms, because the stamps jumped back.

        To clear the buffer is not enough: after a late message from before the jump, tf2 ignores all older transforms.
        """
        if self._buffer is not None:
            self.close()
            self.open()

    def close(self) -> None:
        """Unsubscribe."""
        if self._buffer is None:
            return
        self._listener.unregister()
        close_buffer(self._node, self._buffer)
        self._buffer = self._listener = None


def matrix_of(transform: TransformStamped) -> np.ndarray:
    """(4, 4) float64 of a transform message."""
    rotation, translation = transform.transform.rotation, transform.transform.translation
    matrix = np.eye(4)
    matrix[:3, :3] = Rotation.from_quat([rotation.x, rotation.y, rotation.z, rotation.w]).as_matrix()
    matrix[:3, 3] = translation.x, translation.y, translation.z
    return matrix
