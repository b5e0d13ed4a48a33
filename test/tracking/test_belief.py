"""What is believed of an object from frame to frame."""

from sam2_ros.tracking import Box, PresenceRules, TrackState
from sam2_ros.tracking.belief import Belief
from sam2_ros.tracking.observation import Observation
from sam2_ros.tracking.presence import Presence

RULES = PresenceRules()
THERE = Observation(5.0, 0.99, 0.9, 0.04, Box(0.2, 0.2, 0.4, 0.4), 0.0)
GONE = Observation(-5.0, 0.01, 0.9, 0.0, None, 0.0)


def follow(*frames: Observation, follow_motion: bool = True) -> Belief:
    """After a prompt at time 0 and frames a tenth of a second apart."""
    belief = Belief(Presence(0.0)).prompted(THERE, 0.0, follow_motion)
    for i, seen in enumerate(frames, start=1):
        belief = belief.after(seen, 0.1 * i, RULES, follow_motion)
    return belief


def test_a_place_is_expected_of_an_object_that_was_seen_for_a_while() -> None:
    assert follow(THERE).expected(0.2) is None
    expected = follow(*[THERE] * 8).expected(0.9)
    assert expected is not None and abs(expected.x0 - 0.2) < 0.01


def test_nothing_is_expected_of_an_object_that_was_away() -> None:
    belief = follow(*[THERE] * 8, GONE)
    assert belief.presence.state is TrackState.OCCLUDED and belief.expected(1.0) is None
    assert follow(*[THERE] * 8, GONE, THERE).expected(1.1) is None


def test_motion_is_followed_only_where_somebody_asks() -> None:
    assert follow(*[THERE] * 8, follow_motion=False).motion is None


def test_an_earlier_belief_stays_what_it_was() -> None:
    before = follow(*[THERE] * 8)
    after = before.after(GONE, 0.9, RULES, follow_motion=True)
    assert before.presence.state is TrackState.VISIBLE and before.motion is not None
    assert after.presence.state is TrackState.OCCLUDED
