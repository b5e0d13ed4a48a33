"""The node's own time is measured between real processes."""

import random

import pytest

from sam2_ros.benchmark.overhead import Overhead, measure


@pytest.fixture
def isolated_ros(monkeypatch: pytest.MonkeyPatch) -> None:
    """Topics that nobody else on this machine or network hears."""
    pytest.importorskip("rclpy")
    monkeypatch.setenv("ROS_DOMAIN_ID", str(random.randrange(1, 101)))
    monkeypatch.setenv("ROS_AUTOMATIC_DISCOVERY_RANGE", "LOCALHOST")
    monkeypatch.setenv("FASTDDS_BUILTIN_TRANSPORTS", "LARGE_DATA")


@pytest.mark.slow
def test_the_overhead_is_measured_and_printed(isolated_ros: None, capsys: pytest.CaptureFixture[str]) -> None:
    (result,) = measure(sizes=[(160, 120)], frames=5)
    assert (result.size, result.frames) == ((160, 120), 5)
    assert 0 < result.median <= result.p99
    assert "node overhead at 160x120: median" in capsys.readouterr().out


@pytest.mark.parametrize(("median", "verdict"), [(3.21, "pass"), (5.0, "pass"), (5.1, "fail")])
def test_a_result_passes_or_fails_by_the_limit_of_its_size(median: float, verdict: str) -> None:
    text = str(Overhead((640, 480), 100, median, 7.0))
    assert text == f"node overhead at 640x480: median {median:.1f} ms, p99 7.0 ms: {verdict} (limit: median of 5 ms)"


def test_a_size_without_a_limit_neither_passes_nor_fails() -> None:
    assert str(Overhead((160, 120), 100, 3.21, 7.0)) == "node overhead at 160x120: median 3.2 ms, p99 7.0 ms"
