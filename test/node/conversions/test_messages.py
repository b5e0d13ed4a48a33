"""Messages are converted to the tracker's types and back."""

from typing import Any

import cv2
import numpy as np
import pytest
from builtin_interfaces.msg import Time
from geometry_msgs.msg import Point, PointStamped
from sensor_msgs.msg import Image
from std_msgs.msg import Header

from sam2_ros import msg
from sam2_ros.media.ros_prompts import box_of
from sam2_ros.node.conversions import messages
from sam2_ros.tracking.types import Box, Click, Event, EventKind, FrameResult, PromptError, Track, TrackState

STAMP = Time(sec=1_700_000_000, nanosec=123_456_789)
HEADER = Header(stamp=STAMP, frame_id="optical")


def test_equal_stamps_give_equal_seconds() -> None:
    assert messages.seconds(STAMP) == messages.seconds(Time(sec=1_700_000_000, nanosec=123_456_789))
    assert messages.seconds(STAMP) == pytest.approx(1_700_000_000.123456789, abs=2.5e-7)


@pytest.mark.parametrize("nanosec", [0, 1_000, 999_999_999])
def test_seconds_are_converted_to_a_time_within_a_fraction_of_a_microsecond(nanosec: int) -> None:
    stamp = Time(sec=1_700_000_000, nanosec=nanosec)
    back = messages.nearest_time(messages.seconds(stamp))
    assert abs((back.sec - stamp.sec) * 10**9 + back.nanosec - stamp.nanosec) <= 240


OUT_OF_RANGE = [Time(sec=2**31 - 1), Time(sec=2**31 - 60), Time(sec=-1), Time(sec=5, nanosec=10**9)]


@pytest.mark.parametrize("stamp", OUT_OF_RANGE)
def test_a_stamp_out_of_range_is_refused_with_the_reason(stamp: Time) -> None:
    expected = f"sec {stamp.sec} and nanosec {stamp.nanosec}, expected sec in 0..2147397247"
    with pytest.raises(messages.StampRangeError, match=expected):
        messages.seconds(stamp)
    for read, message in (
        (messages.prompt_request, msg.Prompt(header=Header(stamp=stamp))),
        (messages.click_request, PointStamped(header=Header(stamp=stamp))),
    ):
        with pytest.raises(PromptError, match=expected):
            read(message)


@pytest.mark.parametrize("stamp", [Time(), Time(nanosec=1), Time(sec=2147397247, nanosec=500_000_000)])
def test_a_deadline_of_a_day_can_be_added_to_every_other_stamp(stamp: Time) -> None:
    assert messages.nearest_time(messages.seconds(stamp) + 86_399.0).sec == stamp.sec + 86_399


@pytest.mark.parametrize("stamp", [-0.5, 2.0**31, float("nan"), float("inf")])
def test_seconds_out_of_range_are_refused(stamp: float) -> None:
    with pytest.raises(messages.StampRangeError, match="expected 0.."):
        messages.nearest_time(stamp)


def test_every_field_of_a_prompt_is_read() -> None:
    request = messages.prompt_request(
        msg.Prompt(
            header=HEADER,
            object_id=7,
            label="cup",
            clicks=[msg.Click(x=1.5, y=2.5), msg.Click(x=3.0, y=4.0, positive=False)],
            has_box=True,
            box=msg.Box(x_min=1.0, y_min=2.0, x_max=3.0, y_max=4.0),
        )
    )
    assert (request.object_id, request.stamp) == (7, messages.seconds(STAMP))
    assert request.prompt.label == "cup"
    assert request.prompt.clicks == (Click(1.5, 2.5), Click(3.0, 4.0, positive=False))
    assert request.prompt.box == Box(1.0, 2.0, 3.0, 4.0)
    assert request.prompt.mask is None


def test_a_box_is_used_only_where_has_box_is_true() -> None:
    assert messages.prompt_request(msg.Prompt(box=msg.Box(x_max=3.0, y_max=4.0))).prompt.box is None


def test_a_zero_stamp_means_the_newest_image() -> None:
    assert messages.prompt_request(msg.Prompt()).stamp is None
    assert messages.click_request(PointStamped()).stamp is None
    assert messages.click_request(PointStamped(header=HEADER)).stamp == messages.seconds(STAMP)
    assert messages.point_request(Point()).stamp is None


def test_clicks_are_positive_and_start_a_new_object() -> None:
    for request in (
        messages.click_request(PointStamped(point=Point(x=4.0, y=5.0))),
        messages.point_request(Point(x=4.0, y=5.0)),
    ):
        assert (request.object_id, request.prompt.clicks) == (0, (Click(4.0, 5.0, positive=True),))


OBJECT = np.zeros((40, 60), bool)
OBJECT[10:30, 15:40] = True


def with_channels(*values: int, dtype: type = np.uint8) -> np.ndarray:
    return OBJECT[..., None] * np.array(values, dtype)


@pytest.mark.parametrize(
    ("encoding", "pixels"),
    [
        ("mono8", OBJECT.astype(np.uint8)),
        ("mono8", OBJECT.astype(np.uint8) * 255),
        ("8UC1", OBJECT.astype(np.uint8) * 7),
        ("8SC1", OBJECT.astype(np.int8) * 127),
        ("mono16", OBJECT.astype(np.uint16)),
        ("mono16", OBJECT.astype(np.uint16) * 65535),
        ("16UC1", OBJECT.astype(np.uint16) * 300),
        ("16SC1", np.where(OBJECT, 4, -1).astype(np.int16)),
        ("32SC1", OBJECT.astype(np.int32) * 100_000),
        ("32FC1", np.where(OBJECT, 0.8, 0.3).astype(np.float32)),
        ("64FC1", OBJECT.astype(np.float64)),
        ("rgb8", with_channels(0, 0, 255)),
        ("bgr8", with_channels(255, 0, 0)),
        ("8UC3", with_channels(0, 128, 0)),
        ("rgb16", with_channels(0, 0, 40_000, dtype=np.uint16)),
        ("rgba8", np.concatenate([with_channels(0, 0, 0), with_channels(255)], axis=2)),
        ("bgra8", np.concatenate([with_channels(0, 255, 0), np.full((40, 60, 1), 255, np.uint8)], axis=2)),
        ("8UC4", with_channels(9, 9, 9, 9)),
        ("8UC2", np.concatenate([with_channels(255), with_channels(255)], axis=2)),
        ("yuyv", np.stack([np.where(OBJECT, 235, 16), np.full(OBJECT.shape, 128)], axis=2).astype(np.uint8)),
    ],
)
def test_a_prompts_mask_may_have_any_encoding(encoding: str, pixels: np.ndarray) -> None:
    if encoding == "yuyv":  # two pixels share their colour
        pixels = pixels[:, 1:-1]
    request = messages.prompt_request(msg.Prompt(mask=messages.image_message(pixels, encoding, HEADER)))
    np.testing.assert_array_equal(request.prompt.mask, OBJECT[:, 1:-1] if encoding == "yuyv" else OBJECT)


def test_jpeg_artefacts_do_not_belong_to_a_prompts_mask() -> None:
    jpeg = cv2.imdecode(cv2.imencode(".jpg", OBJECT.astype(np.uint8) * 255)[1], cv2.IMREAD_GRAYSCALE)
    assert jpeg is not None
    assert np.count_nonzero(jpeg) > np.count_nonzero(OBJECT)
    request = messages.prompt_request(msg.Prompt(mask=messages.image_message(jpeg, "mono8", HEADER)))
    assert np.count_nonzero(request.prompt.mask != OBJECT) < 20


@pytest.mark.parametrize("encoding", ["mono8", "mono16", "16UC1", "32FC1"])
def test_a_prompts_mask_may_cover_the_whole_image(encoding: str) -> None:
    dtype = {"mono8": np.uint8, "mono16": np.uint16, "16UC1": np.uint16, "32FC1": np.float32}[encoding]
    message = messages.image_message(np.ones((4, 6), dtype), encoding, HEADER)
    mask = messages.prompt_request(msg.Prompt(mask=message)).prompt.mask
    assert mask is not None and mask.all()


def test_a_prompt_with_an_unreadable_mask_is_refused() -> None:
    with pytest.raises(PromptError, match="cannot read the prompt's mask: data has 0 bytes"):
        messages.prompt_request(msg.Prompt(mask=Image(height=2, width=2, step=2, encoding="mono8")))


@pytest.mark.parametrize("shape", [(4, 6), (4, 6, 3)])
def test_image_data_is_row_by_row(shape: tuple[int, ...]) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (8, 12, *shape[2:]), np.uint8)[::2, ::2]
    message = messages.image_message(pixels, "mono8" if len(shape) == 2 else "rgb8", HEADER)
    assert (message.height, message.width, message.step) == (4, 6, pixels[0].size)
    assert message.data.tobytes() == pixels.tobytes()
    assert message.header == HEADER


def track(**changes: object) -> Track:
    mask = np.zeros((6, 8), bool)
    mask[2:5, 3:7] = True
    mask[2, 3] = False
    fields: dict[str, Any] = dict(
        id=3,
        mask_value=2,
        label="cup",
        state=TrackState.VISIBLE,
        presence=0.75,
        predicted_iou=0.5,
        mask=mask,
        box=Box(3, 2, 7, 5),
        area=11,
        last_seen=12.5,
    )
    return Track(**{**fields, **changes})


def array_of(*tracks: Track, cropped_masks: bool = False) -> msg.TrackArray:
    result = FrameResult(messages.seconds(STAMP), 0, (6, 8), tracks)
    return messages.track_array(result, HEADER, messages.nearest_time, cropped_masks)


def test_every_field_of_a_track_is_written() -> None:
    array = array_of(track())
    (published,) = array.tracks
    assert (array.header, array.image_height, array.image_width) == (HEADER, 6, 8)
    assert (published.id, published.mask_value, published.label, published.area) == (3, 2, "cup", 11)
    assert (published.presence, published.predicted_iou, published.state) == (0.75, 0.5, msg.Track.VISIBLE)
    assert box_of(published.box) == Box(3, 2, 7, 5)
    assert published.last_seen == Time(sec=12, nanosec=500_000_000)
    assert (published.mask.height, published.has_position) == (0, False)


def test_tracks_are_written_in_order_of_id() -> None:
    assert [t.id for t in array_of(track(id=9), track(id=2), track(id=5)).tracks] == [2, 5, 9]


def test_a_cropped_mask_is_the_part_inside_the_box() -> None:
    (published,) = array_of(track(), cropped_masks=True).tracks
    crop = np.frombuffer(published.mask.data, np.uint8).reshape(published.mask.height, published.mask.width)
    np.testing.assert_array_equal(crop, track().mask[2:5, 3:7] * 255)
    assert published.mask.encoding == "mono8"


def test_an_object_that_is_not_visible_has_neither_box_nor_mask() -> None:
    hidden = track(mask=np.zeros((6, 8), bool), box=None, area=0, state=TrackState.OCCLUDED)
    (published,) = array_of(hidden, cropped_masks=True).tracks
    assert (published.box, published.area, published.mask.height) == (msg.Box(), 0, 0)


@pytest.mark.parametrize("state", TrackState)
def test_every_state_has_a_constant(state: TrackState) -> None:
    (published,) = array_of(track(state=state)).tracks
    assert published.state == getattr(msg.Track, state.name)
    assert messages.state_of(published) is state


@pytest.mark.parametrize("kind", EventKind)
def test_every_event_is_written_and_read(kind: EventKind) -> None:
    event = Event(kind, 4, 12.5, absence=1.5, reason="because")
    message = messages.event_message(event, "optical", "cup", messages.nearest_time)
    assert message.type == getattr(msg.TrackEvent, kind.name)
    assert (message.label, message.header.frame_id) == ("cup", "optical")
    assert messages.event_of(message) == event
