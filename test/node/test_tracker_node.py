"""The active node through its topics and services, from another process."""

import array
import math
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import cv2
import numpy as np
import pytest
from builtin_interfaces.msg import Time
from geometry_msgs.msg import Point, PointStamped
from sam2_ros.msg import Box, Click, Prompt, Track, TrackArray, TrackEvent
from sam2_ros.srv import RemoveObject, SelectObject
from sensor_msgs.msg import CompressedImage, Image
from std_msgs.msg import Header
from std_srvs.srv import SetBool, Trigger

from sam2_ros.node.conversions.messages import image_message, nearest_time, seconds

from .conftest import Robot

HEIGHT, WIDTH = 96, 128


def pixels(message: Image) -> np.ndarray:
    return np.frombuffer(message.data, np.uint8).reshape(message.height, message.width, -1).squeeze()


def noise(height: int = HEIGHT, width: int = WIDTH) -> np.ndarray:
    return np.random.default_rng(1).integers(0, 256, (height, width, 3), np.uint8)


def values(robot: Robot) -> dict[str, str]:
    """The newest diagnostics."""
    return {entry.key: entry.value for entry in robot.diagnostics[-1].status[0].values}


# ---- what comes out


def test_every_result_has_the_header_of_its_image_to_the_nanosecond(robot: Robot) -> None:
    robot.add()
    stamp = robot.jump(1_700_009_000.0).header.stamp
    header = Header(stamp=Time(sec=stamp.sec, nanosec=stamp.nanosec + 10_123_789), frame_id="left_eye")
    robot.send_message(image_message(noise(), "bgr8", header))

    def has_header(received: list[Any]) -> bool:
        return any(m.header == header for m in list(received))

    for received in (robot.tracks, robot.masks, robot.target_masks, robot.overlays):
        robot.wait_for(partial(has_header, received), "output of that header")


def test_without_objects_the_array_and_the_mask_are_empty(robot: Robot) -> None:
    tracks = robot.show()
    assert (len(tracks.tracks), tracks.image_height, tracks.image_width) == (0, HEIGHT, WIDTH)
    mask = robot.wait_for(lambda: [m for m in list(robot.masks) if m.header == tracks.header], "mask")[0]
    assert (mask.encoding, pixels(mask).shape, pixels(mask).any()) == ("mono8", (HEIGHT, WIDTH), False)


def test_a_track_describes_its_object(robot: Robot) -> None:
    answer = robot.add(label="cup", clicks=[robot.middle])
    (track,) = robot.show().tracks
    assert (track.id, track.label, track.state) == (answer.object_id, "cup", Track.VISIBLE)
    assert 0.0 <= track.presence <= 1.0
    assert track.last_seen == robot.tracks[-1].header.stamp
    assert track.mask.height == 0


def test_the_label_image_shows_each_object_by_its_mask_value(robot: Robot) -> None:
    robot.add(has_box=True, box=Box(x_min=10.0, y_min=10.0, x_max=50.0, y_max=60.0))
    robot.add(has_box=True, box=Box(x_min=60.0, y_min=10.0, x_max=120.0, y_max=60.0))
    tracks = robot.show()
    mask = robot.wait_for(lambda: [m for m in list(robot.masks) if m.header == tracks.header], "mask")[0]
    shown = {track.mask_value for track in tracks.tracks if track.area}
    assert shown
    assert set(np.unique(pixels(mask))) - {0} <= shown


def test_the_overlay_is_the_image_with_masks_drawn_on_it(robot: Robot) -> None:
    robot.add()
    image = noise()
    tracks = robot.show(pixels=image)
    overlay = robot.wait_for(lambda: [m for m in list(robot.overlays) if m.header == tracks.header], "overlay")[0]
    assert (overlay.encoding, pixels(overlay).shape) == ("rgb8", image.shape)
    assert (pixels(overlay) != image).any()


def test_cropped_masks_are_published_where_the_parameter_is_true(robot: Robot) -> None:
    robot.add()
    assert robot.set_parameter("publish_cropped_masks", True).successful
    tracks = robot.show()
    assert robot.set_parameter("publish_cropped_masks", False).successful
    (track,) = tracks.tracks
    labels = robot.wait_for(lambda: [m for m in list(robot.masks) if m.header == tracks.header], "mask")[0]
    left, top = int(track.box.x_min), int(track.box.y_min)
    region = pixels(labels)[top : top + track.mask.height, left : left + track.mask.width]
    np.testing.assert_array_equal(pixels(track.mask), np.where(region == track.mask_value, 255, 0))
    assert (pixels(track.mask) > 0).sum() == track.area == (pixels(labels) == track.mask_value).sum()


def test_diagnostics_contain_status_counts_and_latencies(robot: Robot) -> None:
    robot.add()
    robot.show()
    text = robot.wait_for(lambda: robot.diagnostics and values(robot).get("objects") == "1" and values(robot), "count")
    assert text["device"] == "cpu"
    assert int(text["frames received"]) >= int(text["frames processed"]) >= 1
    assert float(text["latency p99 (ms)"]) >= float(text["latency median (ms)"]) > 0
    assert robot.diagnostics[-1].status[0].name == "sam2_tracker: tracking"


# ---- prompts


def test_add_object_responds_with_the_mask_on_the_newest_image(robot: Robot) -> None:
    header = robot.show().header
    answer = robot.add(clicks=[robot.middle])
    assert answer.success, answer.message
    assert answer.mask.header == header
    assert (answer.mask.encoding, pixels(answer.mask).shape) == ("mono8", (HEIGHT, WIDTH))
    assert set(np.unique(pixels(answer.mask))) == {0, 255}


def test_add_object_warns_about_a_mask_of_nearly_the_whole_image(robot: Robot) -> None:
    robot.show()
    answer = robot.add(mask=image_message(np.ones((HEIGHT, WIDTH), np.uint8), "mono8", Header()))
    assert answer.success
    assert "the mask covers 100 % of the image: is it inverted?" in answer.message


def mask_prompt() -> Prompt:
    mask = np.zeros((HEIGHT, WIDTH), np.uint8)
    mask[20:60, 30:70] = 1
    return Prompt(mask=image_message(mask, "mono8", Header()))


@pytest.mark.parametrize(
    "prompt",
    [
        Prompt(clicks=[Click(x=20.0, y=30.0), Click(x=100.0, y=90.0, positive=False)]),
        Prompt(has_box=True, box=Box(x_min=10.0, y_min=20.0, x_max=60.0, y_max=70.0)),
        mask_prompt(),
    ],
    ids=["clicks", "box", "mask"],
)
def test_a_prompt_starts_an_object(robot: Robot, prompt: Prompt) -> None:
    prompt.label = "thing"
    robot.prompt(prompt)
    event = robot.wait_for_event(TrackEvent.STARTED)
    assert event.label == "thing"
    assert [track.id for track in robot.show().tracks] == [event.object_id]


def test_a_prompt_with_an_object_id_refines_that_object(robot: Robot) -> None:
    first = robot.add()
    refined = robot.add(object_id=first.object_id, label="mug", clicks=[Click(x=5.0, y=5.0, positive=False)])
    assert (refined.success, refined.object_id) == (True, first.object_id)
    assert [(track.id, track.label) for track in robot.show().tracks] == [(first.object_id, "mug")]


def test_a_stamped_click_starts_an_object_on_its_own_image(robot: Robot) -> None:
    clicked = robot.show().header
    robot.show()
    robot.click(PointStamped(header=clicked, point=Point(x=40.0, y=40.0)))
    assert robot.wait_for_event(TrackEvent.STARTED).header == clicked


def test_an_unstamped_click_starts_an_object_on_the_newest_image(robot: Robot) -> None:
    newest = robot.show().header
    robot.click_point(Point(x=40.0, y=40.0))
    assert seconds(robot.wait_for_event(TrackEvent.STARTED).header.stamp) == seconds(newest.stamp)


def test_an_object_is_published_on_the_newest_image_without_waiting_for_the_next(robot: Robot) -> None:
    newest = robot.show().header
    answer = robot.add()
    robot.wait_for(lambda: [t.id for t in robot.tracks_of(newest)[-1].tracks] == [answer.object_id], "new tracks")


def test_a_prompt_that_is_ahead_of_its_image_waits_for_it(robot: Robot) -> None:
    stamp = robot.next_stamp()
    header = Header(stamp=nearest_time(stamp), frame_id="optical")
    robot.prompt(Prompt(header=header, clicks=[robot.middle]))
    time.sleep(0.3)
    assert not robot.events
    robot.send(stamp)
    assert robot.wait_for_event(TrackEvent.STARTED).header == header


def test_a_late_prompt_is_applied_to_its_own_image_and_propagated(robot: Robot) -> None:
    past = robot.show().header
    for _ in range(3):
        newest = robot.show().header
    answer = robot.add(header=past, clicks=[robot.middle])
    assert answer.success, answer.message
    assert robot.wait_for_event(TrackEvent.STARTED).header == past
    assert answer.mask.header == newest


def test_a_prompt_for_a_dropped_image_is_applied_to_the_nearest_one(robot: Robot) -> None:
    shown = robot.show().header
    near = Header(stamp=nearest_time(seconds(shown.stamp) - 0.01), frame_id="optical")
    robot.prompt(Prompt(header=near, clicks=[robot.middle]))
    assert seconds(robot.wait_for_event(TrackEvent.STARTED).header.stamp) == seconds(shown.stamp)


OUTSIDE = Prompt(clicks=[Click(x=500.0, y=10.0)])
NOT_A_NUMBER = Prompt(clicks=[Click(x=math.nan, y=10.0)])
EMPTY = Prompt()
UNKNOWN = Prompt(object_id=4711, clicks=[Click(x=10.0, y=10.0)])
TOO_OLD = Prompt(header=Header(stamp=Time(sec=1_600_000_000)), clicks=[Click(x=10.0, y=10.0)])
UNREADABLE_MASK = Prompt(mask=Image(height=3, width=3, encoding="mono8", step=3))
WRONG_MASK = Prompt(mask=image_message(np.ones((3, 3), np.uint8), "mono8", Header()))
BAD_PROMPTS = {
    "outside the image": (OUTSIDE, "click (500, 10) is outside the image, expected x in 0..127"),
    "NaN": (NOT_A_NUMBER, "not finite, expected pixels"),
    "no content": (EMPTY, "empty, expected a click, a box or a mask"),
    "unknown object": (UNKNOWN, "there is no object 4711; the objects are:"),
    "no longer buffered": (TOO_OLD, "buffered ones cover"),
    "mask that cannot be read": (UNREADABLE_MASK, "cannot read the prompt's mask: data has 0 bytes, expected"),
    "mask of another size": (WRONG_MASK, "mask has shape (3, 3), expected"),
}


@pytest.mark.parametrize(("prompt", "reason"), BAD_PROMPTS.values(), ids=BAD_PROMPTS)
def test_an_invalid_prompt_is_rejected_by_an_event_and_tracking_continues(
    robot: Robot, prompt: Prompt, reason: str
) -> None:
    kept = robot.add().object_id
    robot.prompt(prompt)
    event = robot.wait_for_event(TrackEvent.PROMPT_REJECTED)
    assert reason in event.reason
    assert event.object_id == prompt.object_id
    assert [track.id for track in robot.show().tracks] == [kept]


@pytest.mark.parametrize(("prompt", "reason"), BAD_PROMPTS.values(), ids=BAD_PROMPTS)
def test_an_invalid_prompt_is_refused_by_the_service_and_tracking_continues(
    robot: Robot, prompt: Prompt, reason: str
) -> None:
    kept = robot.add().object_id
    answer = robot.add(**{name: getattr(prompt, name) for name in prompt.get_fields_and_field_types()})
    assert not answer.success
    assert reason in answer.message
    assert [track.id for track in robot.show().tracks] == [kept]


def test_rejections_are_logged(robot: Robot) -> None:
    robot.prompt(OUTSIDE)
    robot.wait_for_log("prompt rejected: click (500, 10) is outside the image")


def test_a_click_outside_the_image_is_rejected_with_its_header(robot: Robot) -> None:
    header = robot.show().header
    robot.click(PointStamped(header=header, point=Point(x=-40.0, y=40.0)))
    event = robot.wait_for_event(TrackEvent.PROMPT_REJECTED)
    assert (event.header, "outside the image" in event.reason) == (header, True)


def test_more_objects_than_max_objects_are_refused(robot: Robot) -> None:
    answers = [robot.add() for _ in range(17)]
    assert [answer.success for answer in answers] == [True] * 16 + [False]
    assert "there are 16 objects already, as max_objects allows" in answers[-1].message
    assert len(robot.show().tracks) == 16


def test_a_prompt_whose_image_is_never_received_is_rejected_after_prompt_timeout(robot: Robot) -> None:
    assert robot.set_parameter("prompt_timeout", 0.3).successful
    ahead = Header(stamp=nearest_time(robot.next_stamp() + 100.0), frame_id="optical")
    answer = robot.add(header=ahead, clicks=[robot.middle])
    robot.prompt(Prompt(header=ahead, clicks=[robot.middle]))
    event = robot.wait_for_event(TrackEvent.PROMPT_REJECTED)
    robot.set_parameter("prompt_timeout", 60.0)
    for reason in (answer.message, event.reason):
        assert "did not arrive within prompt_timeout (the newest processed is" in reason


def test_waiting_prompts_beyond_the_limit_are_rejected(robot: Robot) -> None:
    ahead = Header(stamp=nearest_time(robot.next_stamp() + 0.5), frame_id="optical")
    for _ in range(70):
        robot.prompt(Prompt(header=ahead, clicks=[robot.middle]))
    event = robot.wait_for_event(TrackEvent.PROMPT_REJECTED)
    assert "64 prompts and requests are waiting already" in event.reason
    robot.show(stamp=seconds(ahead.stamp))
    assert len(robot.show().tracks) == 16


# ---- services


def test_a_removed_object_frees_its_mask_value(robot: Robot) -> None:
    first, second = robot.add().object_id, robot.add().object_id
    values_before = {track.id: track.mask_value for track in robot.show().tracks}
    assert robot.call("remove_object", RemoveObject.Request(object_id=first)).success
    assert robot.wait_for_event(TrackEvent.REMOVED).object_id == first
    third = robot.add().object_id
    tracks = {track.id: track.mask_value for track in robot.show().tracks}
    assert list(tracks) == [second, third]
    assert third > second
    assert tracks[third] == values_before[first]


def test_the_target_is_the_oldest_object_until_another_one_is_selected(robot: Robot) -> None:
    left = robot.add(has_box=True, box=Box(x_min=5.0, y_min=5.0, x_max=40.0, y_max=90.0)).object_id
    right = robot.add(has_box=True, box=Box(x_min=80.0, y_min=5.0, x_max=120.0, y_max=90.0)).object_id
    assert robot.set_parameter("publish_cropped_masks", True).successful

    def target_masks(header: Header) -> list[Image]:
        return [message for message in robot.target_masks if message.header == header]

    for chosen in (left, right):
        if chosen == right:
            assert robot.call("select_object", SelectObject.Request(object_id=right)).success
        tracks = robot.show()
        received = robot.wait_for(partial(target_masks, tracks.header), "target")
        (track,) = [track for track in tracks.tracks if track.id == chosen]
        assert (pixels(received[-1]) == 255).sum() == track.area
    robot.set_parameter("publish_cropped_masks", False)


def test_an_unknown_object_can_neither_be_removed_nor_selected(robot: Robot) -> None:
    for service, kind in (("remove_object", RemoveObject), ("select_object", SelectObject)):
        answer = robot.call(service, kind.Request(object_id=99_999))
        assert not answer.success
        assert "there is no object 99999; the objects are: none" in answer.message


def test_reset_drops_every_object(robot: Robot) -> None:
    robot.add()
    assert robot.call("reset", Trigger.Request()).success
    event = robot.wait_for_event(TrackEvent.RESET)
    assert "~/reset was called" in event.reason
    assert len(robot.show().tracks) == 0


def test_a_pause_keeps_the_tracked_objects(robot: Robot) -> None:
    tracked = robot.add().object_id
    assert robot.call("enable", SetBool.Request(data=False)).success
    ignored = robot.send(robot.next_stamp())
    robot.call("enable", SetBool.Request(data=False))  # by its answer the image was received, too
    time.sleep(0.3)
    assert robot.tracks_of(ignored) == []
    assert robot.call("enable", SetBool.Request(data=True)).success
    assert [track.id for track in robot.show().tracks] == [tracked]


# ---- bad images


BAD_IMAGES = {
    "unknown encoding": (dict(encoding="holography"), "the encoding 'holography' is unknown"),
    "short data": (dict(data=array.array("B", bytes(100))), "data has 100 bytes, expected step * height"),
    "short step": (dict(step=9), "step is 9 bytes, expected at least 384 for 128 pixels of rgb8"),
    "zero size": (dict(height=0, width=0), "the image is 0x0 pixels, expected at least 1x1"),
}


@pytest.mark.parametrize(("fault", "reason"), BAD_IMAGES.values(), ids=BAD_IMAGES)
def test_an_invalid_image_is_reported_and_tracking_continues(robot: Robot, fault: dict[str, Any], reason: str) -> None:
    tracked = robot.add().object_id
    message = image_message(noise(), "rgb8", Header(stamp=nearest_time(robot.next_stamp()), frame_id="optical"))
    for name, value in fault.items():
        setattr(message, name, value)
    robot.send_message(message)
    robot.wait_for(lambda: reason in values(robot)["last error"], "report of the image")
    assert [track.id for track in robot.show().tracks] == [tracked]


def test_an_invalid_image_is_logged(robot: Robot) -> None:
    robot.send_message(Image(header=Header(stamp=nearest_time(robot.next_stamp())), encoding="rgb8"))
    robot.wait_for_log("[ERROR]")
    robot.wait_for_log("cannot read an image: ")


def test_a_change_of_resolution_is_logged_and_tracking_continues(robot: Robot) -> None:
    tracked = robot.add().object_id
    tracks = robot.show(pixels=noise(48, 64))
    assert ([track.id for track in tracks.tracks], tracks.image_height, tracks.image_width) == ([tracked], 48, 64)
    robot.wait_for_log("the image size changed from 128x96 to 64x48")


def test_a_silent_camera_is_reported_until_images_are_received_again(robot: Robot) -> None:
    robot.show()
    assert robot.set_parameter("image_timeout", 0.3).successful
    silent = robot.wait_for(
        lambda: [d.status[0] for d in list(robot.diagnostics) if "no image on /image for" in d.status[0].message],
        "warning of a silent camera",
    )
    assert silent[0].level == silent[0].WARN
    assert "although there is 1 publisher (reliable, requested: best_effort)" in silent[0].message
    robot.wait_for_log("no image on /image for")
    robot.set_parameter("image_timeout", 60.0)
    robot.show()
    robot.wait_for(lambda: robot.diagnostics[-1].status[0].level == silent[0].OK, "end of the warning")


# ---- parameters at run time


def test_a_parameter_of_the_model_cannot_be_set_while_configured(robot: Robot) -> None:
    result = robot.set_parameter("max_objects", 3)
    assert not result.successful
    assert "max_objects is fixed while the node is configured" in result.reason


@pytest.mark.parametrize(
    ("name", "value", "reason"),
    [
        ("image_timeout", -1.0, "image_timeout out of range Min: 0.1, Max: 3600.0, value: -1.0"),
        ("image_timeout", "soon", "image_timeout is 'soon' (str), expected a number"),
        ("model", "x", "model is 'x'"),
    ],
)
def test_an_invalid_value_is_refused_at_run_time(robot: Robot, name: str, value: object, reason: str) -> None:
    result = robot.set_parameter(name, value)
    assert not result.successful
    assert reason in result.reason
    assert robot.show().header


# ---- the compressed camera


@pytest.fixture(scope="module")
def compressed_robot(start: Callable[..., Robot]) -> Robot:
    robot = start("compressed_tracker", image_transport="compressed")
    robot.bring_up()
    return robot


def jpeg(header: Header, damage: Callable[[bytes], bytes] = lambda data: data) -> CompressedImage:
    data = cv2.imencode(".jpg", noise())[1].tobytes()
    return CompressedImage(header=header, format="jpeg", data=array.array("B", damage(data)))


def test_tracking_on_compressed_images_continues_after_a_corrupt_jpeg(compressed_robot: Robot) -> None:
    robot = compressed_robot

    def processed() -> list[TrackArray]:
        header = Header(stamp=nearest_time(robot.next_stamp()), frame_id="optical")
        robot.send_message(jpeg(header))
        time.sleep(0.2)
        return robot.tracks_of(header)

    robot.wait_for(processed, "tracks on a JPEG")
    robot.send_message(jpeg(Header(stamp=nearest_time(robot.next_stamp())), lambda data: data[: len(data) // 2]))
    robot.wait_for_log("cut off before its end marker")
    assert robot.wait_for(processed, "tracks after the corrupt JPEG")
