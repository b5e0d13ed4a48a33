"""The panel's benchmark: its line, its judgement, and the CPU time of a process. Its run takes minutes."""

import os
import time

import pytest

from sam2_ros.benchmark.panel import PanelSpeed, _cpu_seconds


@pytest.mark.parametrize(
    ("watched", "judgement"), [(9.6, "+4.0 %, limit 5 %: met"), (9.0, "+10.0 %, limit 5 %: missed")]
)
def test_the_line_has_every_number_and_a_judgement(watched: float, judgement: str) -> None:
    line = str(PanelSpeed((640, 480), 41.2, 66.6, 90.1, 12.3, 10.0, watched))
    assert line.startswith(
        "panel at 640x480, 15 images/s: stamp to canvas median 41 ms, p95 67 ms; click to mask 90 ms"
    )
    assert "panel's CPU 12 % of a core; tracker 10.00 images/s alone" in line
    assert line.endswith(judgement)


def test_cpu_time_is_that_of_the_process() -> None:
    before = _cpu_seconds(os.getpid())
    end = time.process_time() + 0.3
    while time.process_time() < end:
        pass
    assert 0.2 < _cpu_seconds(os.getpid()) - before < 10.0
