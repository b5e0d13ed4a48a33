"""Prompts and corrections of the streaming tracker, on the newest and on earlier frames."""

import numpy as np
import pytest
import torch

from sam2_ros.model.sam2 import Sam2
from sam2_ros.tracking import (
    Click,
    Prompt,
    PromptError,
    StreamingTracker,
    TrackerConfig,
)

from .noise_stream import CLICK, OTHER, PERIOD, SIZE, frames, logits_of, run

# ---- late prompts


def test_a_late_prompt_has_the_same_result_as_one_in_time(model: Sam2) -> None:
    in_time = StreamingTracker(model)
    run(in_time, 4)
    one = in_time.add(CLICK)
    run(in_time, 6, start=4)

    late = StreamingTracker(model)
    run(late, 10)
    other = late.add(CLICK, stamp=3 * PERIOD)
    torch.testing.assert_close(logits_of(late, other), logits_of(in_time, one), rtol=1e-4, atol=1e-4)


def test_a_late_correction_has_the_same_result_as_one_in_time(model: Sam2) -> None:
    correction = Prompt([Click(10, 10, positive=False)])
    in_time = StreamingTracker(model)
    run(in_time, 1)
    one = in_time.add(CLICK)
    run(in_time, 24, start=1)
    in_time.refine(one, correction)
    run(in_time, 8, start=25)

    late = StreamingTracker(model)
    run(late, 1)
    other = late.add(CLICK)
    run(late, 32, start=1)
    late.refine(other, correction, stamp=24 * PERIOD)
    torch.testing.assert_close(logits_of(late, other), logits_of(in_time, one), rtol=1e-4, atol=1e-4)


def test_a_prompt_for_a_dropped_frame_is_rejected_with_the_buffered_times(model: Sam2) -> None:
    tracker = StreamingTracker(model, TrackerConfig(history=4))
    run(tracker, 10)
    assert tracker.covered == pytest.approx((6 * PERIOD, 9 * PERIOD))
    with pytest.raises(PromptError, match=r"cover 0\.600000 to 0\.900000 s"):
        tracker.add(CLICK, stamp=2 * PERIOD)


def test_a_prompt_s_stamp_may_differ_from_its_frame_s_by_the_tolerance(model: Sam2) -> None:
    strict = StreamingTracker(model)
    run(strict, 3)
    with pytest.raises(PromptError, match="within 0 s"):
        strict.add(CLICK, stamp=PERIOD + 0.01)
    tolerant = StreamingTracker(model, TrackerConfig(stamp_tolerance=0.02))
    run(tolerant, 3)
    tolerant.add(CLICK, stamp=PERIOD + 0.01)
    assert tolerant.drain_events()[0].stamp == pytest.approx(PERIOD)


def test_a_prompt_before_the_first_frame_is_rejected(model: Sam2) -> None:
    with pytest.raises(PromptError, match="no frame"):
        StreamingTracker(model).add(CLICK)


def test_an_object_cannot_be_corrected_before_it_started(model: Sam2) -> None:
    tracker = StreamingTracker(model)
    run(tracker, 3)
    track_id = tracker.add(CLICK)
    with pytest.raises(PromptError, match="add it as a new object"):
        tracker.refine(track_id, OTHER, stamp=PERIOD)


@pytest.mark.parametrize("change", ["refine", "remove"])
def test_an_unknown_object_is_rejected_with_the_known_ones(model: Sam2, change: str) -> None:
    tracker = StreamingTracker(model)
    run(tracker, 1)
    track_id = tracker.add(CLICK)
    with pytest.raises(PromptError, match=f"no object 99; the objects are: {track_id}"):
        tracker.refine(99, OTHER) if change == "refine" else tracker.remove(99)


# ---- results of earlier frames


def test_a_buffered_frame_has_its_tracks(model: Sam2) -> None:
    tracker = StreamingTracker(model, TrackerConfig(stamp_tolerance=0.02))
    run(tracker, 1)
    tracker.add(CLICK)
    results = [tracker.step(rgb, stamp) for rgb, stamp in frames(4, start=1)]
    (then,) = results[1].tracks
    (now,) = tracker.result_at(2 * PERIOD + 0.01).tracks
    assert np.array_equal(now.mask, then.mask)
    assert (now.state, now.presence, now.last_seen) == (then.state, then.presence, then.last_seen)
    assert tracker.result_at(2 * PERIOD).index == 2


def test_an_object_is_not_on_frames_before_its_own(model: Sam2) -> None:
    tracker = StreamingTracker(model)
    run(tracker, 4)
    track_id = tracker.add(CLICK, stamp=2 * PERIOD)
    assert tracker.result_at(PERIOD).tracks == ()
    assert [track.id for track in tracker.result_at(3 * PERIOD).tracks] == [track_id]


def test_a_result_of_a_dropped_frame_is_refused_with_the_buffered_times(model: Sam2) -> None:
    tracker = StreamingTracker(model, TrackerConfig(history=2))
    run(tracker, 4)
    with pytest.raises(PromptError, match=r"cover 0\.200000 to 0\.300000 s"):
        tracker.result_at(PERIOD)


# ---- corrections


def test_clicks_on_the_same_frame_add_up(model: Sam2) -> None:
    step_by_step = StreamingTracker(model)
    run(step_by_step, 1)
    track_id = step_by_step.add(CLICK)
    before = logits_of(step_by_step, track_id).clone()
    step_by_step.refine(track_id, Prompt([Click(40, 30)]))
    object_ = step_by_step._objects[track_id]
    assert object_.points.clicks == (Click(30, 20), Click(40, 30))
    assert not torch.allclose(logits_of(step_by_step, track_id), before)


def test_a_mask_prompt_is_the_mask_of_its_frame(model: Sam2) -> None:
    tracker = StreamingTracker(model)
    run(tracker, 1)
    mask = np.zeros(SIZE, bool)
    mask[12:36, 16:48] = True
    tracker.add(Prompt(mask=mask))
    assert tracker.latest is not None
    (track,) = tracker.latest.tracks
    assert np.count_nonzero(track.mask ^ mask) < 0.1 * track.area
    assert track.presence > 0.99


def test_a_mask_may_correct_an_object(model: Sam2) -> None:
    tracker = StreamingTracker(model)
    run(tracker, 1)
    track_id = tracker.add(CLICK)
    run(tracker, 2, start=1)
    mask = np.zeros(SIZE, bool)
    mask[30:, :20] = True
    tracker.refine(track_id, Prompt(mask=mask))
    assert tracker.latest is not None
    assert np.count_nonzero(tracker.latest.tracks[0].mask & mask) > 0.8 * np.count_nonzero(mask)


@pytest.mark.parametrize("prompted", [True, False])
def test_corrections_are_written_as_prompted_frames_if_configured(model: Sam2, prompted: bool) -> None:
    tracker = StreamingTracker(model, TrackerConfig(corrections_are_prompted=prompted))
    run(tracker, 1)
    track_id = tracker.add(CLICK)
    run(tracker, 3, start=1)
    tracker.refine(track_id, OTHER)
    assert tracker._propagation.is_prompted(tracker._objects[track_id], tracker._frames.at(None)) is prompted


def test_a_preview_is_the_mask_that_the_prompt_would_start_and_starts_nothing(model: Sam2) -> None:
    tracker = StreamingTracker(model)
    run(tracker, 3)
    preview = tracker.preview(OTHER, stamp=PERIOD)
    assert tracker.labels == {} and tracker.drain_events() == ()
    tracker.add(OTHER, stamp=PERIOD)
    (track,) = tracker.result_at(PERIOD).tracks
    assert np.array_equal(preview.mask, track.mask) and preview.predicted_iou == pytest.approx(track.predicted_iou)
    with pytest.raises(PromptError, match="outside"):
        tracker.preview(Prompt([Click(100, 80)]))


def test_negative_clicks_alone_correct_an_object_but_start_none(model: Sam2) -> None:
    tracker = StreamingTracker(model)
    run(tracker, 2)
    beside = Prompt([Click(50, 40, positive=False)])
    for start in (tracker.add, tracker.preview):
        with pytest.raises(PromptError, match="needs at least one positive click or a box"):
            start(beside)
    track_id = tracker.add(CLICK, stamp=0.0)
    for stamp in (0.0, PERIOD):
        before = logits_of(tracker, track_id).clone()
        tracker.refine(track_id, beside, stamp)
        assert not torch.equal(logits_of(tracker, track_id), before)


def test_labels_include_pending_objects(model: Sam2) -> None:
    tracker = StreamingTracker(model, TrackerConfig(catch_up_at_once=False))
    run(tracker, 3)
    one = tracker.add(Prompt([Click(30, 20)], label="cup"))
    two = tracker.add(Prompt([Click(30, 20)], label="lid"), stamp=0.0)
    assert tracker.is_pending(two)
    assert tracker.labels == {one: "cup", two: "lid"}


def test_a_rejected_prompt_changes_nothing(model: Sam2) -> None:
    tracker = StreamingTracker(model)
    run(tracker, 1)
    track_id = tracker.add(CLICK)
    run(tracker, 2, start=1)
    before = logits_of(tracker, track_id).clone()
    for bad in (Prompt(), Prompt([Click(-9, 0)]), Prompt(mask=np.zeros(SIZE, bool))):
        with pytest.raises(PromptError):
            tracker.refine(track_id, bad)
        with pytest.raises(PromptError):
            tracker.add(bad)
    assert torch.equal(logits_of(tracker, track_id), before)
    assert len(run(tracker, 1, start=3).tracks) == 1


# ---- features and masks for other uses


def test_a_buffered_frame_s_features_are_the_tracker_s_own(model: Sam2) -> None:
    tracker = StreamingTracker(model)
    run(tracker, 3)
    newest, earlier = tracker.encoded(), tracker.encoded(PERIOD)
    assert (newest.stamp, earlier.stamp, newest.size) == (2 * PERIOD, PERIOD, SIZE)
    assert tracker.encoded(PERIOD).features is earlier.features
    with pytest.raises(PromptError, match="no buffered frame"):
        tracker.encoded(100.0)


def test_masks_of_all_objects_can_be_had_at_any_size(model: Sam2) -> None:
    tracker = StreamingTracker(model)
    run(tracker, 1)
    assert tracker.object_masks((8, 9)).shape == (0, 8, 9)
    tracker.add(CLICK)
    tracker.add(OTHER)
    result = tracker.result_at(0.0)
    np.testing.assert_array_equal(tracker.object_masks(SIZE), [track.mask for track in result.tracks])
    assert tracker.object_masks((8, 9), stamp=0.0).shape == (2, 8, 9)


def test_the_event_of_a_start_has_its_reason(model: Sam2) -> None:
    tracker = StreamingTracker(model)
    run(tracker, 1)
    tracker.add(CLICK, reason="seen by a robot")
    assert [event.reason for event in tracker.drain_events()] == ["seen by a robot"]
