"""From sensor_msgs/Image and CameraInfo to depth that masks can be lifted with, without ROS and without copies.

Sources: REP 118, sensor_msgs/msg/CameraInfo.msg.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sam2_ros.depth.lifting import DepthImage, Intrinsics, LiftingError
from sam2_ros.media.ros_images import Layout, view_of

_REGISTERED = "remap `depth` to depth that is registered (aligned) to the image"
_MILLIMETRES = Layout("u2", 1)
_LAYOUTS = {"32FC1": Layout("f4", 1), "16UC1": _MILLIMETRES, "mono16": _MILLIMETRES}  # as depth_image_proc reads them
_SIZES_KEPT = 4

Size = tuple[int, int]  # (H, W) pixels


class CameraInfos:
    """The newest sensor_msgs/CameraInfo for each image size. Stamps do not matter: a calibration holds until the next.

    One thread adds, any thread reads.
    """

    def __init__(self) -> None:
        self._by_size: dict[Size, Any] = {}  # oldest first; replaced, never changed

    def add(self, info: Any) -> None:
        """Replaces an older one for the same size."""
        size = image_size_of(info)
        others = [item for item in self._by_size.items() if item[0] != size]
        self._by_size = dict([*others, (size, info)][-_SIZES_KEPT:])

    @property
    def is_empty(self) -> bool:
        """Whether none has come yet."""
        return not self._by_size

    def for_size(self, size: Size) -> Any | None:
        """The newest for this size, else for no stated size, else the newest; None: there is none yet."""
        infos = self._by_size
        return infos.get(size) or infos.get((0, 0)) or next(reversed(infos.values()), None)


@dataclass
class PendingDepth:
    """The depth of one image, which may come later than the image, or never."""

    header: Any  # of the image
    infos: CameraInfos
    depth: Any | None = None  # sensor_msgs/Image, once it is here
    is_missed: bool = False  # the image's results had to do without it

    @property
    def is_exact(self) -> bool:
        """Whether depth and image have the same stamp."""
        return self.depth is not None and self.depth.header.stamp == self.header.stamp

    def read(self, size: Size) -> DepthImage | None:
        """For an image of `size` (H, W); None where depth or camera_info is not here yet.

        Raises LiftingError and ImageError where one of them cannot be used.
        """
        depth, info = self.depth, self.infos.for_size(size)
        if depth is None or info is None:
            self.is_missed = True
            return None
        layout = _LAYOUTS.get(depth.encoding)
        if layout is None:
            raise LiftingError(
                f"the encoding of depth is {depth.encoding!r}, expected 32FC1 (metres), 16UC1 or mono16 (millimetres)"
            )
        if (depth.height, depth.width) != size:
            raise LiftingError(
                f"depth is of {_text((depth.height, depth.width))} pixels, the image of {_text(size)}: {_REGISTERED}"
            )
        if depth.header.frame_id != self.header.frame_id:
            raise LiftingError(
                f"depth is in the frame {depth.header.frame_id!r}, the image in {self.header.frame_id!r}: "
                f"{_REGISTERED}, or correct the driver's frame_id"
            )
        return DepthImage(view_of(depth, layout), intrinsics_of(info, size))


def image_size_of(info: Any) -> Size:
    """(H, W) of the images that a camera_info is for, with its roi and binning; (0, 0) where it does not say."""
    bin_x, bin_y = _binning(info)
    return (info.roi.height or info.height) // bin_y, (info.roi.width or info.width) // bin_x


def intrinsics_of(info: Any, size: Size) -> Intrinsics:
    """Of the rectified image (P), or of the raw one (K) where P is not filled, with roi and binning applied.

    A camera_info without a size counts for every image that has the principal point inside. Raises LiftingError.
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
            f"image of {_text(size)}: set the size of the calibration in camera_info, or calibrate for this size"
        )
    return found


def _check_size(info: Any, size: Size) -> None:
    """Raises LiftingError where a camera_info is for images of another size."""
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
            f"camera_info is for {_text(found)} pixels, the image is {_text(size)}: remap `camera_info` to that of the "
            "image, or calibrate the camera for this size"
        )
    raise LiftingError(
        f"camera_info is for {_text((info.height, info.width))} pixels with {' and '.join(parts)}, which gives "
        f"{_text(found)}; the image is {_text(size)}: let the driver correct {' and '.join(fields)} in camera_info"
    )


def _binning(info: Any) -> tuple[int, int]:
    """Along x and y; 0 means none."""
    return max(1, info.binning_x), max(1, info.binning_y)


def _text(size: Size) -> str:
    return f"{size[1]}x{size[0]}"
