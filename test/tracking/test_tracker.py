"""The streaming tracker, with random weights that give non-trivial masks."""

from collections.abc import Iterator

import numpy as np
import pytest
import torch

from sam2_ros.model import seeded_model
from sam2_ros.model.config import named_config
from sam2_ros.model.sam2 import Sam2
from sam2_ros.tracking import (
    Box,
    Click,
    EventKind,
    FrameResult,
    Prompt,
    PromptError,
    StampError,
    StreamingTracker,
    TrackerConfig,
    TrackState,
    TrackStateConfig,
)
from sam2_ros.tracking.memory_policy import POLICIES

SIZE = (48, 64)
PERIOD = 0.1  # seconds between frames


@pytest.fixture(scope="module")
def model() -> Sam2:
    return seeded_model(named_config("nano", 64), seed=4)


@pytest.fixture(scope="module")
def blind_model() -> Sam2:
    """Every object is absent on every frame."""
    return seeded_model(named_config("nano", 64), seed=1, occlusion_bias=-50.0)


def frames(count: int, start: int = 0, size: tuple[int, int] = SIZE) -> Iterator[tuple[np.ndarray, float]]:
    """Noise that differs from frame to frame, with stamps."""
    for i in range(start, start + count):
        yield np.random.default_rng(i).integers(0, 256, (*size, 3), np.uint8), i * PERIOD


def run(tracker: StreamingTracker, count: int, start: int = 0) -> FrameResult:
    for rgb, stamp in frames(count, start):
        result = tracker.step(rgb, stamp)
    return result


def logits_of(tracker: StreamingTracker, track_id: int) -> torch.Tensor:
    return tracker._frames.at(None).outputs[track_id].mask_logits


def absences(**rules: float) -> TrackerConfig:
    return TrackerConfig(track_state=TrackStateConfig(**rules))


def square() -> Prompt:
    mask = np.zeros(SIZE, bool)
    mask[10:30, 10:30] = True
    return Prompt(mask=mask)


SQUARE = square()
CLICK = Prompt([Click(30, 20)])
OTHER = Prompt(box=Box(5, 5, 40, 30))


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
    with pytest.raises(PromptError):
        strict = StreamingTracker(model)
        run(strict, 3)
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


# ---- catching up in steps


@pytest.fixture
def stepwise(model: Sam2) -> StreamingTracker:
    """A tracker after ten frames, whose late prompts catch up by calls of `catch_up`."""
    tracker = StreamingTracker(model, TrackerConfig(catch_up_at_once=False))
    run(tracker, 10)
    return tracker


def ids(result: FrameResult | None) -> list[int]:
    assert result is not None
    return [track.id for track in result.tracks]


def test_a_late_prompt_is_propagated_by_the_requested_number_of_frames(stepwise: StreamingTracker) -> None:
    track_id = stepwise.add(CLICK, stamp=3 * PERIOD)
    assert stepwise.catch_up(4)
    assert stepwise.is_pending(track_id) and ids(stepwise.latest) == []
    assert not stepwise.catch_up(2)
    assert not stepwise.is_pending(track_id) and ids(stepwise.latest) == [track_id]


def test_a_late_prompt_catches_up_with_frames_that_arrive_meanwhile(model: Sam2, stepwise: StreamingTracker) -> None:
    track_id = stepwise.add(CLICK, stamp=3 * PERIOD)
    start = 10
    while stepwise.catch_up(3):
        run(stepwise, 1, start)
        start += 1
    in_time = StreamingTracker(model)
    run(in_time, 4)
    one = in_time.add(CLICK)
    run(in_time, start - 4, start=4)
    torch.testing.assert_close(logits_of(stepwise, track_id), logits_of(in_time, one), rtol=1e-4, atol=1e-4)


def test_late_prompts_for_one_frame_catch_up_together(stepwise: StreamingTracker) -> None:
    one, two = stepwise.add(CLICK, stamp=3 * PERIOD), stepwise.add(OTHER, stamp=3 * PERIOD)
    assert not stepwise.catch_up(6)
    assert ids(stepwise.latest) == [one, two]


def test_a_prompt_for_the_newest_frame_is_not_pending(stepwise: StreamingTracker) -> None:
    track_id = stepwise.add(CLICK)
    assert not stepwise.is_pending(track_id) and ids(stepwise.latest) == [track_id]


def test_an_object_is_tracked_as_before_until_its_correction_has_caught_up(stepwise: StreamingTracker) -> None:
    track_id = stepwise.add(CLICK)
    run(stepwise, 6, start=10)
    before = logits_of(stepwise, track_id).clone()
    stepwise.refine(track_id, OTHER, stamp=10 * PERIOD)
    assert ids(stepwise.latest) == [track_id]
    assert torch.equal(logits_of(stepwise, track_id), before)
    assert ids(run(stepwise, 1, start=16)) == [track_id]
    before = logits_of(stepwise, track_id).clone()
    while stepwise.catch_up(1):
        pass
    assert ids(stepwise.latest) == [track_id]
    assert not torch.equal(logits_of(stepwise, track_id), before)


def test_a_pending_prompt_survives_the_end_of_the_buffer(model: Sam2) -> None:
    tracker = StreamingTracker(model, TrackerConfig(catch_up_at_once=False, history=4))
    run(tracker, 4)
    track_id = tracker.add(CLICK, stamp=0.0)
    run(tracker, 20, start=4)
    assert tracker.is_pending(track_id)
    tracker.catch_up()
    assert ids(tracker.latest) == [track_id]


def test_a_pending_object_counts_and_can_be_corrected_and_removed(stepwise: StreamingTracker) -> None:
    track_id = stepwise.add(CLICK, stamp=3 * PERIOD)
    stepwise.refine(track_id, OTHER, stamp=4 * PERIOD)
    stepwise.remove(track_id)
    assert not stepwise.catch_up() and ids(stepwise.latest) == []
    for _ in range(TrackerConfig.max_objects):
        stepwise.add(CLICK, stamp=3 * PERIOD)
    with pytest.raises(PromptError, match="there are 16 objects already"):
        stepwise.add(CLICK)


def test_several_pending_corrections_need_no_more_rows_of_memory(stepwise: StreamingTracker) -> None:
    known = [stepwise.add(CLICK, stamp=3 * PERIOD) for _ in range(TrackerConfig.max_objects)]
    stepwise.catch_up()
    for track_id in known[:3]:
        stepwise.refine(track_id, OTHER, stamp=4 * PERIOD)
    assert ids(stepwise.latest) == known
    stepwise.catch_up()
    assert sorted(ids(stepwise.latest)) == known


def test_a_correction_that_fails_while_catching_up_does_not_change_the_object(
    stepwise: StreamingTracker, monkeypatch: pytest.MonkeyPatch
) -> None:
    track_id = stepwise.add(CLICK)
    run(stepwise, 3, start=10)
    before = logits_of(stepwise, track_id).clone()
    stepwise.refine(track_id, OTHER, stamp=10 * PERIOD)
    with monkeypatch.context() as patch:
        patch.setattr(stepwise.model, "read_memory", lambda *_: (_ for _ in ()).throw(torch.cuda.OutOfMemoryError()))
        with pytest.raises(torch.cuda.OutOfMemoryError):
            stepwise.catch_up()
    assert not stepwise.catch_up()
    assert torch.equal(logits_of(stepwise, track_id), before)
    result = run(stepwise, 1, start=13)
    assert ids(result) == [track_id]
    (event,) = result.events
    assert (event.kind, event.track_id) == (EventKind.PROMPT_REJECTED, track_id)
    assert "could not be propagated to the newest frame: OutOfMemoryError" in event.reason


def test_a_new_object_that_fails_while_catching_up_is_removed_with_a_reason(
    stepwise: StreamingTracker, monkeypatch: pytest.MonkeyPatch
) -> None:
    track_id = stepwise.add(CLICK, stamp=3 * PERIOD)
    with monkeypatch.context() as patch:
        patch.setattr(stepwise.model, "read_memory", lambda *_: (_ for _ in ()).throw(torch.cuda.OutOfMemoryError()))
        with pytest.raises(torch.cuda.OutOfMemoryError):
            stepwise.catch_up()
    kinds = [(event.kind, event.track_id) for event in stepwise.drain_events()]
    assert kinds == [(EventKind.STARTED, track_id), (EventKind.REMOVED, track_id)]
    assert stepwise.labels == {}


# ---- events


def test_events_are_in_the_next_result_once(model: Sam2) -> None:
    tracker = StreamingTracker(model)
    run(tracker, 1)
    track_id = tracker.add(CLICK)
    result = run(tracker, 1, start=1)
    assert [(event.kind, event.track_id) for event in result.events] == [(EventKind.STARTED, track_id)]
    assert run(tracker, 1, start=2).events == ()
    tracker.remove(track_id, "put away")
    (removed,) = tracker.drain_events()
    assert (removed.kind, removed.reason) == (EventKind.REMOVED, "put away")
    assert run(tracker, 1, start=3).events == ()


def test_an_absent_object_is_occluded_then_lost_and_has_an_empty_mask(blind_model: Sam2) -> None:
    tracker = StreamingTracker(blind_model, absences(occluded_after=0.0, lost_after=0.45))
    run(tracker, 1)
    tracker.add(SQUARE)
    kinds = [EventKind.STARTED]
    assert [event.kind for event in tracker.drain_events()] == kinds
    events = {}
    for rgb, stamp in frames(8, start=1):
        result = tracker.step(rgb, stamp)
        events.update({event.kind: event for event in result.events})
    assert events[EventKind.OCCLUDED].stamp == pytest.approx(PERIOD)
    assert events[EventKind.LOST].absence == pytest.approx(0.5)
    (track,) = result.tracks
    assert track.state is TrackState.LOST and track.area == 0 and track.box is None and not track.mask.any()
    assert track.presence < 0.01 and track.last_seen == 0.0


def test_a_mask_prompt_reacquires_a_lost_object(blind_model: Sam2) -> None:
    tracker = StreamingTracker(blind_model, absences(occluded_after=0.0, lost_after=0.15))
    run(tracker, 1)
    track_id = tracker.add(SQUARE)
    run(tracker, 5, start=1)
    tracker.refine(track_id, SQUARE)
    (event,) = tracker.drain_events()
    assert event.kind is EventKind.REACQUIRED and event.absence == pytest.approx(5 * PERIOD)
    assert event.reason == "after a prompt"
    assert tracker.latest is not None
    (track,) = tracker.latest.tracks
    assert track.state is TrackState.VISIBLE and track.area > 0


def test_frames_that_are_tracked_again_emit_no_event_twice(blind_model: Sam2) -> None:
    tracker = StreamingTracker(blind_model, absences(occluded_after=0.0, lost_after=0.35))
    run(tracker, 1)
    track_id = tracker.add(SQUARE)
    kinds = [event.kind for rgb, stamp in frames(6, start=1) for event in tracker.step(rgb, stamp).events]
    assert kinds == [EventKind.STARTED, EventKind.OCCLUDED, EventKind.LOST]
    tracker.refine(track_id, SQUARE, stamp=0.0)  # absent ever since, as before
    assert tracker.drain_events() == ()


def test_a_late_prompt_reacquires_a_lost_object_and_emits_the_events_since(blind_model: Sam2) -> None:
    tracker = StreamingTracker(blind_model, absences(occluded_after=0.0, lost_after=0.35))
    run(tracker, 1)
    track_id = tracker.add(SQUARE)
    run(tracker, 6, start=1)
    tracker.refine(track_id, SQUARE, stamp=4 * PERIOD)
    back, gone = tracker.drain_events()
    assert (back.kind, back.absence) == (EventKind.REACQUIRED, pytest.approx(4 * PERIOD))
    assert (gone.kind, gone.absence) == (EventKind.OCCLUDED, pytest.approx(2 * PERIOD))
    states = [tracker.result_at(frame * PERIOD).tracks[0].state for frame in range(7)]
    assert states == [TrackState.VISIBLE, *[TrackState.OCCLUDED] * 3, TrackState.VISIBLE, *[TrackState.OCCLUDED] * 2]
    assert [event.kind for event in run(tracker, 2, start=7).events] == [EventKind.LOST]


def test_a_late_start_emits_the_events_since(blind_model: Sam2) -> None:
    tracker = StreamingTracker(blind_model, absences(occluded_after=0.0, lost_after=0.35))
    run(tracker, 8)
    tracker.add(SQUARE, stamp=PERIOD)
    events = tracker.drain_events()
    assert [event.kind for event in events] == [EventKind.STARTED, EventKind.OCCLUDED, EventKind.LOST]
    assert [event.stamp for event in events] == pytest.approx([PERIOD, 7 * PERIOD, 7 * PERIOD])


def test_an_object_that_stays_lost_is_removed_and_its_mask_value_is_reused(blind_model: Sam2) -> None:
    tracker = StreamingTracker(blind_model, absences(lost_after=0.35, remove_after=0.65))
    run(tracker, 1)
    track_id = tracker.add(SQUARE)
    assert [track.id for track in run(tracker, 6, start=1).tracks] == [track_id]
    result = run(tracker, 1, start=7)
    (event,) = result.events
    assert (event.kind, event.track_id, event.absence) == (EventKind.REMOVED, track_id, pytest.approx(0.7))
    assert "not seen for longer than remove_after (0.65 s)" in event.reason
    assert result.tracks == () and not result.label_image.any()
    assert tracker.add(SQUARE) > track_id
    assert tracker.latest is not None and tracker.latest.tracks[0].mask_value == 1


def test_a_prompted_object_is_not_removed_before_the_next_frame(blind_model: Sam2) -> None:
    tracker = StreamingTracker(blind_model, absences(occluded_after=0.0, lost_after=0.0, remove_after=0.05))
    run(tracker, 4)
    track_id = tracker.add(SQUARE, stamp=0.0)
    assert tracker.latest is not None and [track.id for track in tracker.latest.tracks] == [track_id]
    assert run(tracker, 1, start=4).tracks == ()


def test_an_unconfirmed_mask_is_suppressed(model: Sam2) -> None:
    """The network sees the object, but its presence cannot reach the thresholds."""
    tracker = StreamingTracker(model, absences(vanish_below=0.9999999, appear_above=0.9999999))
    run(tracker, 1)
    tracker.add(CLICK)
    assert tracker.latest is not None and tracker.latest.tracks[0].area > 0
    (track,) = run(tracker, 2, start=1).tracks
    assert track.state is TrackState.OCCLUDED and track.presence > 0.5
    assert track.area == 0 and track.box is None and not track.mask.any()


def test_reset_drops_objects_and_frames_and_continues_the_ids(model: Sam2) -> None:
    tracker = StreamingTracker(model)
    run(tracker, 3)
    first = tracker.add(CLICK)
    tracker.reset("the bag starts again")
    (event,) = tracker.drain_events()
    assert event.kind is EventKind.RESET and event.reason == "the bag starts again"
    assert tracker.latest is None and tracker.covered is None
    run(tracker, 2)  # from time zero again
    assert tracker.add(CLICK) > first


# ---- memory


def make_blind(model: Sam2) -> None:
    """The network sees no object anywhere from now on."""
    model.sam_mask_decoder.pred_obj_score_head.layers[-1].get_parameter("bias").data -= 100.0


def memories(policy: str, absent: int) -> tuple[torch.Tensor, torch.Tensor]:
    """The spatial memories that are read of an object after twelve frames in view, and after `absent` frames more."""
    model = seeded_model(named_config("nano", 64), seed=4)
    tracker = StreamingTracker(model, TrackerConfig(memory_policy=policy))
    run(tracker, 1)
    tracker.add(SQUARE)
    run(tracker, 12, start=1)
    bank = tracker._propagation._bank
    before = bank.read([0], 13).spatial
    make_blind(model)
    run(tracker, absent, start=13)
    return before, bank.read([0], 13 + absent).spatial


@pytest.mark.parametrize("policy", ["guarded", "distractor_aware", "motion_aware"])
def test_memories_of_visible_frames_survive_a_hundred_frames_of_absence(policy: str) -> None:
    before, after = memories(policy, absent=100)
    assert before.shape[1] == 7 and torch.equal(before, after)


def test_the_reference_policy_keeps_the_prompted_memory_only() -> None:
    before, after = memories("reference", absent=100)
    assert torch.equal(before[:, 0], after[:, 0])
    assert not any(torch.equal(before[:, i], after[:, j]) for i in range(1, 7) for j in range(1, 7))


@pytest.mark.parametrize("policy", POLICIES)
def test_a_late_correction_has_the_same_result_as_one_in_time_with_every_policy(model: Sam2, policy: str) -> None:
    def follow(late: bool) -> torch.Tensor:
        tracker = StreamingTracker(model, TrackerConfig(memory_policy=policy))
        run(tracker, 1)
        track_id = tracker.add(SQUARE)
        run(tracker, 12, start=1)
        if not late:
            tracker.refine(track_id, OTHER)
        run(tracker, 6, start=13)
        if late:
            tracker.refine(track_id, OTHER, stamp=12 * PERIOD)
        return logits_of(tracker, track_id)

    torch.testing.assert_close(follow(late=True), follow(late=False), rtol=1e-4, atol=1e-4)


# ---- precision


def test_bfloat16_gives_nearly_the_same_masks(model: Sam2) -> None:
    masks = []
    for precision in ("float32", "bfloat16"):
        tracker = StreamingTracker(model, TrackerConfig(precision=precision))
        run(tracker, 1)
        tracker.add(OTHER)
        masks.append(run(tracker, 3, start=1).tracks[0].mask)
    assert np.count_nonzero(masks[0] & masks[1]) / np.count_nonzero(masks[0] | masks[1]) > 0.9
