"""Statistics of latencies."""

import pytest

from sam2_ros.tracking.speed import speed_of


def test_speed_is_described_by_rate_median_and_99th_percentile() -> None:
    speed = speed_of([0.1] * 90 + [0.2] * 10)
    assert (speed.frames, speed.rate) == (100, pytest.approx(100 / 11))
    assert (speed.median, speed.p99) == (pytest.approx(0.1), pytest.approx(0.2))
    assert str(speed) == "9.1 frames/s (latency median 100.0 ms, p99 200.0 ms)"


def test_the_speed_without_frames_is_zero() -> None:
    assert str(speed_of([])) == "0.0 frames/s (latency median 0.0 ms, p99 0.0 ms)"
