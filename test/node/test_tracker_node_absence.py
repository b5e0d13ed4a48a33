"""An absent object through the node, with a model that sees only what it is prompted with."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from sam2_ros.msg import Track, TrackEvent
from sensor_msgs.msg import Image
from std_msgs.msg import Header

from sam2_ros.model import save_weights, seeded_model
from sam2_ros.node.conversions.messages import image_message, seconds

from .conftest import Robot

HEIGHT, WIDTH = 96, 128
START = 1_700_000_000.0


@pytest.fixture(scope="module")
def blind_robot(start: Callable[..., Robot], tmp_path_factory: pytest.TempPathFactory) -> Robot:
    """An active node whose objects are absent from the image after that of their prompt on."""
    weights: Path = tmp_path_factory.mktemp("blind") / "nano.safetensors"
    save_weights(seeded_model("nano", seed=0, occlusion_bias=-50.0), weights)
    robot = start(checkpoint=weights, occluded_after=0.0, lost_after=0.5, remove_after=2.0)
    robot.bring_up()
    return robot


@pytest.fixture
def robot(blind_robot: Robot) -> Robot:
    blind_robot.drop_objects()
    return blind_robot


def square() -> Image:
    mask = np.zeros((HEIGHT, WIDTH), np.uint8)
    mask[30:60, 40:80] = 255
    return image_message(mask, "mono8", Header())


def show_at(robot: Robot, *offsets: float) -> list[Track]:
    """The tracks of the last of images that come so many seconds after the newest one."""
    newest = seconds(robot.tracks[-1].header.stamp)
    for offset in offsets:
        tracks = robot.show(stamp=round(newest + offset, 3)).tracks
    return tracks


def test_an_absent_object_is_occluded_then_lost_with_the_seconds_of_its_absence(robot: Robot) -> None:
    robot.show()
    robot.add(mask=square())
    (track,) = show_at(robot, 0.25)
    assert (track.state, track.area) == (Track.OCCLUDED, 0)
    assert robot.wait_for_event(TrackEvent.OCCLUDED).absence == pytest.approx(0.25, abs=1e-3)
    (track,) = show_at(robot, 0.5)
    assert track.state == Track.LOST
    assert robot.wait_for_event(TrackEvent.LOST).absence == pytest.approx(0.75, abs=1e-3)


def test_a_prompt_reacquires_a_lost_object(robot: Robot) -> None:
    robot.show()
    track_id = robot.add(mask=square()).object_id
    show_at(robot, 0.25, 0.75)
    answer = robot.add(object_id=track_id, mask=square())
    assert answer.success
    event = robot.wait_for_event(TrackEvent.REACQUIRED)
    assert (event.object_id, event.reason) == (track_id, "after a prompt")
    assert event.absence == pytest.approx(0.75, abs=1e-3)


def test_an_object_that_stays_lost_is_removed_with_a_reason(robot: Robot) -> None:
    robot.show()
    first = robot.add(mask=square())
    assert len(show_at(robot, 0.25, 0.75, 1.75)) == 1
    assert len(show_at(robot, 0.5)) == 0
    event = robot.wait_for_event(TrackEvent.REMOVED)
    assert (event.object_id, event.reason) == (first.object_id, "lost: not seen for longer than remove_after (2 s)")
    assert event.absence == pytest.approx(2.25, abs=1e-3)
    second = robot.add(mask=square())
    assert second.object_id > first.object_id
    (track,) = robot.tracks[-1].tracks
    assert track.mask_value == 1
