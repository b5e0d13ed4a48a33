"""From sensor_msgs/Image and CameraInfo to depth that masks can be lifted with, without ROS and without copies.

Sources: REP 118, sensor_msgs/msg/CameraInfo.msg.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sam2_ros.depth.lifting import DepthImage, Intrinsics, LiftingError
from sam2_ros.node.image_conversion import Layout, view_of

_REGISTERED = "remap `depth` to depth that is registered (aligned) to the image"
_LAYOUTS = {"32FC1": Layout("f4", 1), "16UC1": Layout("u2", 1)}


@dataclass
class AwaitedDepth:
    """The depth of one image, which may come later than the image, or never."""

    header: Any  # of the image
    found: tuple[Any, Any] | None = None  # sensor_msgs/Image and CameraInfo, once they are here
    is_missed: bool = False  # the image's results had to do without it

    @property
    def is_exact(self) -> bool:
        """Whether all of it was measured at once."""
        return self.found is not None and all(part.header.stamp == self.header.stamp for part in self.found)

    def read(self, size: tuple[int, int]) -> DepthImage | None:
        """For an image of `size` (H, W); None where it is not here yet.

        Raises LiftingError and ImageError where it cannot be used.
        """
        if self.found is None:
            self.is_missed = True
            return None
        depth, info = self.found
        layout = _LAYOUTS.get(depth.encoding)
        if layout is None:
            raise LiftingError(
                f"the encoding of depth is {depth.encoding!r}, expected 32FC1 (metres) or 16UC1 (millimetres)"
            )
        _check_size("depth", (depth.height, depth.width), size, _REGISTERED)
        if depth.header.frame_id != self.header.frame_id:
            raise LiftingError(
                f"depth is in the frame {depth.header.frame_id!r}, the image in {self.header.frame_id!r}: "
                f"{_REGISTERED}, or correct the driver's frame_id"
            )
        return DepthImage(view_of(depth, layout), intrinsics_of(info, size))


def _check_size(what: str, found: tuple[int, int], expected: tuple[int, int], advice: str) -> None:
    if found != expected:
        raise LiftingError(
            f"{what} is of {found[1]}x{found[0]} pixels, the image of {expected[1]}x{expected[0]}: {advice}"
        )


def intrinsics_of(info: Any, size: tuple[int, int]) -> Intrinsics:
    """Of the rectified image (P), or of the raw one (K) where P is not filled, less region and binning.

    A camera_info without a size is taken to be of the image's.
    """
    bin_x, bin_y = max(1, info.binning_x), max(1, info.binning_y)
    width, height = info.roi.width or info.width, info.roi.height or info.height
    if width and height:
        found = height // bin_y, width // bin_x
        _check_size("camera_info", found, size, "remap `camera_info` to that of the image")
    fx, fy, cx, cy = info.p[[0, 5, 2, 6]] if info.p[0] else info.k[[0, 4, 2, 5]]
    return Intrinsics(
        fx=float(fx / bin_x),
        fy=float(fy / bin_y),
        cx=float((cx - info.roi.x_offset) / bin_x),
        cy=float((cy - info.roi.y_offset) / bin_y),
    )
