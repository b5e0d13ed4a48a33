"""The tree of frames, in which transforms are looked up."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce

import numpy as np
from geometry_msgs.msg import Quaternion, TransformStamped, Vector3
from rclpy.clock import JumpThreshold
from rclpy.duration import Duration
from rclpy.node import Node
from rclpy.time import Time
from scipy.spatial.transform import Rotation
from tf2_msgs.srv import FrameGraph

from .frames import ConnectivityException, ExtrapolationException, Frame, LookupException, Pose


@dataclass(frozen=True)
class Link:
    """From a frame to its parent."""

    pose: Pose
    is_static: bool


class Buffer:
    """The poses of the last ten seconds of stamps; cleared when the clock of `node` jumps back."""

    def __init__(self, *, node: Node) -> None:
        self._frames: dict[str, Frame] = {}  # those with a parent
        self._names: set[str] = set()  # those and their parents
        self._lock = threading.Lock()
        self.srv = node.create_service(FrameGraph, "tf2_frames", self._on_frames)
        back = JumpThreshold(min_forward=None, min_backward=Duration(seconds=-1), on_clock_change=True)
        self.jump_handle = node.get_clock().create_jump_callback(back, post_callback=lambda jump: self.clear())

    def clear(self) -> None:
        """Drop all poses except static ones."""
        with self._lock:
            for frame in self._frames.values():
                frame.clear()

    def set_transform(self, transform: TransformStamped, authority: str) -> None:
        """Add the pose of a frame; an invalid one is ignored."""
        self._set(transform, is_static=False)

    def set_transform_static(self, transform: TransformStamped, authority: str) -> None:
        """Set the pose of a frame for every stamp; an invalid one is ignored."""
        self._set(transform, is_static=True)

    def _set(self, transform: TransformStamped, is_static: bool) -> None:
        if not _is_valid(transform):
            return
        name = transform.child_frame_id
        with self._lock:
            if name not in self._frames or self._frames[name].is_static != is_static:
                self._frames[name] = Frame(is_static)
            self._frames[name].insert(Pose.from_message(transform))
            self._names |= {name, transform.header.frame_id}

    def lookup_transform(self, target_frame: str, source_frame: str, time: Time) -> TransformStamped:
        """From `source_frame` to `target_frame`; time 0: the newest at which it is available.

        Raises LookupException, ConnectivityException and ExtrapolationException.
        """
        with self._lock:
            for name in (target_frame, source_frame):
                if name not in self._names:
                    raise LookupException(f'frame "{name}" does not exist')
            stamp = time.nanoseconds or self._newest_common_stamp(target_frame, source_frame)
            from_target, from_source = self._connect(target_frame, source_frame, stamp)
        return _message(np.linalg.inv(_matrix(from_target)) @ _matrix(from_source), stamp, target_frame, source_frame)

    def _newest_common_stamp(self, target: str, source: str) -> int:
        """0 where there are only static poses between the frames."""
        stamps = [link.pose.stamp for links in self._connect(target, source) for link in links if not link.is_static]
        return min(stamps, default=0)

    def _connect(self, target: str, source: str, stamp: int | None = None) -> tuple[list[Link], list[Link]]:
        """The links from each of two frames to the first one above both, with the newest poses or those at a stamp."""
        (from_target, target_error), (from_source, source_error) = (
            self._climb(target, stamp),
            self._climb(source, stamp),
        )
        targets, sources = (
            [name, *(link.pose.parent for link in links)]
            for name, links in ((target, from_target), (source, from_source))
        )
        common = next((name for name in targets if name in sources), None)
        if common is None:
            reason = f'"{target}" and "{source}" are not in one tree'
            raise source_error or target_error or ConnectivityException(reason)
        return from_target[: targets.index(common)], from_source[: sources.index(common)]

    def _climb(self, name: str, stamp: int | None) -> tuple[list[Link], ExtrapolationException | None]:
        """The links from a frame to the root, or to one without a pose at the stamp, and the reason for that."""
        links: list[Link] = []
        while frame := self._frames.get(name):
            try:
                pose = frame.newest if stamp is None else frame.at(stamp)
            except ExtrapolationException as error:
                return links, error
            links.append(Link(pose, frame.is_static))
            name = pose.parent
        return links, None

    def _on_frames(self, request: FrameGraph.Request, response: FrameGraph.Response) -> FrameGraph.Response:
        with self._lock:
            parents = {name: frame.newest.parent for name, frame in self._frames.items() if not frame.is_empty}
        response.frame_yaml = "".join(f"{name}:\n  parent: '{parent}'\n" for name, parent in parents.items())
        return response


def _matrix(links: Sequence[Link]) -> np.ndarray:
    """(4, 4), from the first link's frame to the last one's parent."""
    return reduce(lambda matrix, link: link.pose.matrix @ matrix, links, np.eye(4))


def _is_valid(transform: TransformStamped) -> bool:
    """Whether it is between two frames, finite, and has a rotation."""
    position, turn = transform.transform.translation, transform.transform.rotation
    names = {transform.header.frame_id, transform.child_frame_id}
    quaternion = np.array([turn.x, turn.y, turn.z, turn.w])
    return (
        len(names - {""}) == 2
        and bool(np.isfinite([position.x, position.y, position.z]).all())
        and quaternion @ quaternion > 0.0
    )


def _message(matrix: np.ndarray, stamp: int, target: str, source: str) -> TransformStamped:
    message = TransformStamped(child_frame_id=source)
    message.header.frame_id, message.header.stamp = target, Time(nanoseconds=stamp).to_msg()
    x, y, z, w = Rotation.from_matrix(matrix[:3, :3]).as_quat()
    message.transform.rotation = Quaternion(x=x, y=y, z=z, w=w)
    message.transform.translation = Vector3(**dict(zip("xyz", matrix[:3, 3], strict=True)))
    return message
