"""Image topics with a compressed sibling, as image_transport names them."""

from __future__ import annotations

import array
from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np
from rclpy.lifecycle import LifecycleNode
from rclpy.qos import QoSProfile
from sensor_msgs.msg import CompressedImage, Image
from std_msgs.msg import Header

from sam2_ros.node import qos
from sam2_ros.node.conversions import messages


@dataclass(frozen=True)
class Codec:
    """How an image topic is encoded, raw and compressed."""

    encoding: str  # of sensor_msgs/Image
    format: str  # of sensor_msgs/CompressedImage, as compressed_image_transport writes it
    extension: str  # of OpenCV's encoder
    options: tuple[int, ...]

    def compress(self, pixels: np.ndarray, header: Header) -> CompressedImage:
        """(H, W) or (H, W, 3) uint8, RGB."""
        ordered = pixels if pixels.ndim == 2 else cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR)
        _, encoded = cv2.imencode(self.extension, ordered, self.options)
        data = array.array("B")  # the only type that the setter accepts without checking every byte
        data.frombytes(encoded.tobytes())
        return CompressedImage(header=header, format=self.format, data=data)


PNG = Codec("mono8", "mono8; png compressed ", ".png", (cv2.IMWRITE_PNG_COMPRESSION, 1))  # fast
JPEG = Codec("rgb8", "rgb8; jpeg compressed bgr8", ".jpg", (cv2.IMWRITE_JPEG_QUALITY, 90))


class ImagePublisher:
    """Publishes an image raw and compressed, each where it has subscribers."""

    def __init__(self, node: LifecycleNode, topic: str, profile: QoSProfile, codec: Codec) -> None:
        self._node = node
        self._codec = codec
        self._raw = node.create_lifecycle_publisher(Image, topic, **qos.overridable(profile))
        self._compressed = node.create_lifecycle_publisher(
            CompressedImage, f"{topic}/compressed", **qos.overridable(profile)
        )

    def publish(self, draw: Callable[[], np.ndarray], header: Header) -> None:
        """Publish what `draw` returns, (H, W) or (H, W, 3) uint8; it is called where there are subscribers."""
        is_raw, is_compressed = map(qos.has_subscribers, (self._raw, self._compressed))
        if not is_raw and not is_compressed:
            return
        pixels = draw()
        if is_raw:
            self._raw.publish(messages.image_message(pixels, self._codec.encoding, header))
        if is_compressed:
            self._compressed.publish(self._codec.compress(pixels, header))

    def destroy(self) -> None:
        """Destroy the publishers."""
        for publisher in (self._raw, self._compressed):
            self._node.destroy_lifecycle_publisher(publisher)
