"""States of a track and the events that report their changes."""

from collections.abc import Sequence
from typing import Any

import pytest

from sam2_ros.tracking import Box, Event, EventKind, TrackState, TrackStateConfig
from sam2_ros.tracking.measurement import Measurement
from sam2_ros.tracking.track_state import EventEmitter, TrackStatus

PERIOD = 0.1  # seconds between frames
CONFIG = TrackStateConfig(vanish_below=0.6, appear_above=0.8, occluded_after=0.25, lost_after=1.05, return_frames=3)
PLACE = Box(0.4, 0.4, 0.5, 0.5)


def measured(
    presence: float = 0.95, box: Box | None = PLACE, area: float = 0.01, predicted_iou: float = 0.9
) -> Measurement:
    """One frame; the network gives no mask below a presence of 0.5."""
    if presence < 0.5:
        box, area = None, 0.0
    return Measurement(0.0, presence, predicted_iou, area, box, mask_disagreement=0.0)


GONE = measured(0.1)


class Follower:
    """An object that is prompted at time 0, and frames every PERIOD unless another period is given."""

    def __init__(self, config: TrackStateConfig = CONFIG) -> None:
        self.config = config
        self.stamp = 0.0
        self.status = TrackStatus(0.0).update_from_prompt(measured(), 0.0)
        self.events = EventEmitter(7, 0.0)

    def see(self, *frames: Measurement, period: float = PERIOD) -> list[Event]:
        """The events emitted on these frames."""
        events = []
        for frame in frames:
            self.stamp += period
            self.status = self.status.update(frame, self.stamp, self.config)
            events += self.events.emit(self.status, self.stamp, self.config)
        return events

    @property
    def state(self) -> TrackState:
        return self.status.state

    def lose(self) -> None:
        self.see(*[GONE] * 12)
        assert self.state is TrackState.LOST


@pytest.fixture
def follower() -> Follower:
    return Follower()


def kinds(events: Sequence[Event]) -> list[EventKind]:
    return [event.kind for event in events]


# ---- thresholds


def test_a_visible_object_stays_visible_between_the_thresholds(follower: Follower) -> None:
    assert follower.see(measured(0.9), measured(0.65), measured(0.7)) == []
    assert follower.state is TrackState.VISIBLE
    assert follower.status.last_seen == pytest.approx(3 * PERIOD)


def test_an_absent_object_stays_absent_between_the_thresholds(follower: Follower) -> None:
    follower.see(measured(0.55), measured(0.7), measured(0.75))
    assert follower.state is TrackState.OCCLUDED
    follower.see(measured(0.85))
    assert follower.state is TrackState.VISIBLE


def test_an_object_with_an_empty_mask_is_absent_whatever_its_presence(follower: Follower) -> None:
    follower.see(measured(0.99, box=None, area=0.0))
    assert follower.state is TrackState.OCCLUDED


# ---- durations


def test_a_short_absence_changes_the_state_and_emits_no_event(follower: Follower) -> None:
    assert follower.see(GONE, GONE) == []
    assert follower.state is TrackState.OCCLUDED
    assert follower.see(measured()) == []
    assert follower.state is TrackState.VISIBLE


def test_occluded_and_lost_are_each_emitted_once(follower: Follower) -> None:
    events = follower.see(*[GONE] * 40)
    assert kinds(events) == [EventKind.OCCLUDED, EventKind.LOST]
    assert [event.stamp for event in events] == pytest.approx([0.3, 1.1])
    assert [event.absence for event in events] == pytest.approx([0.3, 1.1])
    assert {event.track_id for event in events} == {7}


def test_an_occlusion_ends_without_an_event(follower: Follower) -> None:
    assert kinds(follower.see(*[GONE] * 5, measured())) == [EventKind.OCCLUDED]
    assert follower.state is TrackState.VISIBLE


def test_durations_are_in_image_time_not_in_frames(follower: Follower) -> None:
    assert follower.see(*[GONE] * 20, period=0.01) == []
    assert kinds(follower.see(GONE, period=10.0)) == [EventKind.OCCLUDED, EventKind.LOST]


def test_sparse_frames_do_not_make_an_object_lost_at_once(follower: Follower) -> None:
    assert kinds(follower.see(GONE, period=5.0)) == [EventKind.OCCLUDED]
    assert kinds(follower.see(GONE, period=5.0)) == [EventKind.LOST]


def test_reacquired_reports_the_time_of_absence(follower: Follower) -> None:
    follower.lose()
    (event,) = follower.see(*[measured()] * 3)
    assert (event.kind, event.absence) == (EventKind.REACQUIRED, pytest.approx(1.5))
    assert follower.state is TrackState.VISIBLE


# ---- confirmation of a return


def test_the_return_of_a_lost_object_is_confirmed_by_several_frames(follower: Follower) -> None:
    follower.lose()
    assert follower.see(measured(), measured()) == []
    assert follower.state is TrackState.LOST
    assert kinds(follower.see(measured())) == [EventKind.REACQUIRED]


def test_a_frame_without_the_object_restarts_the_confirmation(follower: Follower) -> None:
    follower.lose()
    assert follower.see(measured(), measured(), GONE, measured(), measured()) == []


def test_inconsistent_frames_do_not_confirm_a_return(follower: Follower) -> None:
    follower.lose()
    here, there = Box(0.1, 0.1, 0.2, 0.2), Box(0.8, 0.8, 0.9, 0.9)
    follower.see(*[measured(box=here), measured(box=there)] * 4)
    assert follower.state is TrackState.LOST


def test_a_short_occlusion_ends_on_the_first_frame(follower: Follower) -> None:
    follower.see(GONE, GONE, measured())
    assert follower.state is TrackState.VISIBLE


@pytest.mark.parametrize(
    "implausible",
    [
        pytest.param(measured(predicted_iou=0.3), id="its predicted IoU is low"),
        pytest.param(measured(box=Box(0, 0, 1, 1), area=0.9), id="it covers the whole frame"),
        pytest.param(measured(box=Box(0.45, 0.45, 0.46, 0.46), area=0.0001), id="it has become tiny"),
        pytest.param(measured(box=Box(0.9, 0.9, 1, 1)), id="it is too far away"),
    ],
)
def test_an_implausible_return_is_not_confirmed(follower: Follower, implausible: Measurement) -> None:
    follower.see(GONE, *[implausible] * 3)
    assert follower.state is TrackState.OCCLUDED
    follower.see(measured())
    assert follower.state is TrackState.VISIBLE


def test_a_longer_absence_allows_a_return_farther_away(follower: Follower) -> None:
    far = measured(box=Box(0.85, 0.85, 0.95, 0.95))
    follower.see(GONE, far)
    assert follower.state is TrackState.OCCLUDED
    follower.see(*[GONE] * 6)
    follower.see(far)
    assert follower.state is TrackState.VISIBLE


def test_with_return_frames_0_every_return_is_confirmed() -> None:
    follower = Follower(TrackStateConfig(appear_above=0.5, occluded_after=0.0, return_frames=0))
    follower.lose()
    assert kinds(follower.see(measured(0.51, Box(0, 0, 1, 1), area=0.9, predicted_iou=0.1))) == [EventKind.REACQUIRED]


# ---- prompts


def test_a_prompt_confirms_the_object_at_once(follower: Follower) -> None:
    follower.lose()
    found = measured(0.55, Box(0, 0, 0.9, 0.9), area=0.7, predicted_iou=0.1)
    follower.status = follower.status.update_from_prompt(found, 1.3)
    assert (follower.state, follower.status.last_seen) == (TrackState.VISIBLE, 1.3)


def test_a_prompt_with_an_empty_mask_makes_no_object_visible(follower: Follower) -> None:
    follower.status = follower.status.update_from_prompt(GONE, 0.1)
    assert follower.state is TrackState.OCCLUDED
    follower.lose()
    follower.status = follower.status.update_from_prompt(GONE, 2.0)
    assert follower.state is TrackState.LOST


# ---- events after frames were tracked again


def emitted(before: TrackState, after: TrackStatus) -> list[EventKind]:
    """What is emitted at 5.0 s for an object that was last reported as seen at 2.0 s."""
    emitter = EventEmitter(7, 2.0)
    emitter.emit(TrackStatus(2.0, before), 4.0, CONFIG)
    return kinds(emitter.emit(after, 5.0, CONFIG))


def test_an_unchanged_state_is_not_reported_again() -> None:
    assert emitted(TrackState.OCCLUDED, TrackStatus(2.0, TrackState.OCCLUDED)) == []
    assert emitted(TrackState.LOST, TrackStatus(2.0, TrackState.LOST)) == []


def test_a_correction_of_a_reported_loss_emits_reacquired() -> None:
    assert emitted(TrackState.LOST, TrackStatus(5.0)) == [EventKind.REACQUIRED]
    assert emitted(TrackState.OCCLUDED, TrackStatus(5.0)) == []


def test_a_lost_object_that_was_seen_meanwhile_is_reacquired_and_occluded() -> None:
    assert emitted(TrackState.LOST, TrackStatus(4.5, TrackState.OCCLUDED)) == [EventKind.REACQUIRED, EventKind.OCCLUDED]


def test_an_unreported_occlusion_precedes_its_loss() -> None:
    assert emitted(TrackState.VISIBLE, TrackStatus(1.0, TrackState.LOST)) == [EventKind.OCCLUDED, EventKind.LOST]


# ---- expiry


@pytest.mark.parametrize(("remove_after", "expired"), [(0.0, False), (2.0, False), (1.9, True)])
def test_a_lost_object_expires_after_remove_after(remove_after: float, expired: bool) -> None:
    follower = Follower(TrackStateConfig(remove_after=remove_after))
    follower.see(*[GONE] * 20)
    assert follower.status.is_expired(2.0, follower.config) is expired


# ---- motion


def follow(*frames: Measurement, track_motion: bool = True) -> TrackStatus:
    """After a prompt at time 0 and frames a tenth of a second apart."""
    status = TrackStatus(0.0).update_from_prompt(measured(), 0.0, track_motion)
    for i, frame in enumerate(frames, start=1):
        status = status.update(frame, 0.1 * i, CONFIG, track_motion)
    return status


def test_a_box_is_predicted_after_some_visible_frames() -> None:
    assert follow(measured()).predicted_box(0.2) is None
    predicted = follow(*[measured()] * 8).predicted_box(0.9)
    assert predicted is not None and abs(predicted.x0 - PLACE.x0) < 0.01


def test_no_box_is_predicted_after_an_absence() -> None:
    status = follow(*[measured()] * 8, GONE)
    assert status.state is TrackState.OCCLUDED and status.predicted_box(1.0) is None
    assert follow(*[measured()] * 8, GONE, measured()).predicted_box(1.1) is None


def test_motion_is_tracked_only_if_configured() -> None:
    assert follow(*[measured()] * 8, track_motion=False).motion is None


def test_an_earlier_status_is_unchanged_by_updates() -> None:
    before = follow(*[measured()] * 8)
    after = before.update(GONE, 0.9, CONFIG, track_motion=True)
    assert before.state is TrackState.VISIBLE and before.motion is not None
    assert after.state is TrackState.OCCLUDED


# ---- configuration


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"vanish_below": 0.4}, "0.5 <= vanish_below"),
        ({"vanish_below": 0.9, "appear_above": 0.8}, "vanish_below <= appear_above"),
        ({"occluded_after": 2.0}, "occluded_after is 2 s and lost_after 1 s"),
        ({"lost_after": -1.0}, "occluded_after <= lost_after"),
        ({"remove_after": 0.5}, "remove_after >= lost_after"),
        ({"return_frames": -1}, "return_frames is -1"),
    ],
)
def test_an_impossible_configuration_is_rejected(wrong: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        TrackStateConfig(**wrong)
