"""The topics of the camera and the tracker, subscribed to while somebody looks; they become views."""

from __future__ import annotations

import io
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
from PIL import Image as PillowImage
from rclpy.node import Node
from sensor_msgs.msg import CompressedImage, Image

from sam2_ros.media.ros_encodings import ImageError
from sam2_ros.media.ros_images import ImageConverter, raw_pixels
from sam2_ros.msg import Track, TrackArray, TrackEvent
from sam2_ros.node import qos
from sam2_ros.node.conversions.messages import EVENT_TYPES, state_of
from sam2_ros.node.inputs.subscriptions import explain_silence
from sam2_ros.panel.pairing import Pairing
from sam2_ros.panel.rate import RateMeter
from sam2_ros.panel.types import Event, ShownTrack, Stamp, View

_JPEG_START = b"\xff\xd8"
_SILENCE = 3.0  # seconds
_EVENTS = {number: kind.value for kind, number in EVENT_TYPES.items()}


class Topics:
    """Used on the executor's thread. `show` and `report` are called on it."""

    def __init__(
        self, node: Node, tracker: str, transport: str, show: Callable[[View], None], report: Callable[[Event], None]
    ) -> None:
        """`tracker` is the tracker's name; `transport` is raw, compressed or auto: compressed where nothing else is."""
        self._node = node
        self._tracker = tracker
        self._transport = transport
        self._show = show
        self._report = report
        self._converter = ImageConverter()  # on the encoder's thread
        self._subscriptions: list[Any] = []
        self._image_subscription: Any = None
        self.is_paused = False  # the last picture with results stays
        self._reset()

    def subscribe(self) -> None:
        """Start to receive."""
        self._reset()
        results, events = qos.profile("reliable", 2), qos.profile("reliable", qos.EVENT_QUEUE_SIZE)
        create = self._node.create_subscription
        self._subscriptions = [
            create(TrackArray, f"{self._tracker}/tracks", self._on_tracks, results),
            create(Image, f"{self._tracker}/masks", self._on_masks, results),
            create(TrackEvent, f"{self._tracker}/events", self._on_event, events),
        ]
        self._subscribe_to_images()

    def unsubscribe(self) -> None:
        """Receive nothing more."""
        for subscription in filter(None, (*self._subscriptions, self._image_subscription)):
            self._node.destroy_subscription(subscription)
        self._subscriptions, self._image_subscription = [], None
        self._reset()

    def problem(self) -> str:
        """Why there is no picture; empty: there is one, or nobody looks. Changes the transport where that helps."""
        if self._image_subscription is None or self._images.silence < _SILENCE:
            return ""
        if self._transport == "auto" and self._preferred() is not self._image_subscription.msg_type:
            self._node.destroy_subscription(self._image_subscription)
            self._subscribe_to_images()
        return explain_silence(self._node, "image", self._image_subscription, min(self._images.silence, 1e6))

    @property
    def results(self) -> RateMeter:
        """Of the tracker."""
        return self._results

    @property
    def has_images(self) -> bool:
        """Whether the camera works."""
        return self._images.silence < _SILENCE

    def _reset(self) -> None:
        self._pairing: Pairing[Any] = Pairing()
        self._images, self._results = RateMeter(), RateMeter()
        self._images.count()  # silence is counted from here
        self._results.count()

    def _subscribe_to_images(self) -> None:
        kind = self._preferred()
        topic = "image" if kind is Image else "image/compressed"
        profile = qos.profile("best_effort", 1)
        self._image_subscription = self._node.create_subscription(kind, topic, self._on_image, profile)

    def _preferred(self) -> type[Any]:
        if self._transport != "auto":
            chosen: type[Any] = Image if self._transport == "raw" else CompressedImage
            return chosen
        count = self._node.count_publishers
        is_compressed = count(self._resolved("image/compressed")) and not count(self._resolved("image"))
        found: type[Any] = CompressedImage if is_compressed else Image
        return found

    def _resolved(self, name: str) -> str:
        topic: str = self._node.resolve_topic_name(name)
        return topic

    # ---- messages

    def _on_image(self, message: Any) -> None:
        self._images.count()
        stamp = _stamp(message.header)
        self._pairing.put_image(stamp, message, len(message.data))
        if self._pairing.is_late and not self.is_paused:
            try:
                size = _size(message)
            except (OSError, ValueError) as error:
                self._node.get_logger().warning(f"cannot show an image: {error}", throttle_duration_sec=5.0)
                return
            self._show(View(stamp, size, partial(self._picture, message)))

    def _on_tracks(self, message: TrackArray) -> None:
        stamp = _stamp(message.header)
        self._pairing.put_tracks(stamp, tuple(_shown(track, stamp) for track in message.tracks))
        self._results.count()
        self._show_if_complete()

    def _on_masks(self, message: Image) -> None:
        try:
            self._pairing.put_labels(_stamp(message.header), raw_pixels(message))
        except ImageError as error:
            self._node.get_logger().warning(f"cannot read {self._tracker}/masks: {error}", throttle_duration_sec=5.0)
            return
        self._show_if_complete()

    def _on_event(self, message: TrackEvent) -> None:
        kind = _EVENTS.get(message.type, "event")
        self._report(Event(kind, message.object_id, message.label, message.absence, message.reason))

    def _show_if_complete(self) -> None:
        if (complete := self._pairing.complete()) is None:
            return
        stamp, tracks, labels, image = complete
        read = partial(self._picture, image) if image is not None else _no_picture
        self._show(View(stamp, labels.shape[:2], read, tracks, labels))

    def _picture(self, message: Any) -> np.ndarray | bytes:
        """On the encoder's thread. A JPEG is passed on as it is. Raises ImageError."""
        if hasattr(message, "format") and bytes(message.data[:2]) == _JPEG_START:
            return bytes(message.data)
        return self._converter.to_rgb(message)


def _no_picture() -> None:
    return None


def _size(message: Any) -> tuple[int, int]:
    """(H, W); raises OSError for what is no picture."""
    if hasattr(message, "format"):
        width, height = PillowImage.open(io.BytesIO(message.data)).size
        return height, width
    return message.height, message.width


def _stamp(header: Any) -> Stamp:
    return Stamp(header.stamp.sec, header.stamp.nanosec)


def _shown(track: Track, stamp: Stamp) -> ShownTrack:
    state, box = state_of(track).value, track.box
    last_seen = Stamp(track.last_seen.sec, track.last_seen.nanosec)
    return ShownTrack(
        id=track.id,
        mask_value=track.mask_value,
        label=track.label,
        state=state,
        presence=track.presence,
        absence=max(0.0, stamp.seconds - last_seen.seconds),
        box=(box.x_min, box.y_min, box.x_max, box.y_max) if state == "visible" else None,
    )
