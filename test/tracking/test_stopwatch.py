"""Seconds by stage."""

from sam2_ros.tracking.stopwatch import Stopwatch

from ..fake_clock import FakeClock


def test_times_of_a_stage_add_up_until_a_restart(clock: FakeClock) -> None:
    watch = Stopwatch(clock)
    for _ in range(2):
        with watch.time("nap"):
            clock.advance(0.5)
        clock.advance(2.0)
    before = watch.seconds
    assert before == {"nap": 1.0}
    watch.restart()
    assert watch.seconds == {} and before == {"nap": 1.0}
