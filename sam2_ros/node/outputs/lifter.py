"""From what was tracked on an image and its depth to surfaces in the frame of reference that the user asked for."""

from __future__ import annotations

from typing import Any

from std_msgs.msg import Header

from sam2_ros.depth.lifting import DepthImage, LiftingError, lift
from sam2_ros.media.ros_images import ImageError
from sam2_ros.node.inputs.transforms import Transforms, TransformUnavailable
from sam2_ros.node.log import REPEAT
from sam2_ros.node.statistics import Statistics
from sam2_ros.node.types import LiftedObjects, TrackingOutput


class Lifter:
    """What cannot be lifted is complained about, and everything else goes on."""

    def __init__(self, target_frame: str, transforms: Transforms, statistics: Statistics, logger: Any) -> None:
        self._target_frame = target_frame
        self._transforms = transforms
        self._statistics = statistics
        self._logger = logger

    def depth(self, output: TrackingOutput) -> DepthImage | None:
        """The depth of an image; None where there is none, or none that can be used."""
        awaited = output.image.depth
        if awaited is None:
            return None
        try:
            depth = awaited.read(output.result.size)
        except (ImageError, LiftingError) as error:
            self._complain(f"depth cannot be used, tracking continues in 2-D: {error}")
            return None
        self._statistics.depth_problem = ""
        return depth

    def lift(self, output: TrackingOutput, depth: DepthImage) -> LiftedObjects | None:
        """The visible objects' surfaces; None where it is unknown how `target_frame` lay at the image's stamp."""
        header = output.image.header
        frame_id = self._target_frame or header.frame_id
        try:
            matrix = self._transforms.lookup(frame_id, header.frame_id, header.stamp)
        except TransformUnavailable as error:
            self._complain(f"no positions for an image: {error}")
            return None
        found = {track.id: lift(track.mask, depth) for track in output.result.tracks}
        surfaces = {track_id: surface for track_id, surface in found.items() if surface is not None}
        if frame_id != header.frame_id:
            surfaces = {track_id: surface.transformed(matrix) for track_id, surface in surfaces.items()}
        return LiftedObjects(Header(stamp=header.stamp, frame_id=frame_id), surfaces)

    def _complain(self, reason: str) -> None:
        self._statistics.depth_problem = reason
        self._logger.warning(reason, throttle_duration_sec=REPEAT)
