"""What is remembered of an object, and by which mask it is followed, on answers made by hand."""

from dataclasses import replace

import pytest
import torch

from sam2_ros.model.mask_decoder import MaskCandidates
from sam2_ros.tracking import Box, TrackState
from sam2_ros.tracking.belief import Belief
from sam2_ros.tracking.frames import Answer
from sam2_ros.tracking.memory_policy import POLICIES
from sam2_ros.tracking.motion import Motion
from sam2_ros.tracking.observation import Observation
from sam2_ros.tracking.presence import Presence

GUARDED, DISTRACTOR, MOTION = (POLICIES[name] for name in ("guarded", "distractor_aware", "motion_aware"))

SIDE = 20
PLACE = Box(0.2, 0.2, 0.4, 0.4)
ELSEWHERE = Box(0.7, 0.7, 0.9, 0.9)
GOOD = Observation(5.0, 0.99, 0.9, 0.04, PLACE, 0.0)
GONE = Observation(-5.0, 0.01, 0.9, 0.0, None, 0.0)


def answer(seen: Observation, state: TrackState = TrackState.VISIBLE, motion: Motion | None = None) -> Answer:
    """Of an object that has been seen in its place for a while."""
    before = Belief(Presence(1.0, box=PLACE, areas=(0.04,) * 5), motion)
    after = Belief(replace(before.presence, last_seen=1.1, state=state))
    return Answer(torch.zeros(1, SIDE, SIDE), seen, before, after)


def steady(box: Box) -> Motion:
    motion = Motion.start(box, 0.0)
    for i in range(1, 11):
        motion = motion.after(box, 0.1 * i)
    return motion


# ---- what enters memory


def test_the_reference_remembers_everything() -> None:
    assert POLICIES["reference"].remembers(answer(GONE, TrackState.LOST), 1.1)
    assert POLICIES["reference"].remembers(answer(GOOD._replace(predicted_iou=0.1)), 1.1)


@pytest.mark.parametrize("policy", [GUARDED, DISTRACTOR, MOTION])
def test_the_others_remember_neither_absence_nor_doubt(policy) -> None:
    assert policy.remembers(answer(GOOD), 1.1)
    assert not policy.remembers(answer(GONE, TrackState.OCCLUDED), 1.1)
    assert not policy.remembers(answer(GOOD, TrackState.LOST), 1.1)  # a return that is not believed yet
    assert not policy.remembers(answer(GOOD._replace(predicted_iou=0.2)), 1.1)


def test_motion_aware_memory_leaves_out_what_moved_unlike_the_object() -> None:
    here, there = GOOD, GOOD._replace(box=ELSEWHERE)
    assert MOTION.remembers(answer(here, motion=steady(PLACE)), 1.1)
    assert not MOTION.remembers(answer(there, motion=steady(PLACE)), 1.1)
    assert MOTION.remembers(answer(there), 1.1)  # nothing is expected yet
    assert GUARDED.remembers(answer(there, motion=steady(PLACE)), 1.1)


# ---- anchors

TORN = GOOD._replace(divergence=0.6)


def test_an_anchor_is_where_the_network_chose_well_between_two() -> None:
    assert DISTRACTOR.is_anchor(answer(TORN), gap=5)
    assert not GUARDED.is_anchor(answer(TORN), gap=5)


@pytest.mark.parametrize(
    ("seen", "gap"),
    [
        pytest.param(GOOD, 5, id="the candidates agree"),
        pytest.param(TORN._replace(predicted_iou=0.7), 5, id="the choice is not sure"),
        pytest.param(TORN._replace(area=0.06), 5, id="the object has another size than usual"),
        pytest.param(TORN, 4, id="the last anchor is too near"),
    ],
)
def test_other_frames_are_no_anchors(seen: Observation, gap: int) -> None:
    assert not DISTRACTOR.is_anchor(answer(seen), gap)


def test_anchors_outlast_being_taken_back() -> None:
    assert GUARDED.anchor_slots(16) == 0
    # At most four anchors fall among sixteen frames
    assert DISTRACTOR.anchor_slots(16) == DISTRACTOR.anchors + 4


# ---- the choice of the mask


def candidates(*boxes: Box, ious: tuple[float, ...]) -> MaskCandidates:
    """Three rectangular candidates; the first of four is for clear prompts and does not count."""
    logits = torch.full((1, 4, SIDE, SIDE), -1.0)
    for i, box in enumerate(boxes, start=1):
        x0, y0, x1, y1 = (round(edge * SIDE) for edge in (box.x0, box.y0, box.x1, box.y1))
        logits[0, i, y0:y1, x0:x1] = 1.0
    return MaskCandidates(logits, torch.tensor([[0.99, *ious]]), torch.zeros(1, 4, 8), torch.ones(1, 1))


LOOK_ALIKE_FIRST = candidates(ELSEWHERE, PLACE, PLACE, ious=(0.80, 0.75, 0.2))


def test_the_surest_mask_is_chosen_where_motion_does_not_count() -> None:
    assert GUARDED.choose(LOOK_ALIKE_FIRST, [PLACE]).tolist() == [1]
    assert MOTION.choose(LOOK_ALIKE_FIRST, [None]).tolist() == [1]


def test_motion_decides_between_masks_that_are_almost_equally_sure() -> None:
    assert MOTION.choose(LOOK_ALIKE_FIRST, [PLACE]).tolist() == [2]


def test_a_much_surer_mask_is_chosen_against_the_motion() -> None:
    sure = candidates(ELSEWHERE, PLACE, PLACE, ious=(0.95, 0.4, 0.2))
    assert MOTION.choose(sure, [PLACE]).tolist() == [1]


def test_every_object_has_its_own_expectation() -> None:
    both = MaskCandidates(*(torch.cat((part, part, part)) for part in LOOK_ALIKE_FIRST))
    assert MOTION.choose(both, [PLACE, None, ELSEWHERE]).tolist() == [2, 1, 1]
