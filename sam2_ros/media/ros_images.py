"""Reads images from sensor_msgs/Image and CompressedImage, without ROS and without copies where that is possible.

Messages are only read by their fields, so any object with these fields is accepted.
Source: sensor_msgs/msg/Image.msg.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np

from sam2_ros.media.decoding import DecodeError, decode
from sam2_ros.media.dynamic_range import BitDepth, SteadyRange
from sam2_ros.media.ros_encodings import CHANNEL_LAYOUTS, LAYOUTS, SAMPLE_TYPES, ImageError, PixelLayout


class ImageConverter:
    """Converts the images of one stream to RGB; samples of more than 8 bits keep their scale from image to image."""

    def __init__(self, bit_depth: int = 0, warn: Callable[[str], Any] = lambda text: None) -> None:
        """`bit_depth` is that of 16-bit samples, 8 to 16; 0: detected. `warn` is called once for each change."""
        self._given_depth = bit_depth
        self._warn = warn
        self._format: tuple[Any, ...] = ()  # encoding and shape, for which depth and range are valid
        self._depth = BitDepth(bit_depth)
        self._range = SteadyRange()

    def to_rgb(self, message: Any) -> np.ndarray:
        """The image as (H, W, 3) uint8, from sensor_msgs/Image or CompressedImage.

        rgb8 comes back as a view of the message's memory. 16-bit images are scaled by the bits that they use; 16UC1 and
        32FC1 have no fixed range and are scaled from their minimum to their maximum. Raises ImageError.
        """
        if hasattr(message, "format"):
            encoding, pixels = _decompress(message)
        elif message.encoding in LAYOUTS:
            encoding, pixels = message.encoding, pixel_view(message, LAYOUTS[message.encoding])
        else:
            return _convert_with_cv_bridge(message)
        return LAYOUTS[encoding].convert(self._to_uint8(pixels, encoding))

    def _to_uint8(self, pixels: np.ndarray, encoding: str) -> np.ndarray:
        if pixels.dtype == np.uint8:
            return pixels
        if self._format != (encoding, pixels.shape):
            self._format = encoding, pixels.shape
            self._depth, self._range = BitDepth(self._given_depth), SteadyRange()
        if not LAYOUTS[encoding].has_range:
            return self._range.to_bytes(pixels)
        before = self._depth.needed
        scaled = self._depth.to_bytes(pixels)
        if self._depth.needed != before:
            self._warn_about_bit_depth(encoding, self._depth.needed)
        return scaled

    def _warn_about_bit_depth(self, encoding: str, needed: int) -> None:
        given = self._given_depth
        if given and needed > given:
            self._warn(f"{encoding} images have values of {needed} bits, image_bit_depth is {given}: set it to 0")
        elif given - needed > 2:
            self._warn(f"{encoding} images are dark: they use {needed} bits, image_bit_depth is {given}: set it to 0")
        elif not given and needed < 16:
            self._warn(
                f"{encoding} images use {needed} of 16 bits so far and are brightened accordingly; set image_bit_depth "
                "to the camera's if that is wrong"
            )


def to_rgb(message: Any) -> np.ndarray:
    """A single image as (H, W, 3) uint8, see `ImageConverter`. Raises ImageError."""
    return ImageConverter().to_rgb(message)


def raw_pixels(message: Any) -> np.ndarray:
    """The pixels of a sensor_msgs/Image, (H, W) or (H, W, channels); YUV and Bayer as RGB. Raises ImageError."""
    if opencv := re.fullmatch(r"(8|16|32|64)([USF])C([1-4])", message.encoding):
        bits, letter, channels = opencv.groups()
        return pixel_view(message, PixelLayout(f"{SAMPLE_TYPES[letter]}{int(bits) // 8}", int(channels)))
    layout = CHANNEL_LAYOUTS.get(message.encoding)
    return to_rgb(message) if layout is None else pixel_view(message, layout)


def pixel_view(message: Any, layout: PixelLayout) -> np.ndarray:
    """A view of the message's data, (H, W) or (H, W, samples), rows `step` bytes apart. Raises ImageError."""
    height, width, step = message.height, message.width, message.step
    if not height or not width:
        raise ImageError(f"the image is {width}x{height} pixels, expected at least 1x1: check the camera driver")
    if step < width * layout.pixel:
        raise ImageError(
            f"step is {step} bytes, expected at least {width * layout.pixel} for {width} pixels of "
            f"{message.encoding}: the driver must set step to the bytes per row, or correct the encoding"
        )
    data = np.frombuffer(message.data, np.uint8)
    if data.size < step * height:
        raise ImageError(
            f"data has {data.size} bytes, expected step * height = {step} * {height} = {step * height}: "
            "the image is truncated, or the driver sets height or step wrongly"
        )
    sample = np.dtype(layout.sample).newbyteorder(">" if message.is_bigendian else "<")
    view = np.ndarray((height, width, layout.samples), sample, data, strides=(step, layout.pixel, sample.itemsize))
    return view[..., 0] if layout.samples == 1 else view


# Encodings of decoded images by the number of channels, 0 for grey, and the sample type.
_DECODED_ENCODINGS = {
    (0, "u1"): "mono8",
    (3, "u1"): "bgr8",
    (4, "u1"): "bgra8",
    (0, "u2"): "mono16",
    (3, "u2"): "bgr16",
    (4, "u2"): "bgra16",
    (0, "f4"): "32FC1",
}


def _decompress(message: Any) -> tuple[str, np.ndarray]:
    """The encoding and pixels of a sensor_msgs/CompressedImage."""
    if "compressedDepth" in message.format:
        raise ImageError(
            f"the format is {message.format!r}, expected a JPEG or PNG: this is the transport "
            "compressedDepth, remap `image` to the camera's colour image, or set image_transport to raw"
        )
    try:
        pixels = decode(bytes(message.data))
    except DecodeError as error:
        raise ImageError(
            f"cannot decode a compressed image of format {message.format!r}: {error}; check that the camera driver "
            "publishes complete images with the transport `compressed`"
        ) from error
    bayer = re.match(r"bayer_(rggb|bggr|gbrg|grbg)(?=8|16)", message.format)
    if bayer and pixels.ndim == 3 and (pixels[..., :1] == pixels[..., 1:3]).all():
        pixels = pixels[..., 0]  # a Bayer pattern in three equal channels
    key = pixels.shape[2] if pixels.ndim == 3 else 0, pixels.dtype.str[1:]
    if key not in _DECODED_ENCODINGS:
        raise ImageError(f"the compressed image holds {pixels.dtype} {pixels.shape}, expected 8 or 16 bits per sample")
    encoding = _DECODED_ENCODINGS[key]
    if encoding == "mono16" and message.format.startswith("16UC1"):
        return "16UC1", pixels
    if bayer and pixels.ndim == 2:
        encoding = f"{bayer.group()}{8 * pixels.dtype.itemsize}"
    return encoding, np.ascontiguousarray(pixels)


def _convert_with_cv_bridge(message: Any) -> np.ndarray:
    known = ", ".join(LAYOUTS)
    advice = f"let the driver publish one of {known}"
    try:
        bridge = _cv_bridge()
    except Exception as error:  # built against NumPy 1 it raises several types, not only ImportError
        raise ImageError(
            f"the encoding {message.encoding!r} is unknown, and cv_bridge, which may convert it, cannot be "
            f"imported ({type(error).__name__}: {error}): {advice}, or install "
            f"a cv_bridge for NumPy {np.__version__}"
        ) from error
    try:
        rgb: np.ndarray = bridge.imgmsg_to_cv2(message, "rgb8")
        return rgb
    except Exception as error:
        raise ImageError(
            f"the encoding {message.encoding!r} is unknown, also to cv_bridge ({error}): {advice}"
        ) from error


@cache
def _cv_bridge() -> Any:
    from cv_bridge import CvBridge

    return CvBridge()
