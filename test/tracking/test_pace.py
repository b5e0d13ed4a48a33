"""The network sees as many frames as there is time for."""

from collections.abc import Callable

import numpy as np
import pytest

from sam2_ros.model import Sam2
from sam2_ros.tracking import Box, Prompt, StreamingTracker, TrackerConfig
from sam2_ros.tracking.pace import Pace


def due(pace: Pace, frames: int) -> list[int]:
    return [frame for frame in range(frames) if pace.is_due()]


def learnt(target_fps: float, encoded: float, moved: float, encode_every: int = 1) -> Pace:
    """After a frame of each kind that took so many seconds."""
    pace = Pace(encode_every, target_fps)
    pace.took(encoded, True)
    pace.took(moved, False)
    return pace


def test_without_a_rate_to_keep_every_so_manieth_frame_is_encoded_however_long_it_takes() -> None:
    assert due(Pace(1, 0.0), 4) == [0, 1, 2, 3]
    assert due(learnt(0.0, 5.0, 1.0, encode_every=3), 9) == [0, 3, 6]


@pytest.mark.parametrize(
    ("target_fps", "encoded", "moved", "every"),
    [
        (10.0, 0.09, 0.01, 1),  # there is time enough
        (10.0, 0.18, 0.02, 2),  # 0.18 + 0.02 in 2 periods
        (10.0, 0.2, 0.02, 3),  # 0.2 + 0.02 + 0.02 in 3
        (10.0, 5.0, 0.02, 8),  # as far as masks can be moved
        (100.0, 0.2, 0.02, 8),  # even moving takes too long
    ],
)
def test_as_many_frames_are_left_out_as_a_rate_demands(
    target_fps: float, encoded: float, moved: float, every: int
) -> None:
    assert learnt(target_fps, encoded, moved).encode_every == every


def test_no_more_frames_are_encoded_than_was_asked_for() -> None:
    assert learnt(10.0, 0.01, 0.01, encode_every=4).encode_every == 4


def test_the_pace_follows_a_load_that_changes() -> None:
    pace = learnt(10.0, 0.05, 0.01)
    for _ in range(30):
        pace.took(0.4, True)
    assert pace.encode_every > 3
    for _ in range(30):
        pace.took(0.05, True)
    assert pace.encode_every == 1


def test_a_tracker_that_has_to_hurry_moves_masks_instead(nano: Sam2, picture: Callable[..., np.ndarray]) -> None:
    def moved(target_fps: float) -> int:
        tracker = StreamingTracker(nano, TrackerConfig(target_fps=target_fps))
        frame = picture(("red", 100, 120, 30))
        tracker.step(frame, 0.0)
        tracker.add(Prompt(box=Box(70, 90, 131, 151)))
        timings = []
        for number in range(1, 17):
            assert tracker.step(frame, number / 10).tracks[0].mask.sum() > 3000
            timings.append(tracker.timings)
        return sum("move" in stages for stages in timings)

    assert moved(target_fps=0.001) == 0
    assert moved(target_fps=1000.0) >= 13
