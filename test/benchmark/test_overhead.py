"""The node's own time is measured between real processes."""

import pytest

from sam2_ros.benchmark.overhead import Overhead, measure


@pytest.mark.slow
def test_the_overhead_is_measured_and_printed(capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("rclpy")
    (result,) = measure(sizes=[(160, 120)], frames=5, objects=2, device="cpu")
    assert (result.size, result.frames) == ((160, 120), 5)
    assert 0 < result.median <= result.p99 <= result.latency_p99
    assert result.median <= result.latency
    assert result.round_trip > 0 and result.rate > 0
    assert "node overhead at 160x120: median" in capsys.readouterr().out


def overhead(size: tuple[int, int], median: float) -> Overhead:
    return Overhead(size, 100, median, p99=7.0, latency=20.0, latency_p99=30.0, round_trip=25.0, rate=39.0)


@pytest.mark.parametrize(("median", "verdict"), [(3.21, "pass"), (5.0, "pass"), (5.1, "fail")])
def test_a_result_passes_or_fails_by_the_limit_of_its_size(median: float, verdict: str) -> None:
    text = str(overhead((640, 480), median))
    assert text == f"node overhead at 640x480: median {median:.1f} ms, p99 7.0 ms: {verdict} (limit: median of 5 ms)"


def test_a_size_without_a_limit_neither_passes_nor_fails() -> None:
    assert str(overhead((160, 120), 3.21)) == "node overhead at 160x120: median 3.2 ms, p99 7.0 ms"
