"""Rates of the diagnostics."""

import pytest

from sam2_ros.node.statistics import Statistics

from ..fake_clock import FakeClock


def test_the_rate_is_that_of_the_last_seconds(clock: FakeClock) -> None:
    statistics = Statistics(clock)
    assert statistics.rate == 0.0
    for seconds in (1.0, 1.0, 0.1, 0.1, 0.1):
        statistics.count_processed(latency=0.05, in_tracker=0.04)
        clock.advance(seconds)
    assert statistics.rate == pytest.approx(4 / 2.2)
    clock.advance(4.0)
    assert statistics.rate == pytest.approx(2 / 0.2)
    clock.advance(5.0)
    assert statistics.rate == 0.0


def test_the_rate_of_a_slow_camera_is_that_of_its_last_two_images(clock: FakeClock) -> None:
    statistics = Statistics(clock)
    for _ in range(3):
        clock.advance(8.0)
        statistics.count_processed(latency=0.05, in_tracker=0.04)
    clock.advance(7.0)
    assert statistics.rate == pytest.approx(1 / 8)
    clock.advance(10.0)
    assert statistics.rate == 0.0
