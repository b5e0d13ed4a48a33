"""Late prompts catch up with the newest frame in steps, between which new frames are tracked."""

import pytest
import torch

from sam2_ros.model.sam2 import Sam2
from sam2_ros.tracking import (
    EventKind,
    FrameResult,
    PromptError,
    StreamingTracker,
    TrackerConfig,
)

from .noise_stream import CLICK, OTHER, PERIOD, logits_of, run


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
