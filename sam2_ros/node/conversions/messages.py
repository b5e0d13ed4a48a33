"""Conversions between ROS messages and the tracker's types."""

from __future__ import annotations

import array
import time
from collections.abc import Callable
from typing import TypeVar

import numpy as np
from builtin_interfaces.msg import Time
from geometry_msgs.msg import Point, PointStamped, Vector3
from sensor_msgs.msg import Image
from std_msgs.msg import Header

from sam2_ros import msg
from sam2_ros.depth.lifting import Surface
from sam2_ros.media.ros_prompts import prompt_of
from sam2_ros.node.types import AppliedPrompt, LiftedObjects, PromptRequest
from sam2_ros.tracking.types import (
    Box,
    Click,
    Event,
    EventKind,
    FrameResult,
    Prompt,
    PromptError,
    Track,
    TrackState,
)

_NANOSECONDS = 1_000_000_000
_MAX_TIME = 2**31 - 1  # seconds in builtin_interfaces/Time
_MAX_STAMP = _MAX_TIME - 86_400  # seconds; leaves a day for durations that are added to a stamp

_STATES = {
    TrackState.VISIBLE: msg.Track.VISIBLE,
    TrackState.OCCLUDED: msg.Track.OCCLUDED,
    TrackState.LOST: msg.Track.LOST,
}

EVENT_TYPES = {
    EventKind.STARTED: msg.TrackEvent.STARTED,
    EventKind.OCCLUDED: msg.TrackEvent.OCCLUDED,
    EventKind.LOST: msg.TrackEvent.LOST,
    EventKind.REACQUIRED: msg.TrackEvent.REACQUIRED,
    EventKind.REMOVED: msg.TrackEvent.REMOVED,
    EventKind.PROMPT_REJECTED: msg.TrackEvent.PROMPT_REJECTED,
    EventKind.RESET: msg.TrackEvent.RESET,
}

Key = TypeVar("Key")
ToTime = Callable[[float], Time]


class StampRangeError(ValueError):
    """A stamp that is out of range; the message says what was found and expected."""


def seconds(stamp: Time) -> float:
    """A stamp in seconds. Equal stamps give equal numbers, so that prompts find their images by equality.

    Raises StampRangeError.
    """
    if not 0 <= stamp.sec <= _MAX_STAMP or stamp.nanosec >= _NANOSECONDS:
        raise StampRangeError(
            f"its stamp has sec {stamp.sec} and nanosec {stamp.nanosec}, expected sec in 0..{_MAX_STAMP} and nanosec "
            f"below {_NANOSECONDS}: check the clock of the program that sends it"
        )
    seconds: float = stamp.sec + stamp.nanosec / _NANOSECONDS
    return seconds


def nearest_time(stamp: float) -> Time:
    """The stamp within 0.2 microseconds, the precision of a float; where there is a header, use its stamp instead.

    Raises StampRangeError.
    """
    if not 0 <= stamp < _MAX_TIME:
        raise StampRangeError(f"the stamp is {stamp} s, expected 0..{_MAX_TIME}")
    whole, part = divmod(round(stamp * _NANOSECONDS), _NANOSECONDS)
    return Time(sec=whole, nanosec=part)


def prompt_request(message: msg.Prompt) -> PromptRequest:
    """A prompt and its object. Raises PromptError for an invalid mask image and for a stamp out of range."""
    return PromptRequest(prompt_of(message), message.object_id, _stamp_or_newest(message.header.stamp))


def prompt_message(applied: AppliedPrompt) -> msg.Prompt:
    """The prompt on its image, for the object that it has started or corrected."""
    prompt, header = applied.prompt, applied.header
    message = msg.Prompt(header=header, object_id=applied.object_id, label=prompt.label)
    message.clicks = [msg.Click(x=float(c.x), y=float(c.y), positive=bool(c.positive)) for c in prompt.clicks]
    if prompt.box is not None:
        message.has_box, message.box = True, _box_message(prompt.box)
    if prompt.mask is not None:
        message.mask = mask_message(prompt.mask, header)
    return message


def click_request(message: PointStamped) -> PromptRequest:
    """A user's click that starts a new object. Raises PromptError for a stamp out of range."""
    click = Click(message.point.x, message.point.y)
    return PromptRequest(
        Prompt(clicks=(click,)), stamp=_stamp_or_newest(message.header.stamp), clicked_at=time.monotonic()
    )


def point_request(message: Point) -> PromptRequest:
    """A click of rqt_image_view, which has no stamp: a new object on the newest image."""
    return PromptRequest(Prompt(clicks=(Click(message.x, message.y),)), clicked_at=time.monotonic())


def image_message(pixels: np.ndarray, encoding: str, header: Header) -> Image:
    """(H, W) or (H, W, channels) -> sensor_msgs/Image without padding."""
    height, width = pixels.shape[:2]
    message = Image(header=header, height=height, width=width, encoding=encoding)
    message.step = pixels.nbytes // height
    data = array.array("B")  # the only type that the setter accepts without checking every byte
    data.frombytes(np.ascontiguousarray(pixels).data.cast("B"))
    message.data = data
    return message


def mask_message(mask: np.ndarray, header: Header) -> Image:
    """(H, W) bool -> mono8, 0 and 255"""
    return image_message(mask.view(np.uint8) * np.uint8(255), "mono8", header)


def track_array(
    result: FrameResult, header: Header, to_time: ToTime, cropped_masks: bool, lifted: LiftedObjects | None = None
) -> msg.TrackArray:
    """All objects on the image of this header, with positions where they were lifted."""
    height, width = result.size
    tracks = [_track(track, header, to_time, cropped_masks) for track in sorted(result.tracks, key=lambda t: t.id)]
    message = msg.TrackArray(header=header, image_height=height, image_width=width, tracks=tracks)
    if lifted is not None:
        message.position_frame = lifted.header.frame_id
        for track in message.tracks:
            _set_position(track, lifted.surfaces.get(track.id))
    return message


def event_message(event: Event, frame_id: str, label: str, to_time: ToTime) -> msg.TrackEvent:
    """An event with the stamp of its image."""
    return msg.TrackEvent(
        header=Header(stamp=to_time(event.stamp), frame_id=frame_id),
        type=EVENT_TYPES[event.kind],
        object_id=event.track_id,
        label=label,
        absence=float(event.absence),
        reason=event.reason,
    )


def state_of(message: msg.Track) -> TrackState:
    """The state in a message."""
    return _inverse(_STATES)[message.state]


def event_of(message: msg.TrackEvent) -> Event:
    """The event in a message."""
    kind = _inverse(EVENT_TYPES)[message.type]
    return Event(kind, message.object_id, seconds(message.header.stamp), message.absence, message.reason)


def _inverse(table: dict[Key, int]) -> dict[int, Key]:
    return {value: key for key, value in table.items()}


def _track(track: Track, header: Header, to_time: ToTime, cropped_masks: bool) -> msg.Track:
    message = msg.Track(
        id=track.id,
        mask_value=track.mask_value,
        label=track.label,
        state=_STATES[track.state],
        presence=float(track.presence),
        predicted_iou=float(track.predicted_iou),
        area=int(track.area),
        last_seen=to_time(track.last_seen),
    )
    box = track.box
    if box is not None:
        message.box = _box_message(box)
        if cropped_masks:
            message.mask = mask_message(track.mask[int(box.y0) : int(box.y1), int(box.x0) : int(box.x1)], header)
    return message


def _set_position(message: msg.Track, surface: Surface | None) -> None:
    if surface is None:
        return
    message.has_position = True
    message.position = Point(**dict(zip("xyz", surface.centroid.tolist())))
    message.extent = Vector3(**dict(zip("xyz", surface.extent.tolist())))


def _stamp_or_newest(stamp: Time) -> float | None:
    try:
        return seconds(stamp) or None
    except StampRangeError as error:
        raise PromptError(str(error)) from error


def _box_message(box: Box) -> msg.Box:
    return msg.Box(x_min=float(box.x0), y_min=float(box.y0), x_max=float(box.x1), y_max=float(box.y1))
