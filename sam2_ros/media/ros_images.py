"""From ROS images to RGB arrays and masks, without ROS and without copies where the memory allows it.

Messages are only read by their fields, so anything shaped like sensor_msgs/Image or CompressedImage will do.
Sources: sensor_msgs/msg/Image.msg and sensor_msgs/image_encodings.hpp.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

import cv2
import numpy as np

from sam2_ros.media.decoding import DecodeError, decode
from sam2_ros.media.dynamic_range import BitDepth, SteadyRange

Convert = Callable[[np.ndarray], np.ndarray]


class ImageError(ValueError):
    """An image message that cannot be read; the message says why and what to do."""


def _as_is(pixels: np.ndarray) -> np.ndarray:
    return pixels


@dataclass(frozen=True)
class Layout:
    """How the pixels of one encoding lie in memory, and how they become RGB."""

    sample: str  # NumPy type of one sample, without its byte order
    samples: int  # per pixel
    convert: Convert = _as_is  # from uint8
    has_range: bool = True  # whether samples reach from black to white by their number of bits

    @property
    def pixel(self) -> int:
        """Bytes per pixel."""
        return self.samples * np.dtype(self.sample).itemsize


class ImageConverter:
    """For the images of one stream, whose samples of more than 8 bits are scaled alike from image to image."""

    def __init__(self, bit_depth: int = 0, warn: Callable[[str], Any] = lambda text: None) -> None:
        """`bit_depth` of samples of 16 bits, 8 to 16; 0: as the images show it. `warn` is called once for a matter."""
        self._given_depth = bit_depth
        self._warn = warn
        self._kind: tuple[Any, ...] = ()  # encoding and size, for which the following hold
        self._depth = BitDepth(bit_depth)
        self._range = SteadyRange()

    def to_rgb(self, message: Any) -> np.ndarray:
        """The image as (H, W, 3) uint8, from sensor_msgs/Image or CompressedImage.

        rgb8 comes back as a view of the message's memory. 16-bit images are scaled by the bits that they use; 16UC1 and
        32FC1 have no fixed range and are stretched between their darkest and brightest value. Raises ImageError.
        """
        if hasattr(message, "format"):
            encoding, pixels = _decompress(message)
        elif message.encoding in _LAYOUTS:
            encoding, pixels = message.encoding, view_of(message, _LAYOUTS[message.encoding])
        else:
            return _through_cv_bridge(message)
        return _LAYOUTS[encoding].convert(self._to_bytes(pixels, encoding))

    def _to_bytes(self, pixels: np.ndarray, encoding: str) -> np.ndarray:
        if pixels.dtype == np.uint8:
            return pixels
        if self._kind != (encoding, pixels.shape):
            self._kind = encoding, pixels.shape
            self._depth, self._range = BitDepth(self._given_depth), SteadyRange()
        if not _LAYOUTS[encoding].has_range:
            return self._range.to_bytes(pixels)
        before = self._depth.needed
        scaled = self._depth.to_bytes(pixels)
        if self._depth.needed != before:
            self._warn_of_depth(encoding, self._depth.needed)
        return scaled

    def _warn_of_depth(self, encoding: str, needed: int) -> None:
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
    """One image by itself, as `ImageConverter` reads the first of a stream. Raises ImageError."""
    return ImageConverter().to_rgb(message)


def samples_of(message: Any) -> np.ndarray:
    """A sensor_msgs/Image as it is, (H, W) or (H, W, channels); YUV and Bayer patterns as RGB. Raises ImageError."""
    if opencv := re.fullmatch(r"(8|16|32|64)([USF])C([1-4])", message.encoding):
        bits, kind, channels = opencv.groups()
        return view_of(message, Layout(f"{_KINDS[kind]}{int(bits) // 8}", int(channels)))
    layout = _PLAIN.get(message.encoding)
    return to_rgb(message) if layout is None else view_of(message, layout)


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


_KINDS = {"U": "u", "S": "i", "F": "f"}  # of samples, OpenCV's and NumPy's letter

_grey_to_rgb = _by_opencv(cv2.COLOR_GRAY2RGB)
_bgr_to_rgb = _by_opencv(cv2.COLOR_BGR2RGB)
_rgba_to_rgb = _by_opencv(cv2.COLOR_RGBA2RGB)
_bgra_to_rgb = _by_opencv(cv2.COLOR_BGRA2RGB)

# Each pixel holds its own samples. OpenCV's own order of colours is BGR.
_PLAIN = {
    "rgb8": Layout("u1", 3),
    "bgr8": Layout("u1", 3, _bgr_to_rgb),
    "8UC3": Layout("u1", 3, _bgr_to_rgb),
    "rgba8": Layout("u1", 4, _rgba_to_rgb),
    "bgra8": Layout("u1", 4, _bgra_to_rgb),
    "8UC4": Layout("u1", 4, _bgra_to_rgb),
    "mono8": Layout("u1", 1, _grey_to_rgb),
    "8UC1": Layout("u1", 1, _grey_to_rgb),
    "rgb16": Layout("u2", 3),
    "bgr16": Layout("u2", 3, _bgr_to_rgb),
    "16UC3": Layout("u2", 3, _bgr_to_rgb),
    "rgba16": Layout("u2", 4, _rgba_to_rgb),
    "bgra16": Layout("u2", 4, _bgra_to_rgb),
    "16UC4": Layout("u2", 4, _bgra_to_rgb),
    "mono16": Layout("u2", 1, _grey_to_rgb),
    "16UC1": Layout("u2", 1, _grey_to_rgb, has_range=False),
    "16SC1": Layout("i2", 1, _grey_to_rgb, has_range=False),
    "32FC1": Layout("f4", 1, _grey_to_rgb, has_range=False),
}

_LAYOUTS = {
    **_PLAIN,
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
    _LAYOUTS[f"bayer_{_pattern}16"] = Layout("u2", 1, _by_opencv(_code))


# By the number of channels, 0 for a grey picture, and the type of a sample
_DECODED = {
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
            f"the format is {message.format!r}, expected a JPEG or PNG of the camera: this is the transport "
            "compressedDepth, remap `image` to the camera's colour image, or set image_transport to raw"
        )
    try:
        pixels = decode(bytes(message.data))
    except DecodeError as error:
        raise ImageError(
            f"a compressed image of format {message.format!r} cannot be used: {error}; check that the camera driver "
            "sends whole images by the transport `compressed`"
        ) from error
    bayer = re.match(r"bayer_(rggb|bggr|gbrg|grbg)(?=8|16)", message.format)
    if bayer and pixels.ndim == 3 and (pixels[..., :1] == pixels[..., 1:3]).all():
        pixels = pixels[..., 0]  # the pattern in three equal channels
    kind = pixels.shape[2] if pixels.ndim == 3 else 0, pixels.dtype.str[1:]
    if kind not in _DECODED:
        raise ImageError(f"the compressed image holds {pixels.dtype} {pixels.shape}, expected 8 or 16 bits per sample")
    encoding = _DECODED[kind]
    if encoding == "mono16" and message.format.startswith("16UC1"):
        return "16UC1", pixels
    if bayer and pixels.ndim == 2:
        encoding = f"{bayer.group()}{8 * pixels.dtype.itemsize}"
    return encoding, np.ascontiguousarray(pixels)


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
