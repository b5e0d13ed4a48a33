"""From ROS images to RGB arrays, without ROS and without copies where the memory allows it.

Messages are only read by their fields, so anything shaped like sensor_msgs/Image or CompressedImage will do.
Sources: sensor_msgs/msg/Image.msg and sensor_msgs/image_encodings.hpp.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

import cv2
import numpy as np

Convert = Callable[[np.ndarray], np.ndarray]

_JPEG_START, _JPEG_END = b"\xff\xd8", b"\xff\xd9"
_JPEG_PADDING = 1024  # bytes that some cameras send behind the end of a JPEG


class ImageError(ValueError):
    """An image message that cannot be read; the message says why and what to do."""


def _as_is(pixels: np.ndarray) -> np.ndarray:
    return pixels


@dataclass(frozen=True)
class Layout:
    """How the pixels of one encoding lie in memory, and how they become RGB."""

    sample: str  # NumPy type of one sample, without its byte order
    samples: int  # per pixel
    convert: Convert = _as_is

    @property
    def pixel(self) -> int:
        """Bytes per pixel."""
        return self.samples * np.dtype(self.sample).itemsize


def to_rgb(message: Any) -> np.ndarray:
    """The image as (H, W, 3) uint8, from sensor_msgs/Image or CompressedImage.

    rgb8 comes back as a view of the message's memory. 16-bit intensities (mono16, bayer) lose their low byte;
    16UC1 and 32FC1 have no fixed range and are stretched between their smallest and largest value.

    Raises ImageError.
    """
    if hasattr(message, "format"):
        return _decompress(message)
    layout = _LAYOUTS.get(message.encoding)
    if layout is None:
        return _through_cv_bridge(message)
    return layout.convert(view_of(message, layout))


def view_of(message: Any, layout: Layout) -> np.ndarray:
    """The message's memory as (H, W) or (H, W, samples), rows `step` bytes apart. Raises ImageError."""
    height, width, step = message.height, message.width, message.step
    if not height or not width:
        raise ImageError(f"the image is {width}x{height} pixels, expected at least 1x1: check the camera driver")
    if step < width * layout.pixel:
        raise ImageError(
            f"step is {step} bytes, expected at least {width * layout.pixel} for {width} pixels of "
            f"{message.encoding}: the driver must set step to the bytes of a row, or correct encoding"
        )
    data = np.frombuffer(message.data, np.uint8)
    if data.size < step * height:
        raise ImageError(
            f"data has {data.size} bytes, expected step * height = {step} * {height} = {step * height}: "
            "the image was cut off, or its driver fills height or step wrongly"
        )
    sample = np.dtype(layout.sample).newbyteorder(">" if message.is_bigendian else "<")
    view = np.ndarray((height, width, layout.samples), sample, data, strides=(step, layout.pixel, sample.itemsize))
    return view[..., 0] if layout.samples == 1 else view


def _by_opencv(code: int) -> Convert:
    def convert(pixels: np.ndarray) -> np.ndarray:
        return cv2.cvtColor(pixels, code)

    return convert


def _by_opencv_in_pairs(code: int) -> Convert:
    """For formats in which two neighbouring pixels share their colour."""

    def convert(pixels: np.ndarray) -> np.ndarray:
        if pixels.shape[1] % 2:
            raise ImageError(
                f"the width is {pixels.shape[1]} pixels, expected an even one: YUV 4:2:2 stores pairs of "
                "pixels, let the driver send another width or encoding"
            )
        return cv2.cvtColor(pixels, code)

    return convert


def _high_byte(then: Convert) -> Convert:
    def convert(pixels: np.ndarray) -> np.ndarray:
        return then((pixels >> 8).astype(np.uint8))

    return convert


def _stretched(pixels: np.ndarray) -> np.ndarray:
    """Grey between the smallest and the largest finite value; what is not finite is black."""
    values = pixels.astype(np.float32)
    finite = np.isfinite(values)
    if not finite.any():
        return np.zeros((*values.shape, 3), np.uint8)
    low = values[finite].min()
    spread = values[finite].max() - low or 1.0
    grey = np.where(finite, values - low, 0.0) * (255.0 / spread)
    return _grey_to_rgb(grey.astype(np.uint8))


_grey_to_rgb = _by_opencv(cv2.COLOR_GRAY2RGB)

_LAYOUTS = {
    "rgb8": Layout("u1", 3),
    "bgr8": Layout("u1", 3, _by_opencv(cv2.COLOR_BGR2RGB)),
    "8UC3": Layout("u1", 3, _by_opencv(cv2.COLOR_BGR2RGB)),  # OpenCV's own order
    "rgba8": Layout("u1", 4, _by_opencv(cv2.COLOR_RGBA2RGB)),
    "bgra8": Layout("u1", 4, _by_opencv(cv2.COLOR_BGRA2RGB)),
    "mono8": Layout("u1", 1, _grey_to_rgb),
    "8UC1": Layout("u1", 1, _grey_to_rgb),
    "mono16": Layout("u2", 1, _high_byte(_grey_to_rgb)),
    "16UC1": Layout("u2", 1, _stretched),
    "32FC1": Layout("f4", 1, _stretched),
    "yuv422": Layout("u1", 2, _by_opencv_in_pairs(cv2.COLOR_YUV2RGB_UYVY)),
    "uyvy": Layout("u1", 2, _by_opencv_in_pairs(cv2.COLOR_YUV2RGB_UYVY)),
    "yuv422_yuy2": Layout("u1", 2, _by_opencv_in_pairs(cv2.COLOR_YUV2RGB_YUY2)),
    "yuyv": Layout("u1", 2, _by_opencv_in_pairs(cv2.COLOR_YUV2RGB_YUY2)),
}

# ROS names the pattern by its first two rows, OpenCV by the second and third pixel of the second row.
for _pattern, _code in {
    "rggb": cv2.COLOR_BayerBG2RGB,
    "bggr": cv2.COLOR_BayerRG2RGB,
    "gbrg": cv2.COLOR_BayerGR2RGB,
    "grbg": cv2.COLOR_BayerGB2RGB,
}.items():
    _LAYOUTS[f"bayer_{_pattern}8"] = Layout("u1", 1, _by_opencv(_code))
    _LAYOUTS[f"bayer_{_pattern}16"] = Layout("u2", 1, _high_byte(_by_opencv(_code)))


def _decompress(message: Any) -> np.ndarray:
    data = np.frombuffer(message.data, np.uint8)
    if not data.size:
        raise ImageError("the compressed image has 0 bytes, expected a JPEG or PNG: check the camera driver")
    if data[:2].tobytes() == _JPEG_START and _JPEG_END not in data[-_JPEG_PADDING:].tobytes():
        raise ImageError(f"the JPEG of {data.size} bytes is cut off before its end marker: was the message truncated?")
    bgr = cv2.imdecode(data, cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION)
    if bgr is None:
        raise ImageError(
            f"the compressed image ({data.size} bytes, format {message.format!r}) cannot be decoded, "
            "expected a JPEG or PNG: it is corrupt, or comes from another transport than `compressed`"
        )
    return cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB)


def _through_cv_bridge(message: Any) -> np.ndarray:
    known = ", ".join(_LAYOUTS)
    advice = f"let the driver send one of {known}"
    try:
        bridge = _cv_bridge()
    except Exception as error:  # built against NumPy 1 it fails in several ways, not only with ImportError
        raise ImageError(
            f"the encoding {message.encoding!r} is unknown, and cv_bridge, which may know it, does not "
            f"import ({type(error).__name__}: {error}): {advice}, or install "
            f"a cv_bridge for NumPy {np.__version__}"
        ) from error
    try:
        return bridge.imgmsg_to_cv2(message, "rgb8")
    except Exception as error:
        raise ImageError(
            f"the encoding {message.encoding!r} is unknown, to cv_bridge too ({error}): {advice}"
        ) from error


@cache
def _cv_bridge() -> Any:
    from cv_bridge import CvBridge

    return CvBridge()
