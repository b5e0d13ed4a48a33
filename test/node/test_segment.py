"""~/segment and discovery through the real node, from another process."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from builtin_interfaces.msg import Time
from sam2_ros.msg import Box, Click, Prompt, TrackEvent
from sam2_ros.srv import Segment
from sensor_msgs.msg import Image
from std_msgs.msg import Header
from std_srvs.srv import Trigger

import sam2_ros
from sam2_ros.node.conversions.messages import image_message, nearest_time

from .conftest import Robot

HEIGHT, WIDTH = 96, 128
NANO = Path(sam2_ros.__file__).parent / "weights" / "nano.safetensors"


def everything(points_per_side: int = 4, **fields: Any) -> Segment.Request:
    """With thresholds that random weights reach."""
    thresholds = {"min_predicted_iou": 1e-6, "min_stability": 1e-6}
    return Segment.Request(everything=True, points_per_side=points_per_side, **{**thresholds, **fields})


def clicks(*places: tuple[float, float], **fields: Any) -> Segment.Request:
    prompts = [Prompt(clicks=[Click(x=x, y=y)]) for x, y in places]
    return Segment.Request(prompts=prompts, **fields)


def pixels(message: Image) -> np.ndarray:
    return np.frombuffer(message.data, np.uint8).reshape(message.height, message.width)


def values(robot: Robot) -> dict[str, str]:
    """The newest diagnostics."""
    return {entry.key: entry.value for entry in robot.diagnostics[-1].status[0].values}


def test_each_prompt_is_answered_with_its_mask_and_nothing_is_tracked(robot: Robot) -> None:
    header = robot.show().header
    request = clicks((30.0, 40.0), (100.0, 50.0))
    request.prompts.append(Prompt(has_box=True, box=Box(x_min=10.0, y_min=10.0, x_max=60.0, y_max=60.0)))
    answer = robot.call("segment", request)
    assert answer.success, answer.message
    assert (answer.header, answer.image_height, answer.image_width) == (header, HEIGHT, WIDTH)
    assert [mask.prompt for mask in answer.masks] == [0, 1, 2]
    for mask in answer.masks:
        assert (mask.mask.encoding, mask.mask.header) == ("mono8", header)
        assert (mask.mask.width, mask.mask.height) == (mask.box.x_max - mask.box.x_min, mask.box.y_max - mask.box.y_min)
        assert (pixels(mask.mask) == 255).sum() == mask.area > 0
        assert 0 <= mask.predicted_iou <= 1
    assert robot.show().tracks == [] and not robot.events


def test_three_masks_of_a_prompt(robot: Robot) -> None:
    answer = robot.call("segment", clicks((30.0, 40.0), multimask=True))
    assert [mask.prompt for mask in answer.masks] == [0, 0, 0]


def test_images_are_tracked_while_everything_is_searched(robot: Robot) -> None:
    robot.add()
    robot.show()
    client = robot.connected_client(Segment, "segment")
    answer = client.call_async(everything(points_per_side=64))
    for _ in range(5):
        assert len(robot.show().tracks) == 1
    assert not answer.done()
    waiting = lambda: values(robot).get("segmentations waiting") == "1"  # noqa: E731
    robot.wait_for(waiting, "count of segmentations")
    robot.call("reset", Trigger.Request())
    robot.wait_for(answer.done, "answer")
    assert not answer.result().success
    assert "the tracker was reset before the masks were found (~/reset was called)" in answer.result().message


@pytest.mark.slow
def test_many_requests_are_answered_or_refused(robot: Robot) -> None:
    robot.show()
    client = robot.connected_client(Segment, "segment")
    answers = [client.call_async(everything(points_per_side=24)) for _ in range(12)]
    robot.wait_for(lambda: all(answer.done() for answer in answers), "answers")
    results = [answer.result() for answer in answers]
    refused = [result.message for result in results if not result.success]
    assert 8 <= len(results) - len(refused)
    assert all("8 segmentations are waiting already" in message for message in refused)
    assert robot.show().header


def object_of(**fields: Any) -> Segment.Request:
    return Segment.Request(prompts=[Prompt(clicks=[Click(x=5.0, y=5.0)], **fields)])


BAD_REQUESTS = {
    "nothing": (Segment.Request(), "the request has neither prompts nor everything, expected one of them"),
    "both": (clicks((1.0, 1.0), everything=True), "the request has everything beside prompts"),
    "outside": (clicks((5.0, 5.0), (500.0, 5.0)), "prompts[1]: click (500, 5) is outside the image"),
    "empty prompt": (Segment.Request(prompts=[Prompt()]), "prompts[0]: prompt is empty, expected a click, a box"),
    "object id": (object_of(object_id=3), "prompts[0] has object_id 3, expected 0"),
    "mask": (
        object_of(mask=image_message(np.ones((HEIGHT, WIDTH), np.uint8), "mono8", Header())),
        "prompts[0] has a mask, expected clicks or a box",
    ),
    "two stamps": (object_of(header=Header(stamp=Time(sec=7))), "prompts[0] has another stamp than the request"),
    "many prompts": (clicks(*[(5.0, 5.0)] * 65), "the request has 65 prompts, expected at most 64"),
    "fine grid": (everything(points_per_side=1000), "points_per_side is 1000, expected at most 64"),
    "many masks": (everything(max_masks=1000), "max_masks is 1000, expected at most 256"),
    "threshold": (everything(min_stability=95.0), "min_stability is 95, expected 0..1"),
    "not a number": (everything(min_predicted_iou=float("nan")), "min_predicted_iou is nan, expected 0..1"),
    "no longer buffered": (everything(stamp=Time(sec=1_600_000_000)), "buffered ones cover"),
    "no stamp": (everything(stamp=Time(sec=-1)), "its stamp has sec -1"),
}


@pytest.mark.parametrize(("request_", "reason"), BAD_REQUESTS.values(), ids=BAD_REQUESTS)
def test_a_bad_request_is_refused_with_the_reason_and_tracking_continues(
    robot: Robot, request_: Segment.Request, reason: str
) -> None:
    tracked = robot.add().object_id
    answer = robot.call("segment", request_)
    assert not answer.success
    assert reason in answer.message
    assert [track.id for track in robot.show().tracks] == [tracked]


def test_an_image_with_nothing_has_no_masks(robot: Robot) -> None:
    robot.show(pixels=np.full((HEIGHT, WIDTH, 3), 127, np.uint8))
    answer = robot.call("segment", everything(min_predicted_iou=1.0))
    assert answer.success and answer.masks == []
    assert "nothing found" in answer.message


def test_deactivation_answers_requests_that_are_not_done(robot: Robot) -> None:
    robot.show()
    client = robot.connected_client(Segment, "segment")
    ahead = client.call_async(everything(stamp=nearest_time(robot.next_stamp() + 100.0)))
    here = [client.call_async(everything(points_per_side=64)) for _ in range(8)]
    robot.wait_for(lambda: int(values(robot).get("segmentations waiting", 0)), "count of segmentations")
    assert robot.change("deactivate") == [True]
    robot.wait_for(lambda: all(answer.done() for answer in [*here, ahead]), "answers")
    inactive = robot.call("segment", everything())
    assert robot.change("activate") == [True]
    robot.connect()
    messages = [answer.result().message for answer in here if not answer.result().success]
    assert any("the node was deactivated before the masks were found" in text for text in messages)
    assert all("deactivated" in text or "activate the node first" in text for text in messages)
    assert "the node was deactivated before the image" in ahead.result().message
    assert "activate the node first" in inactive.message
    robot.show()
    assert robot.call("segment", clicks((5.0, 5.0))).success


# ---- discovery


@pytest.fixture(scope="module")
def discovering_robot(start: Callable[..., Robot]) -> Robot:
    """An active node with the bundled model."""
    robot = start("discovering_tracker", checkpoint=NANO, image_size=0, discover=0.1, discover_points_per_side=8)
    robot.bring_up()
    return robot


def discovered(robot: Robot) -> set[int]:
    started = [event for event in list(robot.events) if event.type == TrackEvent.STARTED]
    return {event.object_id for event in started if event.reason.startswith("discovered (predicted IoU")}


def test_objects_in_view_are_tracked_without_a_prompt(
    discovering_robot: Robot, picture: Callable[..., np.ndarray]
) -> None:
    robot, rgb = discovering_robot, picture(("red", 80, 70, 25), ("blue", 220, 80, 30))
    robot.wait_for(lambda: robot.show(pixels=rgb) and len(discovered(robot)) == 2, "discovered objects")
    ids = discovered(robot)
    assert {track.id for track in robot.show(pixels=rgb).tracks} == ids
    robot.wait_for(lambda: values(robot).get("objects discovered") == "2", "count of discovered objects")


@pytest.mark.parametrize(
    ("name", "value", "reason"),
    [
        ("discover_region", "0,0,640,480", "expected left,top,right,bottom as shares of the image"),
        ("discover_region", "0.5,0,0.5,1", "region is (0.5, 0, 0.5, 1), expected left < right"),
        ("discover_min_area", 0.5, "min_area is 0.5 and max_area 0.25, expected 0 <= min_area <= max_area <= 1"),
    ],
)
def test_limits_that_contradict_each_other_are_refused(
    discovering_robot: Robot, name: str, value: Any, reason: str
) -> None:
    result = discovering_robot.set_parameter(name, value)
    assert not result.successful
    assert reason in result.reason


def test_discovery_is_turned_off_and_limited_at_run_time(
    discovering_robot: Robot, picture: Callable[..., np.ndarray]
) -> None:
    robot, rgb = discovering_robot, picture(("red", 80, 70, 25), ("blue", 220, 80, 30))
    assert robot.set_parameter("discover", 0.0).successful
    robot.drop_objects()
    for _ in range(3):
        assert robot.show(pixels=rgb).tracks == []
    assert robot.set_parameter("discover_region", "0.5, 0, 1, 1").successful
    assert robot.set_parameter("discover", 0.1).successful
    robot.wait_for(lambda: robot.show(pixels=rgb) and discovered(robot), "discovered object")
    time.sleep(1.0)
    (track,) = robot.show(pixels=rgb).tracks
    assert track.box.x_min > 160


def test_everything_on_an_earlier_image(discovering_robot: Robot, picture: Callable[..., np.ndarray]) -> None:
    robot = discovering_robot
    assert robot.set_parameter("discover", 0.0).successful
    header = robot.show(pixels=picture(("red", 80, 70, 25), ("blue", 220, 80, 30))).header
    robot.show(pixels=picture())
    answer = robot.call("segment", Segment.Request(everything=True, points_per_side=8, stamp=header.stamp))
    assert answer.success, answer.message
    assert answer.header == header and len(answer.masks) >= 2
    scores = [mask.predicted_iou for mask in answer.masks]
    assert scores == sorted(scores, reverse=True)
    assert all(mask.stability_score > 0.5 for mask in answer.masks)
    few = Segment.Request(everything=True, points_per_side=8, stamp=header.stamp, max_masks=1)
    assert len(robot.call("segment", few).masks) == 1
