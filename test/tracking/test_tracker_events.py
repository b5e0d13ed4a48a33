"""Events of the streaming tracker, and the states that they report."""

import pytest

from sam2_ros.model.sam2 import Sam2
from sam2_ros.tracking import (
    EventKind,
    StreamingTracker,
    TrackState,
)

from .noise_stream import CLICK, PERIOD, SQUARE, absences, frames, run


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
