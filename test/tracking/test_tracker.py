"""The streaming tracker: frames, tracks and objects."""

import numpy as np
import pytest
import torch

from sam2_ros.model.sam2 import Sam2
from sam2_ros.tracking import (
    Click,
    Prompt,
    PromptError,
    StampError,
    StreamingTracker,
    TrackerConfig,
    TrackState,
)

from .noise_stream import CLICK, OTHER, PERIOD, SIZE, frames, logits_of, run

# ---- frames


def test_frames_without_objects_have_empty_results(model: Sam2) -> None:
    result = run(StreamingTracker(model), 3)
    assert result.tracks == () and result.index == 2 and result.size == SIZE
    assert not result.label_image.any()


def test_a_track_describes_its_mask_in_pixels_of_the_frame(model: Sam2) -> None:
    tracker = StreamingTracker(model)
    run(tracker, 1)
    track_id = tracker.add(Prompt([Click(30, 20)], label="cup"))
    (track,) = run(tracker, 3, start=1).tracks
    assert (track.id, track.label, track.state) == (track_id, "cup", TrackState.VISIBLE)
    assert track.mask.shape == SIZE and track.mask.dtype == bool
    assert 0 < track.area == np.count_nonzero(track.mask) < track.mask.size
    assert track.box is not None and track.mask[:, int(track.box.x0)].any()
    assert 0.5 < track.presence <= 1 and 0 < track.predicted_iou < 1
    assert track.last_seen == pytest.approx(3 * PERIOD)


@pytest.mark.parametrize("stamp", [0.2, 0.1, float("nan"), float("inf")])
def test_a_stamp_that_is_not_newer_is_rejected_and_objects_are_kept(model: Sam2, stamp: float) -> None:
    tracker = StreamingTracker(model)
    run(tracker, 3)
    track_id = tracker.add(CLICK)
    with pytest.raises(StampError):
        tracker.step(next(frames(1))[0], stamp)
    assert [track.id for track in run(tracker, 1, start=3).tracks] == [track_id]


def test_a_change_of_resolution_keeps_the_objects(model: Sam2) -> None:
    tracker = StreamingTracker(model)
    run(tracker, 2)
    tracker.add(CLICK)
    ((rgb, stamp),) = frames(1, start=2, size=(96, 128))
    (track,) = tracker.step(rgb, stamp).tracks
    assert track.mask.shape == (96, 128)
    with pytest.raises(PromptError, match="outside"):
        tracker.add(Prompt([Click(100, 80)]), stamp=PERIOD)  # that frame was still small


def test_timings_name_the_stages_of_the_last_step(model: Sam2) -> None:
    tracker = StreamingTracker(model)
    run(tracker, 1)
    tracker.add(CLICK)
    run(tracker, 1, start=1)
    assert {"preprocess", "encode", "read_memory", "decode", "write_memory", "masks"} <= tracker.timings.keys()


# ---- objects are independent


def test_objects_in_one_batch_get_the_same_masks_as_alone(model: Sam2) -> None:
    together = StreamingTracker(model)
    run(together, 2)
    first = together.add(CLICK)
    run(together, 3, start=2)
    second = together.add(OTHER)
    run(together, 5, start=5)

    alone = StreamingTracker(model)
    run(alone, 5)
    only = alone.add(OTHER)
    run(alone, 5, start=5)

    torch.testing.assert_close(logits_of(together, second), logits_of(alone, only), rtol=1e-4, atol=1e-4)
    assert not torch.allclose(logits_of(together, first), logits_of(together, second), atol=1e-2)


def test_removing_an_object_does_not_change_the_others(model: Sam2) -> None:
    def last_logits(remove: bool) -> torch.Tensor:
        tracker = StreamingTracker(model)
        run(tracker, 1)
        first, second = tracker.add(CLICK), tracker.add(OTHER)
        run(tracker, 2, start=1)
        if remove:
            tracker.remove(first)
        run(tracker, 2, start=3)
        return logits_of(tracker, second)

    torch.testing.assert_close(last_logits(True), last_logits(False), rtol=1e-4, atol=1e-4)


def test_ids_are_unique_and_mask_values_are_reused(model: Sam2) -> None:
    tracker = StreamingTracker(model)
    run(tracker, 1)
    first, second = tracker.add(CLICK), tracker.add(OTHER)
    tracker.remove(first)
    third = tracker.add(CLICK)
    assert len({first, second, third}) == 3
    result = tracker.latest
    assert result is not None
    assert sorted(track.mask_value for track in result.tracks) == [1, 2]
    assert set(np.unique(result.label_image)) <= {0, 1, 2}


def test_objects_beyond_max_objects_are_rejected(model: Sam2) -> None:
    tracker = StreamingTracker(model, TrackerConfig(max_objects=2))
    run(tracker, 1)
    first, _ = tracker.add(CLICK), tracker.add(OTHER)
    with pytest.raises(PromptError, match="2 objects already"):
        tracker.add(CLICK)
    tracker.remove(first)
    tracker.add(CLICK)


# ---- precision


def test_bfloat16_gives_nearly_the_same_masks(model: Sam2) -> None:
    masks = []
    for precision in ("float32", "bfloat16"):
        tracker = StreamingTracker(model, TrackerConfig(precision=precision))
        run(tracker, 1)
        tracker.add(OTHER)
        masks.append(run(tracker, 3, start=1).tracks[0].mask)
    assert np.count_nonzero(masks[0] & masks[1]) / np.count_nonzero(masks[0] | masks[1]) > 0.9
