"""The executable `player`: a video file as a camera, in real time, and a click on its first frame.

The camera starts once somebody listens. Publishes `image` (or `image/compressed`) and `prompt`.
"""

from __future__ import annotations

import array
import sys
from pathlib import Path
from typing import NoReturn

import cv2
import numpy as np
import rclpy
from rclpy.duration import Duration
from rclpy.executors import ExternalShutdownException
from rclpy.node import Node
from rclpy.time import Time
from sensor_msgs.msg import CompressedImage, Image
from std_msgs.msg import Header

from sam2_ros.msg import Click, Prompt
from sam2_ros.node import farewell, qos
from sam2_ros.node.messages import image_message
from sam2_ros.tracking.video import VideoError, probe, read_frames

CLIP = Path(__file__).parents[2] / "demo_data" / "clip.mp4"  # ours, see sam2_ros.training.demo_clip
CLIP_CLICK = "96,150"  # of its target on the first frame (pixels)

_TRAIL = 5.0  # seconds in which the last frames are taken: DDS forgets those of a camera that has gone
_LEAD = 1.0  # seconds between the first listener and the first frame, in which the transport connects


class Player(Node):
    """Plays one video once. Raises VideoError for one that cannot be read, ValueError for a malformed click."""

    def __init__(self) -> None:
        super().__init__("player")
        video = self.declare_parameter("video", "").value  # empty: our own clip
        self._path = video or str(CLIP)
        click = self.declare_parameter("click", "").value or ("" if video else CLIP_CLICK)  # empty: no prompt
        self._click = parse_click(click) if click else None
        self._is_compressed = self.declare_parameter("compressed", False).value
        probe(self._path)
        kind, topic = (CompressedImage, "image/compressed") if self._is_compressed else (Image, "image")
        self._images = self.create_publisher(kind, topic, qos.profile("reliable", 2))
        self._prompts = self.create_publisher(Prompt, "prompt", qos.profile("reliable", 1))

    def play(self) -> int:
        """Waits for listeners, then plays; the number of frames."""
        self._wait_for_listeners()
        start = self.get_clock().now() + Duration(seconds=_LEAD)
        if self._click is not None:
            self._prompts.publish(Prompt(header=_header(start), label="object", clicks=[self._click]))
        count = 0
        for rgb, seconds in read_frames(self._path):
            due = start + Duration(seconds=seconds)
            message = self._message(rgb, _header(due))
            if not self.get_clock().sleep_until(due):
                raise ExternalShutdownException()
            self._images.publish(message)
            count += 1
        return count

    def linger(self) -> None:
        """Lets the listeners take the last frames."""
        self.get_clock().sleep_for(Duration(seconds=_TRAIL))

    def _wait_for_listeners(self) -> None:
        publishers = [self._images] if self._click is None else [self._images, self._prompts]
        while any(publisher.get_subscription_count() == 0 for publisher in publishers):
            rclpy.spin_once(self, timeout_sec=0.05)

    def _message(self, rgb: np.ndarray, header: Header) -> Image | CompressedImage:
        if not self._is_compressed:
            return image_message(rgb, "rgb8", header)
        jpeg = cv2.imencode(".jpg", cv2.cvtColor(rgb, cv2.COLOR_RGB2BGR))[1]
        return CompressedImage(
            header=header, format="rgb8; jpeg compressed bgr8", data=array.array("B", jpeg.tobytes())
        )


def parse_click(text: str) -> Click:
    """Raises ValueError unless the text is X,Y."""
    try:
        x, y = map(float, text.split(","))
    except ValueError as error:
        raise ValueError(f"click is {text!r}, expected X,Y in pixels of the first frame, such as 320,240") from error
    return Click(x=x, y=y, positive=True)


def _header(stamp: Time) -> Header:
    return Header(stamp=stamp.to_msg(), frame_id="camera")


def main() -> NoReturn:
    """Plays the video of the parameter `video`."""
    rclpy.init()
    try:
        player = Player()
        frames = player.play()
        player.get_logger().info(f"played {frames} frames")
        player.linger()
    except (VideoError, ValueError) as error:
        print(f"player: {error}", file=sys.stderr)
        farewell.leave(2)
    except (KeyboardInterrupt, ExternalShutdownException):
        pass
    farewell.leave(0)


if __name__ == "__main__":
    main()
