"""The benchmark's frames and clicks."""

import numpy as np

from sam2_ros.benchmark.workload import synthetic_frames, workload


def test_clicks_are_inside_the_frame_and_apart() -> None:
    for objects in (1, 2, 3, 8, 32):
        clicks = workload(synthetic_frames((48, 64), 3), objects).clicks
        assert len({(click.x, click.y) for click in clicks}) == objects
        assert all(0 < click.x < 64 and 0 < click.y < 48 for click in clicks)


def test_frames_go_forwards_and_backwards() -> None:
    frames = synthetic_frames((48, 64), 4)
    order = [next(i for i, frame in enumerate(frames) if frame is shown) for shown in workload(frames, 1).frames]
    assert order == [0, 1, 2, 3, 2, 1]
    assert not np.array_equal(frames[0], frames[1])
