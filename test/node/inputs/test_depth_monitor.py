"""Warnings about images and depth that do not match in time."""

import pytest

from sam2_ros.node.inputs.depth_monitor import DepthMonitor

from ...fake_clock import FakeClock

TIMEOUT = 0.2  # seconds


def unmatched(clock: FakeClock, slop: float, difference: float | None, start: float = 1000.0) -> DepthMonitor:
    """A monitor without depth for longer than TIMEOUT; `difference` of the stamps in seconds, None: no depth at all."""
    monitor = DepthMonitor(slop, clock)
    monitor.miss()
    clock.advance(2 * TIMEOUT)
    for i in range(20):
        monitor.receive("image", start + i)
        monitor.miss()
        if difference is not None:
            monitor.receive("depth", start + i + difference)
    return monitor


def warning(monitor: DepthMonitor) -> str:
    return monitor.warning(TIMEOUT, lambda silence: f"silent for {silence:.1f}")


def test_silent_depth_is_explained(clock: FakeClock) -> None:
    assert warning(unmatched(clock, 0.0, None)) == "silent for 0.4"


def test_stamps_that_differ_are_reported_with_numbers(clock: FakeClock) -> None:
    reason = warning(unmatched(clock, 5.0, -0.0125))
    assert "the nearest stamps of image and depth differ by 12.5 ms, and depth_slop is 5 ms" in reason
    assert "set depth_slop above 12.5" in reason


@pytest.mark.parametrize("difference", [-1_700_000_000.632, 3600.0, 100.0])
def test_stamps_of_different_clocks_are_not_blamed_on_depth_slop(clock: FakeClock, difference: float) -> None:
    reason = warning(unmatched(clock, 5.0, difference, start=1_700_000_100.0))
    assert "their drivers use different clocks, stamp both with one clock" in reason
    assert "depth_slop" not in reason


def test_depth_without_stamps_is_reported(clock: FakeClock) -> None:
    monitor = unmatched(clock, 5.0, None)
    monitor.receive("depth", 0.0)
    assert "`depth` has no stamps (all are 0): let its driver set header.stamp" in warning(monitor)


def test_late_depth_is_distinguished_from_different_stamps(clock: FakeClock) -> None:
    reason = warning(unmatched(clock, 15.0, 0.0125))
    assert "their stamps match, but depth arrives after its image's results are published" in reason


def test_one_image_with_depth_ends_the_warning(clock: FakeClock) -> None:
    monitor = unmatched(clock, 0.0, 0.5)
    monitor.match()
    monitor.miss()
    assert warning(monitor) == ""


def test_a_camera_that_stops_is_not_blamed_on_depth(clock: FakeClock) -> None:
    monitor = unmatched(clock, 0.0, 0.5)
    clock.advance(2 * TIMEOUT)
    assert warning(monitor) == ""


def test_stamps_from_before_a_time_jump_are_dropped(clock: FakeClock) -> None:
    monitor = unmatched(clock, 0.0, 0.0)
    monitor.reset()
    monitor.receive("image", 1.0)
    assert warning(monitor) == ""
    monitor.receive("depth", 1.25)
    assert "differ by 250.0 ms" in warning(monitor)
