"""Seconds by stage."""

import time

from sam2_ros.tracking.stopwatch import Stopwatch


def test_times_of_a_stage_add_up_until_a_restart() -> None:
    watch = Stopwatch()
    for _ in range(2):
        with watch.time("nap"):
            time.sleep(0.01)
    before = watch.seconds
    assert before["nap"] >= 0.02
    watch.restart()
    assert watch.seconds == {} and before["nap"] >= 0.02
