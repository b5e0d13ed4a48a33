"""When an object counts as occluded, lost and back, and what is told of it."""

from collections.abc import Sequence

import pytest

from sam2_ros.tracking import Box, Event, EventKind, PresenceRules, TrackState
from sam2_ros.tracking.observation import Observation
from sam2_ros.tracking.presence import Herald, Presence

PERIOD = 0.1  # seconds between frames
RULES = PresenceRules(vanish_below=0.6, appear_above=0.8, occluded_after=0.25, lost_after=1.05, return_frames=3)
PLACE = Box(0.4, 0.4, 0.5, 0.5)


def seen(
    presence: float = 0.95, box: Box | None = PLACE, area: float = 0.01, predicted_iou: float = 0.9
) -> Observation:
    """What the network says of one frame; it gives no mask below a presence of 0.5."""
    if presence < 0.5:
        box, area = None, 0.0
    return Observation(0.0, presence, predicted_iou, area, box, 0.0)


GONE = seen(0.1)


class Follower:
    """An object that was prompted at time 0, on frames that come every PERIOD or when they are said to."""

    def __init__(self, rules: PresenceRules = RULES) -> None:
        self.rules = rules
        self.stamp = 0.0
        self.presence = Presence(0.0).prompted(seen(), 0.0)
        self.herald = Herald(7, 0.0)

    def see(self, *frames: Observation, period: float = PERIOD) -> list[Event]:
        """The events told on these frames."""
        events = []
        for frame in frames:
            self.stamp += period
            self.presence = self.presence.after(frame, self.stamp, self.rules)
            events += self.herald.news(self.presence, self.stamp, self.rules)
        return events

    @property
    def state(self) -> TrackState:
        return self.presence.state

    def lose(self) -> None:
        self.see(*[GONE] * 12)
        assert self.state is TrackState.LOST


@pytest.fixture
def follower() -> Follower:
    return Follower()


def kinds(events: Sequence[Event]) -> list[EventKind]:
    return [event.kind for event in events]


# ---- thresholds


def test_an_object_in_view_stays_there_between_the_thresholds(follower: Follower) -> None:
    assert follower.see(seen(0.9), seen(0.65), seen(0.7)) == []
    assert follower.state is TrackState.VISIBLE
    assert follower.presence.last_seen == pytest.approx(3 * PERIOD)


def test_an_absent_object_stays_away_between_the_thresholds(follower: Follower) -> None:
    follower.see(seen(0.55), seen(0.7), seen(0.75))
    assert follower.state is TrackState.OCCLUDED
    follower.see(seen(0.85))
    assert follower.state is TrackState.VISIBLE


def test_an_empty_mask_is_absence_however_sure_the_network_is(follower: Follower) -> None:
    follower.see(seen(0.99, box=None, area=0.0))
    assert follower.state is TrackState.OCCLUDED


# ---- durations


def test_a_flicker_is_in_the_state_but_not_told(follower: Follower) -> None:
    assert follower.see(GONE, GONE) == []
    assert follower.state is TrackState.OCCLUDED
    assert follower.see(seen()) == []
    assert follower.state is TrackState.VISIBLE


def test_absence_is_told_after_a_while_then_loss_each_once(follower: Follower) -> None:
    events = follower.see(*[GONE] * 40)
    assert kinds(events) == [EventKind.OCCLUDED, EventKind.LOST]
    assert [event.stamp for event in events] == pytest.approx([0.3, 1.1])
    assert [event.absence for event in events] == pytest.approx([0.3, 1.1])
    assert {event.track_id for event in events} == {7}


def test_an_occlusion_ends_without_an_event(follower: Follower) -> None:
    assert kinds(follower.see(*[GONE] * 5, seen())) == [EventKind.OCCLUDED]
    assert follower.state is TrackState.VISIBLE


def test_durations_are_of_image_time_not_of_frames(follower: Follower) -> None:
    assert follower.see(*[GONE] * 20, period=0.01) == []
    assert kinds(follower.see(GONE, period=10.0)) == [EventKind.OCCLUDED, EventKind.LOST]


def test_sparse_frames_do_not_make_an_object_lost_at_once(follower: Follower) -> None:
    assert kinds(follower.see(GONE, period=5.0)) == [EventKind.OCCLUDED]
    assert kinds(follower.see(GONE, period=5.0)) == [EventKind.LOST]


def test_a_lost_object_that_is_back_tells_how_long_it_was_away(follower: Follower) -> None:
    follower.lose()
    (event,) = follower.see(*[seen()] * 3)
    assert (event.kind, event.absence) == (EventKind.REACQUIRED, pytest.approx(1.5))
    assert follower.state is TrackState.VISIBLE


# ---- returns that are doubted


def test_a_lost_object_takes_several_frames_to_be_believed(follower: Follower) -> None:
    follower.lose()
    assert follower.see(seen(), seen()) == []
    assert follower.state is TrackState.LOST
    assert kinds(follower.see(seen())) == [EventKind.REACQUIRED]


def test_a_frame_without_it_starts_the_proof_again(follower: Follower) -> None:
    follower.lose()
    assert follower.see(seen(), seen(), GONE, seen(), seen()) == []


def test_frames_that_disagree_with_each_other_prove_nothing(follower: Follower) -> None:
    follower.lose()
    here, there = Box(0.1, 0.1, 0.2, 0.2), Box(0.8, 0.8, 0.9, 0.9)
    follower.see(*[seen(box=here), seen(box=there)] * 4)
    assert follower.state is TrackState.LOST


def test_an_object_that_was_hidden_for_a_moment_is_believed_at_once(follower: Follower) -> None:
    follower.see(GONE, GONE, seen())
    assert follower.state is TrackState.VISIBLE


@pytest.mark.parametrize(
    "doubtful",
    [
        pytest.param(seen(predicted_iou=0.3), id="the network doubts its own mask"),
        pytest.param(seen(box=Box(0, 0, 1, 1), area=0.9), id="it has become the whole picture"),
        pytest.param(seen(box=Box(0.45, 0.45, 0.46, 0.46), area=0.0001), id="it has become a speck"),
        pytest.param(seen(box=Box(0.9, 0.9, 1, 1)), id="it is too far away"),
    ],
)
def test_an_implausible_return_is_not_believed(follower: Follower, doubtful: Observation) -> None:
    follower.see(GONE, *[doubtful] * 3)
    assert follower.state is TrackState.OCCLUDED
    follower.see(seen())
    assert follower.state is TrackState.VISIBLE


def test_it_may_come_back_the_farther_away_the_longer_it_was_gone(follower: Follower) -> None:
    far = seen(box=Box(0.85, 0.85, 0.95, 0.95))
    follower.see(GONE, far)
    assert follower.state is TrackState.OCCLUDED
    follower.see(*[GONE] * 6)
    follower.see(far)
    assert follower.state is TrackState.VISIBLE


def test_every_return_is_believed_where_that_is_wished() -> None:
    follower = Follower(PresenceRules(appear_above=0.5, occluded_after=0.0, return_frames=0))
    follower.lose()
    assert kinds(follower.see(seen(0.51, Box(0, 0, 1, 1), area=0.9, predicted_iou=0.1))) == [EventKind.REACQUIRED]


# ---- prompts


def test_a_prompt_is_believed_at_once_whatever_it_finds(follower: Follower) -> None:
    follower.lose()
    found = seen(0.55, Box(0, 0, 0.9, 0.9), area=0.7, predicted_iou=0.1)
    follower.presence = follower.presence.prompted(found, 1.3)
    assert (follower.state, follower.presence.last_seen) == (TrackState.VISIBLE, 1.3)


def test_a_prompt_that_finds_nothing_makes_nothing_visible(follower: Follower) -> None:
    follower.presence = follower.presence.prompted(GONE, 0.1)
    assert follower.state is TrackState.OCCLUDED
    follower.lose()
    follower.presence = follower.presence.prompted(GONE, 2.0)
    assert follower.state is TrackState.LOST


# ---- what is told after frames were tracked anew


def news(before: TrackState, after: Presence) -> list[EventKind]:
    """What is told at 5.0 s of an object that was last told to be in view at 2.0 s."""
    herald = Herald(7, 2.0)
    herald.news(Presence(2.0, before), 4.0, RULES)
    return kinds(herald.news(after, 5.0, RULES))


def test_what_was_told_and_still_holds_is_not_told_again() -> None:
    assert news(TrackState.OCCLUDED, Presence(2.0, TrackState.OCCLUDED)) == []
    assert news(TrackState.LOST, Presence(2.0, TrackState.LOST)) == []


def test_a_loss_that_turns_out_to_be_none_is_taken_back() -> None:
    assert news(TrackState.LOST, Presence(5.0)) == [EventKind.REACQUIRED]
    assert news(TrackState.OCCLUDED, Presence(5.0)) == []


def test_a_lost_object_that_has_been_back_in_between_is_told_so() -> None:
    assert news(TrackState.LOST, Presence(4.5, TrackState.OCCLUDED)) == [EventKind.REACQUIRED, EventKind.OCCLUDED]


def test_a_loss_that_nobody_knew_of_is_told_as_a_whole() -> None:
    assert news(TrackState.VISIBLE, Presence(1.0, TrackState.LOST)) == [EventKind.OCCLUDED, EventKind.LOST]


# ---- rules


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
def test_impossible_rules_are_rejected(wrong: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        PresenceRules(**wrong)
