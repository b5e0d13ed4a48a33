"""When an object counts as occluded, lost and back."""

from sam2_ros.tracking import EventKind, TrackState
from sam2_ros.tracking.presence import PresenceMonitor


def monitor() -> PresenceMonitor:
    return PresenceMonitor(track_id=7, lost_after=1.0, last_seen=10.0)


def test_a_visible_object_is_no_news() -> None:
    presence = monitor()
    assert presence.update(True, 10.5) is None
    assert presence.state is TrackState.VISIBLE
    assert presence.last_seen == 10.5


def test_absence_starts_as_occlusion() -> None:
    presence = monitor()
    event = presence.update(False, 10.1)
    assert event is not None and (event.kind, event.track_id, event.stamp) == (EventKind.OCCLUDED, 7, 10.1)
    assert presence.state is TrackState.OCCLUDED
    assert presence.update(False, 10.2) is None


def test_a_short_occlusion_ends_without_an_event() -> None:
    presence = monitor()
    presence.update(False, 10.1)
    assert presence.update(True, 10.9) is None
    assert presence.state is TrackState.VISIBLE


def test_long_absence_is_loss_and_told_once() -> None:
    presence = monitor()
    presence.update(False, 10.1)
    assert presence.update(False, 11.0) is None  # exactly lost_after is not longer
    event = presence.update(False, 11.25)
    assert event is not None and (event.kind, event.absence) == (EventKind.LOST, 1.25)
    assert presence.update(False, 30.0) is None


def test_return_after_loss_tells_how_long_it_was_away() -> None:
    presence = monitor()
    for stamp in (10.1, 11.5):
        presence.update(False, stamp)
    event = presence.update(True, 14.0)
    assert event is not None and (event.kind, event.absence) == (EventKind.REACQUIRED, 4.0)
    assert presence.state is TrackState.VISIBLE


def test_sparse_frames_go_through_occlusion_before_loss() -> None:
    presence = monitor()
    first, second = presence.update(False, 15.0), presence.update(False, 16.0)
    assert first is not None and first.kind is EventKind.OCCLUDED
    assert second is not None and second.kind is EventKind.LOST


def test_an_older_frame_does_not_turn_last_seen_back() -> None:
    presence = monitor()
    presence.update(True, 9.0)
    assert presence.last_seen == 10.0
