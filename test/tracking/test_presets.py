"""Named configurations that trade quality for speed."""

from collections.abc import Callable
from dataclasses import asdict

import numpy as np
import pytest

from sam2_ros.model import Sam2
from sam2_ros.tracking import Box, Prompt, StreamingTracker, TrackerConfig
from sam2_ros.tracking.geometry import box_iou
from sam2_ros.tracking.presets import PRESETS, Preset


def test_quality_has_the_defaults_of_the_tracker() -> None:
    assert TrackerConfig(**asdict(PRESETS["quality"])) == TrackerConfig()


def test_given_values_replace_the_preset_s() -> None:
    fast = PRESETS["fast"]
    assert fast.changed() == fast
    assert fast.changed(encode_every=1) == Preset(fast.recent_memories, fast.memory_pooling, 1)


@pytest.mark.parametrize("name", PRESETS)
def test_every_preset_tracks_a_square(name: str, nano: Sam2, picture: Callable[..., np.ndarray]) -> None:
    tracker = StreamingTracker(nano, TrackerConfig(**asdict(PRESETS[name])))
    tracker.step(picture(("green", 60, 120, 30)), 0.0)
    tracker.add(Prompt(box=Box(30, 90, 90, 150)))
    for t in range(1, 16):
        (track,) = tracker.step(picture(("green", 60 + 8 * t, 120, 30)), t / 10).tracks
        assert box_iou(track.box, Box(30 + 8 * t, 90, 91 + 8 * t, 151)) > 0.75
