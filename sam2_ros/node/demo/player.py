"""The executable `player`: publishes a video file as a camera in real time, and what starts an object in it.

An object is started by a click on the first frame, or by the boxes of a slow detector, published `detector_latency`
seconds after their frame. The camera starts once the tracker has subscribed. Publishes `image` (or `image/compressed`),
`prompt` and `detections`.
"""

from __future__ import annotations

import array
import json
import sys
import time
from collections import defaultdict
from math import isfinite
from pathlib import Path
from typing import Any, NoReturn

from sam2_ros.node import shutdown

if __name__ == "__main__":
    shutdown.reset_signal_handlers()  # the other imports take seconds

import cv2
import numpy as np
import rclpy
from rclpy.duration import Duration
from rclpy.node import Node
from rclpy.publisher import Publisher
from rclpy.signals import SignalHandlerOptions
from rclpy.time import Time
from sensor_msgs.msg import CompressedImage, Image
from std_msgs.msg import Header

from sam2_ros.media.video import DEMO_CLIP, VideoError, probe, read_frames
from sam2_ros.msg import Click, Prompt
from sam2_ros.node import qos
from sam2_ros.node.conversions.messages import image_message

CLIP_CLICK = "96,150"  # of its target on the first frame (pixels)
CLIP_DETECTIONS = DEMO_CLIP.with_name("detections.json")

EXIT_NO_SUBSCRIBER = 3  # exit code

_LOG_PERIOD = 10.0  # seconds between two log lines while waiting
_LINGER = 5.0  # seconds after the last frame: DDS drops messages of a publisher that has ended
_LEAD = 2.0  # seconds between the first subscriber and the first frame, in which the transport connects


class NoSubscriberError(Exception):
    """No tracker has subscribed in time."""


class Player(Node):
    """Plays a video once.

    Raises VideoError for a video that cannot be read, ValueError for a click that is malformed or outside the video and
    for a malformed file of detections, OSError where that file is missing, and ImportError for detections without
    vision_msgs.
    """

    def __init__(self, **node: Any) -> None:
        """`node` are keywords of rclpy's Node."""
        super().__init__("player", **node)
        video = self.declare_parameter("video", "").value  # empty: our own clip
        self._path = video or str(DEMO_CLIP)
        click = self.declare_parameter("click", "").value  # empty: no prompt
        self._click = parse_click(click) if click else None
        file = self.declare_parameter("detections", "").value or ("" if video or click else str(CLIP_DETECTIONS))
        self._latency = self.declare_parameter("detector_latency", 0.3).value  # seconds
        self._detections = Detections(self, Path(file)) if file else None
        self._is_compressed = self.declare_parameter("compressed", False).value
        self._timeout = self.declare_parameter("subscriber_timeout", 0.0).value  # seconds, 0: wait without limit
        size = probe(self._path).size
        if self._click is not None:
            check_click(self._click, size)
        message_type, topic = (CompressedImage, "image/compressed") if self._is_compressed else (Image, "image")
        self._images = self.create_publisher(message_type, topic, qos.profile("reliable", 2))
        self._prompts = self.create_publisher(Prompt, "prompt", qos.profile("reliable", 1))

    def play(self) -> int:
        """Wait for subscribers, then play; returns the number of frames. Raises NoSubscriberError."""
        self._wait_for_subscribers()
        start = self.get_clock().now() + Duration(seconds=_LEAD)
        if self._click is not None:
            self._prompts.publish(Prompt(header=_header(start), label="object", clicks=[self._click]))
        count = 0
        for rgb, seconds in read_frames(self._path):
            due = start + Duration(seconds=seconds)
            message = self._message(rgb, _header(due))
            self.get_clock().sleep_until(due)
            self._images.publish(message)
            if self._detections is not None:
                self._detections.detect(count, message.header)
                self._detections.publish(until=due - Duration(seconds=self._latency))
            count += 1
        return count

    def linger(self) -> None:
        """Wait until subscribers have received the last frames."""
        self.get_clock().sleep_for(Duration(seconds=_LINGER))

    def _wait_for_subscribers(self) -> None:
        """Raises NoSubscriberError after `subscriber_timeout`."""
        publishers = [self._images]
        publishers += [] if self._click is None else [self._prompts]
        publishers += [] if self._detections is None else [self._detections.publisher]
        start = time.monotonic()
        while waiting := [publisher.topic_name for publisher in publishers if not self._is_connected(publisher)]:
            seconds, text = time.monotonic() - start, f"no tracker subscribes to {', '.join(waiting)} yet"
            if self._timeout and seconds > self._timeout:
                raise NoSubscriberError(f"{text}, after {seconds:.0f} s")
            if seconds > _LOG_PERIOD:
                self.get_logger().info(f"waiting: {text}", throttle_duration_sec=_LOG_PERIOD)
            rclpy.spin_once(self, timeout_sec=0.05)

    def _is_connected(self, publisher: Publisher) -> bool:
        """Whether all known subscribers are connected, and the recorder is not the only one."""
        subscribers = self.get_subscriptions_info_by_topic(publisher.topic_name)
        is_tracker_there = any(subscriber.node_name != "recorder" for subscriber in subscribers)
        return is_tracker_there and publisher.get_subscription_count() >= len(subscribers)

    def _message(self, rgb: np.ndarray, header: Header) -> Image | CompressedImage:
        if not self._is_compressed:
            return image_message(rgb, "rgb8", header)
        jpeg = cv2.imencode(".jpg", cv2.cvtColor(rgb, cv2.COLOR_RGB2BGR))[1]
        return CompressedImage(
            header=header, format="rgb8; jpeg compressed bgr8", data=array.array("B", jpeg.tobytes())
        )


class Detections:
    """A detector's results on a video: a list of {"frame", "label", "score", "box": [x0, y0, x1, y1]} in JSON."""

    def __init__(self, node: Node, file: Path) -> None:
        from vision_msgs.msg import Detection2DArray

        self.publisher = node.create_publisher(Detection2DArray, "detections", qos.profile("reliable", 10))
        self._pending: list[Any] = []  # arrays that are not published yet, oldest first
        self._by_frame: dict[int, list[dict[str, Any]]] = defaultdict(list)
        try:
            for entry in json.loads(file.read_text()):
                self._by_frame[entry["frame"]].append(entry)
        except (json.JSONDecodeError, TypeError, KeyError) as error:
            raise ValueError(
                f"{file} cannot be read ({error!r}), expected a list of frame, label, score and box"
            ) from error

    def detect(self, frame: int, header: Header) -> None:
        """Queue the detections of a frame."""
        if frame in self._by_frame:
            boxes = [_detection(header, entry) for entry in self._by_frame[frame]]
            self._pending.append(self.publisher.msg_type(header=header, detections=boxes))

    def publish(self, until: Time) -> None:
        """Publish the queued detections of frames up to that stamp."""
        while self._pending and Time.from_msg(self._pending[0].header.stamp, until.clock_type) <= until:
            self.publisher.publish(self._pending.pop(0))


def _detection(header: Header, entry: dict[str, Any]) -> Any:
    from vision_msgs.msg import Detection2D, ObjectHypothesisWithPose

    left, top, right, bottom = entry["box"]
    result = ObjectHypothesisWithPose()
    result.hypothesis.class_id, result.hypothesis.score = entry["label"], float(entry["score"])
    message = Detection2D(header=header, results=[result])
    message.bbox.center.position.x, message.bbox.center.position.y = (left + right) / 2, (top + bottom) / 2
    message.bbox.size_x, message.bbox.size_y = float(right - left), float(bottom - top)
    return message


def parse_click(text: str) -> Click:
    """Parse a click X,Y (pixels); raises ValueError."""
    try:
        x, y = map(float, text.split(","))
        if not (isfinite(x) and isfinite(y)):
            raise ValueError("not finite")
    except ValueError as error:
        raise ValueError(f"click is {text!r}, expected X,Y in pixels of the first frame, such as 320,240") from error
    return Click(x=x, y=y, positive=True)


def check_click(click: Click, size: tuple[int, int]) -> None:
    """Raises ValueError for a click outside a picture of this size (H, W)."""
    height, width = size
    if not (0 <= click.x < width and 0 <= click.y < height):
        raise ValueError(
            f"click {click.x:g},{click.y:g} is outside the video, which has {width}x{height} pixels: "
            f"x is 0 to {width - 1}, y is 0 to {height - 1}"
        )


def _header(stamp: Time) -> Header:
    return Header(stamp=stamp.to_msg(), frame_id="camera")


def main() -> NoReturn:
    """Plays the video of the parameter `video`."""
    rclpy.init(signal_handler_options=SignalHandlerOptions.NO)
    shutdown.Watchdog(stop=lambda: shutdown.exit_process(0))
    try:
        player = Player()
        frames = player.play()
        player.get_logger().info(f"played {frames} frames")
        player.linger()
    except (VideoError, ValueError, OSError, ImportError) as error:
        print(f"player: {error}", file=sys.stderr)
        shutdown.exit_process(2)
    except NoSubscriberError as error:
        print(f"player: {error}", file=sys.stderr)
        shutdown.exit_process(EXIT_NO_SUBSCRIBER)
    shutdown.exit_process(0)


if __name__ == "__main__":
    main()
