"""The node's own time is measured between real processes."""

from sam2_ros.node.overhead import Overhead, measure


def test_the_overhead_is_measured_and_printed(capsys):
    (result,) = measure(sizes=[(160, 120)], frames=5)
    assert (result.size, result.frames) == ((160, 120), 5)
    assert 0 < result.median <= result.p99
    assert "node overhead at 160x120: median" in capsys.readouterr().out


def test_a_result_tells_what_was_expected():
    text = str(Overhead((640, 480), 100, 3.21, 7.0))
    assert text == "node overhead at 640x480: median 3.2 ms, expected at most 5, p99 7.0 ms"
