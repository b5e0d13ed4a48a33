"""What is said of images and depth that do not meet."""

import time

import pytest

from sam2_ros.node.depth_watch import DepthWatch

TIMEOUT = 0.2  # seconds


def unmet(slop: float, apart: dict[str, float]) -> DepthWatch:
    """Images that have gone without depth for longer than TIMEOUT; stamps of the other topics lie seconds apart."""
    watch = DepthWatch(slop)
    watch.miss()
    time.sleep(2 * TIMEOUT)
    for i in range(20):
        watch.hear("image", 1000.0 + i)
        watch.miss()
        for topic, distance in apart.items():
            watch.hear(topic, 1000.0 + i + distance)
    return watch


def problem(watch: DepthWatch) -> str:
    return watch.problem(TIMEOUT, lambda topic, silence: f"{topic} is silent")


@pytest.mark.parametrize("silent", ["depth", "camera_info"])
def test_a_silent_topic_is_named(silent: str) -> None:
    apart = {topic: 0.0 for topic in ("depth", "camera_info") if topic != silent}
    assert problem(unmet(0.0, apart)) == f"{silent} is silent; tracking goes on in 2-D"


def test_stamps_that_differ_are_told_with_numbers() -> None:
    told = problem(unmet(5.0, {"depth": -0.0125, "camera_info": 0.0}))
    assert "of depth by 12.5 ms and of camera_info by 0.0 ms, and depth_slop is 5 ms" in told
    assert "set depth_slop above 12.5" in told


def test_depth_that_comes_too_late_is_told_apart_from_stamps_that_differ() -> None:
    told = problem(unmet(15.0, {"depth": 0.0125, "camera_info": 0.0}))
    assert "their stamps agree, but depth comes when its image's results are out already" in told


def test_one_image_with_depth_is_enough_to_say_nothing() -> None:
    watch = unmet(0.0, {"depth": 0.5, "camera_info": 0.0})
    watch.meet()
    watch.miss()
    assert problem(watch) == ""


def test_a_camera_that_stops_is_not_blamed_on_depth() -> None:
    watch = unmet(0.0, {"depth": 0.5, "camera_info": 0.0})
    time.sleep(2 * TIMEOUT)
    assert problem(watch) == ""


def test_stamps_from_before_time_went_back_count_no_longer() -> None:
    watch = unmet(0.0, {"depth": 0.0, "camera_info": 0.0})
    watch.forget()
    watch.hear("image", 1.0)
    watch.hear("camera_info", 1.0)
    watch.hear("depth", 1.25)
    assert "of depth by 250.0 ms" in problem(watch)
