"""How the pixels of each sensor_msgs/Image encoding are stored, and how they are converted to RGB.

Source: sensor_msgs/image_encodings.hpp.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np

Convert = Callable[[np.ndarray], np.ndarray]


class ImageError(ValueError):
    """An image message that is invalid or unsupported; the message says why and what to do."""


def _identity(pixels: np.ndarray) -> np.ndarray:
    return pixels


@dataclass(frozen=True)
class PixelLayout:
    """Memory layout of a pixel, and its conversion to RGB."""

    sample: str  # NumPy type of one sample, without its byte order
    samples: int  # per pixel
    convert: Convert = _identity  # from uint8
    has_range: bool = True  # whether black is 0 and white the largest value of the sample type

    @property
    def pixel(self) -> int:
        """Bytes per pixel."""
        return self.samples * np.dtype(self.sample).itemsize


def _cvt_color(code: int) -> Convert:
    def convert(pixels: np.ndarray) -> np.ndarray:
        rgb: np.ndarray = cv2.cvtColor(pixels, code)
        return rgb

    return convert


def _cvt_color_422(code: int) -> Convert:
    """For YUV 4:2:2, in which two neighbouring pixels share their colour."""

    def convert(pixels: np.ndarray) -> np.ndarray:
        if pixels.shape[1] % 2:
            raise ImageError(
                f"the width is {pixels.shape[1]} pixels, expected an even one: YUV 4:2:2 stores pairs of "
                "pixels, let the driver publish another width or encoding"
            )
        rgb: np.ndarray = cv2.cvtColor(pixels, code)
        return rgb

    return convert


SAMPLE_TYPES = {"U": "u", "S": "i", "F": "f"}  # OpenCV's and NumPy's letter of a sample type

_grey_to_rgb = _cvt_color(cv2.COLOR_GRAY2RGB)
_bgr_to_rgb = _cvt_color(cv2.COLOR_BGR2RGB)
_rgba_to_rgb = _cvt_color(cv2.COLOR_RGBA2RGB)
_bgra_to_rgb = _cvt_color(cv2.COLOR_BGRA2RGB)

# One sample per channel for each pixel. Types without a colour order (8UC3) are BGR, as in OpenCV.
CHANNEL_LAYOUTS = {
    "rgb8": PixelLayout("u1", 3),
    "bgr8": PixelLayout("u1", 3, _bgr_to_rgb),
    "8UC3": PixelLayout("u1", 3, _bgr_to_rgb),
    "rgba8": PixelLayout("u1", 4, _rgba_to_rgb),
    "bgra8": PixelLayout("u1", 4, _bgra_to_rgb),
    "8UC4": PixelLayout("u1", 4, _bgra_to_rgb),
    "mono8": PixelLayout("u1", 1, _grey_to_rgb),
    "8UC1": PixelLayout("u1", 1, _grey_to_rgb),
    "rgb16": PixelLayout("u2", 3),
    "bgr16": PixelLayout("u2", 3, _bgr_to_rgb),
    "16UC3": PixelLayout("u2", 3, _bgr_to_rgb),
    "rgba16": PixelLayout("u2", 4, _rgba_to_rgb),
    "bgra16": PixelLayout("u2", 4, _bgra_to_rgb),
    "16UC4": PixelLayout("u2", 4, _bgra_to_rgb),
    "mono16": PixelLayout("u2", 1, _grey_to_rgb),
    "16UC1": PixelLayout("u2", 1, _grey_to_rgb, has_range=False),
    "16SC1": PixelLayout("i2", 1, _grey_to_rgb, has_range=False),
    "32FC1": PixelLayout("f4", 1, _grey_to_rgb, has_range=False),
}

LAYOUTS = {
    **CHANNEL_LAYOUTS,
    "yuv422": PixelLayout("u1", 2, _cvt_color_422(cv2.COLOR_YUV2RGB_UYVY)),
    "uyvy": PixelLayout("u1", 2, _cvt_color_422(cv2.COLOR_YUV2RGB_UYVY)),
    "yuv422_yuy2": PixelLayout("u1", 2, _cvt_color_422(cv2.COLOR_YUV2RGB_YUY2)),
    "yuyv": PixelLayout("u1", 2, _cvt_color_422(cv2.COLOR_YUV2RGB_YUY2)),
}

# ROS names a Bayer pattern by its first two rows, OpenCV by the second and third pixel of the second row.
for _pattern, _code in {
    "rggb": cv2.COLOR_BayerBG2RGB,
    "bggr": cv2.COLOR_BayerRG2RGB,
    "gbrg": cv2.COLOR_BayerGR2RGB,
    "grbg": cv2.COLOR_BayerGB2RGB,
}.items():
    LAYOUTS[f"bayer_{_pattern}8"] = PixelLayout("u1", 1, _cvt_color(_code))
    LAYOUTS[f"bayer_{_pattern}16"] = PixelLayout("u2", 1, _cvt_color(_code))
