"""The bundled weights on a real video, if it is there."""

from __future__ import annotations

from itertools import islice
from pathlib import Path

import pytest

from sam2_ros.model import load_model
from sam2_ros.tracking import Prompt, StreamingTracker, TrackerConfig
from sam2_ros.training.metrics import region

from .real_videos import outlined_objects

VIDEOS = Path(__file__).parents[3] / "shared" / "data" / "videos"
STEP = 3  # frames: a camera of 10 frames per second


@pytest.mark.skipif(not VIDEOS.is_dir(), reason="the real videos are not part of the repository")
def test_a_dog_is_tracked_absent_after_it_left_and_tracked_again_after_its_return() -> None:
    (dog,) = (each for each in outlined_objects() if each.name == "dog")
    tracker = StreamingTracker(load_model("nano"), TrackerConfig(max_objects=1, history=1))
    overlap, in_view = {}, {}
    for index, frame in islice(enumerate(dog.frames(VIDEOS)), 0, 121, STEP):
        tracks = tracker.step(frame, index / 30).tracks
        if index == 0:
            tracker.add(Prompt(mask=dog.masks[0]))
        elif index in dog.masks:
            (track,) = tracks
            in_view[index] = bool(track.mask.any())
            overlap[index] = region(track.mask, dog.masks[index])
    assert in_view == {60: True, 90: False, 120: True}
    assert min(overlap[60], overlap[120]) > 0.4
