"""Where frames of reference are to each other, from tf2, as matrices. Runs without tf2_ros, and then knows no frame."""

from __future__ import annotations

from typing import Any

import numpy as np
from builtin_interfaces.msg import Time
from geometry_msgs.msg import TransformStamped
from rclpy.node import Node
from rclpy.time import Time as RclpyTime
from scipy.spatial.transform import Rotation

_PACKAGE = "tf2_ros"


class TransformUnavailable(RuntimeError):
    """Two frames of which tf2 does not know how they lie; the message says what it misses."""


class Transforms:
    """Listens to /tf and /tf_static from `open` to `close`; look-ups never wait, and are allowed on any thread."""

    def __init__(self, node: Node) -> None:
        self._node = node
        self._buffer: Any = None  # tf2_ros.Buffer, while open
        self._listener: Any = None
        self._problem = "nobody listens to /tf yet"

    def open(self) -> None:
        """Starts to listen, on the executor's thread; once is enough for all who look up."""
        if self._buffer is not None:
            return
        try:
            import tf2_ros
        except ImportError as error:
            self._problem = f"the ROS package {_PACKAGE} cannot be imported ({error})"
            return
        self._buffer = tf2_ros.Buffer(node=self._node)  # forgets when the node's clock is set back
        self._listener = tf2_ros.TransformListener(self._buffer, self._node)

    def lookup(self, target_frame: str, source_frame: str, stamp: Time) -> np.ndarray:
        """(4, 4) float64 that takes points of `source_frame` to `target_frame` as they lay at `stamp`.

        Raises TransformUnavailable.
        """
        if target_frame == source_frame:
            return np.eye(4)
        buffer = self._buffer
        if buffer is None:
            raise TransformUnavailable(f"no transform from {source_frame!r} to {target_frame!r}: {self._problem}")
        import tf2_ros

        try:
            found = buffer.lookup_transform(target_frame, source_frame, RclpyTime.from_msg(stamp))
        except tf2_ros.TransformException as error:
            raise TransformUnavailable(f"no transform from {source_frame!r} to {target_frame!r}: {error}") from error
        return matrix_of(found)

    def restart(self) -> None:
        """Starts afresh, because stamps went back.

        To empty the buffer is not enough: by a message that was sent before and comes after, tf2 refuses what is older.
        """
        if self._buffer is not None:
            self.close()
            self.open()

    def close(self) -> None:
        """Stops to listen."""
        if self._buffer is None:
            return
        self._listener.unregister()
        self._node.destroy_service(self._buffer.srv)
        self._buffer.jump_handle.unregister()
        self._buffer = self._listener = None


def matrix_of(transform: TransformStamped) -> np.ndarray:
    """(4, 4) float64"""
    rotation, translation = transform.transform.rotation, transform.transform.translation
    matrix = np.eye(4)
    matrix[:3, :3] = Rotation.from_quat([rotation.x, rotation.y, rotation.z, rotation.w]).as_matrix()
    matrix[:3, 3] = translation.x, translation.y, translation.z
    return matrix
