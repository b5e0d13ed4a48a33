"""Reads depth and intrinsics from sensor_msgs/Image and CameraInfo, without ROS and without copies.

Sources: REP 118, sensor_msgs/msg/CameraInfo.msg.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sam2_ros.depth.lifting import DepthImage, Intrinsics, LiftingError
from sam2_ros.media.ros_encodings import PixelLayout
from sam2_ros.media.ros_images import pixel_view

_REGISTERED = "remap `depth` to depth that is registered (aligned) to the image"
_MILLIMETRES = PixelLayout("u2", 1)
_LAYOUTS = {
    "32FC1": PixelLayout("f4", 1),
    "16UC1": _MILLIMETRES,
    "mono16": _MILLIMETRES,
}  # as in depth_image_proc
_MAX_SIZES = 4

Size = tuple[int, int]  # (H, W) pixels


class CameraInfos:
    """The newest sensor_msgs/CameraInfo for each image size; a calibration is valid until the next, whatever its stamp.

    One thread adds, any thread reads.
    """

    def __init__(self) -> None:
        self._by_size: dict[Size, Any] = {}  # oldest first; replaced, never modified

    def add(self, info: Any) -> None:
        """Replace an older one for the same size."""
        size = image_size_of(info)
        others = [item for item in self._by_size.items() if item[0] != size]
        self._by_size = dict([*others, (size, info)][-_MAX_SIZES:])

    @property
    def is_empty(self) -> bool:
        """Whether none was received yet."""
        return not self._by_size

    def for_size(self, size: Size) -> Any | None:
        """The newest for this size, else the newest without a size, else the newest; None: none was received."""
        infos = self._by_size
        return infos.get(size) or infos.get((0, 0)) or next(reversed(infos.values()), None)


@dataclass
class PendingDepth:
    """The depth of one image, which may be received later than the image, or never."""

    header: Any  # of the image
    infos: CameraInfos
    depth: Any | None = None  # sensor_msgs/Image, once it is received
    is_missed: bool = False  # the image's results were published without it

    @property
    def is_exact(self) -> bool:
        """Whether depth and image have equal stamps."""
        return self.depth is not None and self.depth.header.stamp == self.header.stamp

    def read(self, size: Size) -> DepthImage | None:
        """For an image of `size` (H, W); None where depth or camera_info is not received yet.

        Raises LiftingError and ImageError where one of them is invalid.
        """
        depth, info = self.depth, self.infos.for_size(size)
        if depth is None or info is None:
            self.is_missed = True
            return None
        layout = _LAYOUTS.get(depth.encoding)
        if layout is None:
            raise LiftingError(
                f"depth has encoding {depth.encoding!r}, expected 32FC1 (metres), 16UC1 or mono16 (millimetres)"
            )
        if (depth.height, depth.width) != size:
            raise LiftingError(
                f"depth is {_text((depth.height, depth.width))} pixels, the image {_text(size)}: {_REGISTERED}"
            )
        if depth.header.frame_id != self.header.frame_id:
            raise LiftingError(
                f"depth has frame_id {depth.header.frame_id!r}, the image {self.header.frame_id!r}: "
                f"{_REGISTERED}, or correct the driver's frame_id"
            )
        return DepthImage(pixel_view(depth, layout), intrinsics_of(info, size))


def image_size_of(info: Any) -> Size:
    """(H, W) of the images of a camera_info, with its roi and binning; (0, 0) where it has no size."""
    bin_x, bin_y = _binning(info)
    return (info.roi.height or info.height) // bin_y, (info.roi.width or info.width) // bin_x


def intrinsics_of(info: Any, size: Size) -> Intrinsics:
    """Intrinsics of the rectified image (P), or of the raw image (K) where P is empty, with roi and binning applied.

    A camera_info without a size is valid for every image that contains the principal point. Raises LiftingError.
    """
    _check_size(info, size)
    bin_x, bin_y = _binning(info)
    fx, fy, cx, cy = info.p[[0, 5, 2, 6]] if info.p[0] else info.k[[0, 4, 2, 5]]
    found = Intrinsics(
        fx=float(fx / bin_x),
        fy=float(fy / bin_y),
        cx=float((cx - info.roi.x_offset) / bin_x),
        cy=float((cy - info.roi.y_offset) / bin_y),
    )
    if image_size_of(info) == (0, 0) and not (0 < found.cx < size[1] and 0 < found.cy < size[0]):
        raise LiftingError(
            f"camera_info has no width and height, and its principal point ({found.cx:g}, {found.cy:g}) is outside the "
            f"image of {_text(size)}: set width and height in camera_info, or calibrate for this size"
        )
    return found


def _check_size(info: Any, size: Size) -> None:
    """Raises LiftingError for a camera_info of another image size."""
    found = image_size_of(info)
    if found in (size, (0, 0)):
        return
    parts, fields = [], []
    if info.roi.width or info.roi.height:
        parts.append(f"roi {info.roi.width}x{info.roi.height} at ({info.roi.x_offset}, {info.roi.y_offset})")
        fields.append("roi")
    if max(_binning(info)) > 1:
        parts.append(f"binning {info.binning_x}x{info.binning_y}")
        fields.append("binning")
    if not parts:
        raise LiftingError(
            f"camera_info is for {_text(found)} pixels, the image is {_text(size)}: remap `camera_info` to the "
            "image's, or calibrate the camera for this size"
        )
    raise LiftingError(
        f"camera_info is for {_text((info.height, info.width))} pixels with {' and '.join(parts)}, which gives "
        f"{_text(found)}; the image is {_text(size)}: let the driver correct {' and '.join(fields)} in camera_info"
    )


def _binning(info: Any) -> tuple[int, int]:
    """Along x and y; 0 in the message means 1."""
    return max(1, info.binning_x), max(1, info.binning_y)


def _text(size: Size) -> str:
    return f"{size[1]}x{size[0]}"
