"""What is said of images and depth that do not match in time."""

import time

import pytest

from sam2_ros.node.inputs.depth_watch import DepthWatch

TIMEOUT = 0.2  # seconds


def unmatched(slop: float, apart: float | None, start: float = 1000.0) -> DepthWatch:
    """Images that have gone without depth for longer than TIMEOUT; depth, if any, is stamped seconds apart."""
    watch = DepthWatch(slop)
    watch.miss()
    time.sleep(2 * TIMEOUT)
    for i in range(20):
        watch.receive("image", start + i)
        watch.miss()
        if apart is not None:
            watch.receive("depth", start + i + apart)
    return watch


def problem(watch: DepthWatch) -> str:
    return watch.problem(TIMEOUT, lambda silence: f"silent for {silence:.1f}")


def test_silent_depth_is_explained() -> None:
    assert problem(unmatched(0.0, None)) == "silent for 0.4"


def test_stamps_that_differ_are_reported_with_numbers() -> None:
    reason = problem(unmatched(5.0, -0.0125))
    assert "the nearest stamps of image and depth differ by 12.5 ms, and depth_slop is 5 ms" in reason
    assert "set depth_slop above 12.5" in reason


@pytest.mark.parametrize("apart", [-1_700_000_000.632, 3600.0, 100.0])
def test_stamps_of_different_clocks_are_not_blamed_on_depth_slop(apart: float) -> None:
    reason = problem(unmatched(5.0, apart, start=1_700_000_100.0))
    assert "their drivers use different clocks, let one clock stamp both" in reason
    assert "depth_slop" not in reason


def test_depth_without_stamps_is_named() -> None:
    watch = unmatched(5.0, None)
    watch.receive("depth", 0.0)
    assert "`depth` has no stamps (all are 0): let its driver set header.stamp" in problem(watch)


def test_depth_that_comes_too_late_is_distinguished_from_stamps_that_differ() -> None:
    reason = problem(unmatched(15.0, 0.0125))
    assert "their stamps agree, but depth comes after its image's results are published" in reason


def test_one_image_with_depth_is_enough_to_say_nothing() -> None:
    watch = unmatched(0.0, 0.5)
    watch.match()
    watch.miss()
    assert problem(watch) == ""


def test_a_camera_that_stops_is_not_blamed_on_depth() -> None:
    watch = unmatched(0.0, 0.5)
    time.sleep(2 * TIMEOUT)
    assert problem(watch) == ""


def test_stamps_from_before_time_went_back_do_not_count() -> None:
    watch = unmatched(0.0, 0.0)
    watch.restart()
    watch.receive("image", 1.0)
    assert problem(watch) == ""
    watch.receive("depth", 1.25)
    assert "differ by 250.0 ms" in problem(watch)
