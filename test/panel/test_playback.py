"""A recording is played in real time; late frames are skipped."""

import time
from collections.abc import Iterator

import numpy as np

from sam2_ros.panel.playback import Frame, Playback

FRAME = np.zeros((2, 2, 3), np.uint8)


def frames(count: int, rate: float) -> Iterator[Frame]:
    return ((FRAME, index / rate) for index in range(count))


def test_the_first_frame_is_due_at_once_and_the_next_one_at_its_time() -> None:
    playback = Playback(lambda: frames(10, rate=0.01))
    first = playback.take()
    assert first is not None and first[1] == 0.0
    assert playback.take() is None
    assert 90.0 < playback.wait <= 100.0


def test_late_frames_are_skipped_for_the_newest() -> None:
    playback = Playback(lambda: frames(1000, rate=100.0))
    playback.take()
    time.sleep(0.3)
    frame = playback.take()
    assert frame is not None and frame[1] >= 0.29


def test_while_paused_no_time_passes() -> None:
    playback = Playback(lambda: frames(1000, rate=50.0))
    playback.take()
    playback.pause(True)
    assert playback.wait == float("inf") and playback.take() is None
    time.sleep(0.3)
    playback.pause(False)
    end = time.monotonic() + 60.0
    frame = None
    while frame is None and time.monotonic() < end:
        frame = playback.take()
    assert frame is not None and frame[1] < 0.3


def test_it_ends_and_starts_again() -> None:
    playback = Playback(lambda: frames(1, rate=10.0))
    assert playback.take() is not None
    assert playback.take() is None and playback.has_ended
    assert playback.wait == float("inf")
    playback.restart()
    frame = playback.take()
    assert frame is not None and frame[1] == 0.0
