"""Tracks of two devices are compared by state, presence and mask."""

import numpy as np
import pytest

from sam2_ros.benchmark.gpu_report.equality import agreement
from sam2_ros.tracking import FrameResult, Track, TrackState

VISIBLE, OCCLUDED = TrackState.VISIBLE, TrackState.OCCLUDED


def frame(*tracks: tuple[TrackState, float, int]) -> FrameResult:
    """Tracks by state, presence and the width of their mask (pixels)."""
    return FrameResult(0.0, 0, (4, 4), tuple(track(i, *values) for i, values in enumerate(tracks, start=1)))


def track(track_id: int, state: TrackState, presence: float, width: int) -> Track:
    mask = np.arange(4) < np.full((4, 1), width)
    return Track(track_id, track_id, "", state, presence, 1.0, mask, None, int(mask.sum()), 0.0)


def test_equal_tracks_agree() -> None:
    frames = [frame((VISIBLE, 0.9, 2)), frame((VISIBLE, 0.9, 2), (OCCLUDED, 0.1, 0))]
    row = agreement(frames, frames)
    assert (row["frames"], row["object states"], row["different states"], row["visible in both"]) == (2, 3, 0, 2)
    assert row["least mask IoU"] == row["mean mask IoU"] == 1
    assert row["mask IoU of every object on every frame"] == [1, 1, None]


def test_other_masks_and_other_states_are_counted() -> None:
    expected = [frame((VISIBLE, 0.9, 4)), frame((VISIBLE, 0.8, 4)), frame((VISIBLE, 0.9, 4))]
    row = agreement([frame((VISIBLE, 0.9, 4)), frame((VISIBLE, 0.7, 1)), frame((OCCLUDED, 0.5, 0))], expected)
    assert row["different states"] == 1
    assert row["largest difference of presence"] == pytest.approx(0.4)
    assert row["mask IoU of every object on every frame"] == [1, 0.25, None]
    assert (row["mean mask IoU"], row["least mask IoU"]) == (0.625, 0.25)


def test_an_object_that_only_one_device_has_is_a_different_state() -> None:
    row = agreement([frame()], [frame((VISIBLE, 0.9, 2))])
    assert (row["object states"], row["different states"], row["least mask IoU"]) == (1, 1, None)
