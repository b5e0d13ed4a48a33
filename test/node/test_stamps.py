"""Stamps of images and prompts as real drivers publish them, through the node."""

import itertools
import time
from collections.abc import Callable

import numpy as np
import pytest
from builtin_interfaces.msg import Time
from geometry_msgs.msg import Point, PointStamped
from sam2_ros.msg import Prompt, TrackEvent
from std_msgs.msg import Header

from sam2_ros.node.conversions.messages import image_message, nearest_time, seconds

from .conftest import Robot


@pytest.fixture(scope="module")
def shared_robot(start: Callable[..., Robot]) -> Robot:
    """A node without other warnings."""
    robot = start("stamp_tracker", image_timeout=600.0)
    robot.bring_up()
    return robot


def noise() -> np.ndarray:
    return np.random.default_rng(1).integers(0, 256, (96, 128, 3), np.uint8)


def values(robot: Robot) -> dict[str, str]:
    """The newest diagnostics."""
    return {entry.key: entry.value for entry in robot.diagnostics[-1].status[0].values}


def count(robot: Robot, key: str) -> int:
    robot.wait_for(lambda: robot.diagnostics, "diagnostics")
    return int(values(robot)[key])


def resets(robot: Robot) -> list[TrackEvent]:
    """Those that stamps were the reason for."""
    return [event for event in robot.events if event.type == TrackEvent.RESET and "stamps" in event.reason]


def test_a_permanent_jump_back_of_stamps_resets_the_tracker_with_a_reason(robot: Robot) -> None:
    robot.add()
    newest = seconds(robot.show().header.stamp)
    tracks = robot.jump(newest - 60.0)
    assert len(tracks.tracks) == 0
    (event,) = robot.wait_for(lambda: resets(robot), "reset")
    assert f"image stamps jumped back from {newest:.3f} s to {newest - 60.0 + 1 / 30:.3f} s" in event.reason
    assert event.header == tracks.header
    assert robot.add().success
    assert len(robot.show().tracks) == 1


def test_a_permanent_jump_ahead_of_stamps_is_accepted_and_objects_are_kept(robot: Robot) -> None:
    tracked = robot.add().object_id
    tracks = robot.jump(seconds(robot.show().header.stamp) + 600.0)
    assert [track.id for track in tracks.tracks] == [tracked]
    assert resets(robot) == []


@pytest.mark.parametrize("offset", [4.4, -4.4, -1_000_000.0], ids=["ahead", "behind", "from boot"])
def test_a_single_stray_stamp_is_ignored_and_counted(robot: Robot, offset: float) -> None:
    tracked = robot.add().object_id
    newest = seconds(robot.show().header.stamp)
    robot.diagnostics.clear()  # older ones may not count the strays of the last test
    before = int(
        robot.wait_for(lambda: robot.diagnostics and values(robot), "diagnostics")["frames with a stray stamp"]
    )
    stray = robot.send(newest + offset)
    robot.wait_for(lambda: int(values(robot)["frames with a stray stamp"]) == before + 1, "count of the stray")
    robot.jump(newest)
    assert [track.id for track in robot.show().tracks] == [tracked]
    assert robot.tracks_of(stray) == []
    assert resets(robot) == []


def test_a_prompt_on_an_image_whose_stamp_is_ignored_is_rejected(robot: Robot) -> None:
    newest = seconds(robot.show().header.stamp)
    stray = robot.send(newest - 30.0)
    robot.prompt(Prompt(header=stray, clicks=[robot.middle]))
    assert "no buffered frame is stamped" in robot.wait_for_event(TrackEvent.PROMPT_REJECTED).reason
    robot.jump(newest)


OUT_OF_RANGE = [Time(sec=2**31 - 1), Time(sec=-5), Time(sec=1, nanosec=1_000_000_000)]


@pytest.mark.parametrize("stamp", OUT_OF_RANGE, ids=["near the limit", "negative", "nanoseconds"])
def test_a_stamp_out_of_range_is_refused_with_a_reason_and_tracking_continues(robot: Robot, stamp: Time) -> None:
    tracked = robot.add().object_id
    reason = f"sec {stamp.sec} and nanosec {stamp.nanosec}, expected sec in 0.."
    header = Header(stamp=stamp, frame_id="optical")
    robot.send_message(image_message(noise(), "rgb8", header))
    robot.wait_for(lambda: robot.diagnostics and reason in values(robot)["last error"], "report of the image")
    robot.prompt(Prompt(header=header, clicks=[robot.middle]))
    assert reason in robot.wait_for_event(TrackEvent.PROMPT_REJECTED).reason
    received = len(robot.events)
    robot.click(PointStamped(header=header, point=Point(x=40.0, y=40.0)))
    assert reason in robot.wait_for_event(TrackEvent.PROMPT_REJECTED, after=received).reason
    answer = robot.add(header=header, clicks=[robot.middle])
    assert (answer.success, reason in answer.message) == (False, True)
    assert [track.id for track in robot.show().tracks] == [tracked]


def test_repeated_and_late_images_are_ignored_and_counted(robot: Robot) -> None:
    tracked = robot.add().object_id
    shown = robot.show().header
    before = count(robot, "frames out of order")
    robot.send(seconds(shown.stamp))
    robot.wait_for(lambda: count(robot, "frames out of order") == before + 1, "count of the same image")
    late = robot.send(seconds(shown.stamp) - 0.04)
    robot.wait_for(lambda: count(robot, "frames out of order") == before + 2, "count of the late image")
    robot.send(seconds(shown.stamp))
    assert robot.tracks_of(late) == []
    assert [track.id for track in robot.show().tracks] == [tracked]


# ---- streams with mostly invalid stamps


def stream_until_warned(robot: Robot, expected: str, *headers: Header) -> None:
    """Sends images of these headers in turn until the diagnostics and the log have that warning."""
    upcoming = itertools.cycle(headers)

    def is_warned() -> bool:
        robot.send_message(image_message(noise(), "rgb8", next(upcoming)))
        time.sleep(0.02)
        status = robot.diagnostics[-1].status[0]
        return status.level == status.WARN and expected in status.message

    robot.wait_for(is_warned, f"warning {expected!r}")
    robot.wait_for_log(expected)


@pytest.fixture
def healthy(robot: Robot) -> Robot:
    """A node without warnings."""

    def is_healthy() -> bool:
        robot.send(robot.next_stamp())
        time.sleep(0.02)
        return bool(robot.diagnostics) and robot.diagnostics[-1].status[0].message == "tracking"

    robot.wait_for(is_healthy, "end of the warnings")
    return robot


def test_images_with_equal_stamps_cause_a_warning(healthy: Robot) -> None:
    warning = "images are ignored: they repeat the newest stamp: let the driver stamp each image with its own time"
    stream_until_warned(healthy, warning, Header(stamp=nearest_time(healthy.next_stamp()), frame_id="optical"))


def test_images_without_stamps_cause_a_warning(healthy: Robot) -> None:
    stream_until_warned(healthy, "images are ignored: their stamps are zero", Header(frame_id="optical"))


@pytest.mark.slow
def test_two_cameras_on_one_topic_cause_a_warning_and_tracking_continues(healthy: Robot) -> None:
    tracked = healthy.add().object_id
    frame_ids = ("left", "right")
    headers = [Header(stamp=nearest_time(healthy.next_stamp()), frame_id=frame_ids[i % 2]) for i in range(4000)]
    stream_until_warned(healthy, "2 cameras share /image, the frame_id alternates between ", *headers)
    log = healthy.tracker.log  # in the order in which their images arrived
    assert "between 'left', 'right'" in log or "between 'right', 'left'" in log
    assert [track.id for track in healthy.show().tracks] == [tracked]
