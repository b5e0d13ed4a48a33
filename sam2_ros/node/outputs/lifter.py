"""Lifts the masks of an image to 3-D surfaces in the parameter `target_frame`."""

from __future__ import annotations

from typing import Any

from std_msgs.msg import Header

from sam2_ros.depth.lifting import DepthImage, LiftingError, lift
from sam2_ros.media.ros_encodings import ImageError
from sam2_ros.node.inputs.transforms import Transforms, TransformUnavailable
from sam2_ros.node.log import THROTTLE_PERIOD
from sam2_ros.node.statistics import Statistics
from sam2_ros.node.types import LiftedObjects, TrackingOutput


class Lifter:
    """Where lifting fails, the reason is logged and reported in diagnostics, and tracking continues."""

    def __init__(self, target_frame: str, transforms: Transforms, statistics: Statistics, logger: Any) -> None:
        self._target_frame = target_frame
        self._transforms = transforms
        self._statistics = statistics
        self._logger = logger

    def depth(self, output: TrackingOutput) -> DepthImage | None:
        """The depth of an image; None where it is missing or invalid."""
        pending = output.image.depth
        if pending is None:
            return None
        try:
            depth = pending.read(output.result.size)
        except (ImageError, LiftingError) as error:
            self._warn(f"invalid depth, tracking continues in 2-D: {error}")
            return None
        self._statistics.depth_warning = ""
        return depth

    def lift(self, output: TrackingOutput, depth: DepthImage) -> LiftedObjects | None:
        """The visible objects' surfaces; None without a transform to `target_frame` at the image's stamp."""
        header = output.image.header
        frame_id = self._target_frame or header.frame_id
        try:
            matrix = self._transforms.lookup(frame_id, header.frame_id, header.stamp)
        except TransformUnavailable as error:
            self._warn(f"no positions: {error}")
            return None
        found = {track.id: lift(track.mask, depth) for track in output.result.tracks}
        surfaces = {track_id: surface for track_id, surface in found.items() if surface is not None}
        if frame_id != header.frame_id:
            surfaces = {track_id: surface.transformed(matrix) for track_id, surface in surfaces.items()}
        return LiftedObjects(Header(stamp=header.stamp, frame_id=frame_id), surfaces)

    def _warn(self, reason: str) -> None:
        self._statistics.depth_warning = reason
        self._logger.warning(reason, throttle_duration_sec=THROTTLE_PERIOD)
