"""The demo's progress in a log."""

import pytest

from sam2_ros.node.demo.progress import FrameProgress

from ...fake_clock import FakeClock


def test_a_log_gets_a_line_every_ten_seconds(clock: FakeClock, capsys: pytest.CaptureFixture[str]) -> None:
    progress = FrameProgress(240, clock)
    for frame in range(1, 241):
        clock.advance(0.125)
        progress.show(frame, "1 visible" if frame > 80 else "")
    progress.close()
    lines = [line.split("frame ")[1] for line in capsys.readouterr().out.splitlines()]
    assert lines == ["80 of 240: no object", "160 of 240: 1 visible", "240 of 240: 1 visible"]
