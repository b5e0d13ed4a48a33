"""Memory policies: which frames are written and which mask candidate is chosen, on given outputs."""

from dataclasses import replace

import pytest
import torch

from sam2_ros.model.mask_decoder import MaskCandidates
from sam2_ros.tracking import Box, TrackState
from sam2_ros.tracking.frame_buffer import ObjectOutput
from sam2_ros.tracking.measurement import Measurement
from sam2_ros.tracking.memory_policy import POLICIES, MemoryPolicy, box_table
from sam2_ros.tracking.motion import Motion
from sam2_ros.tracking.track_state import TrackStatus

GUARDED, DISTRACTOR, MOTION = (POLICIES[name] for name in ("guarded", "distractor_aware", "motion_aware"))

SIDE = 20
PLACE = Box(0.2, 0.2, 0.4, 0.4)
ELSEWHERE = Box(0.7, 0.7, 0.9, 0.9)
GOOD = Measurement(5.0, 0.99, 0.9, 0.04, PLACE, 0.0)
GONE = Measurement(-5.0, 0.01, 0.9, 0.0, None, 0.0)


def output(measured: Measurement, state: TrackState = TrackState.VISIBLE, motion: Motion | None = None) -> ObjectOutput:
    """For an object that has been seen at PLACE for a while."""
    before = TrackStatus(1.0, box=PLACE, areas=(0.04,) * 5, motion=motion)
    after = replace(before, last_seen=1.1, state=state, motion=None)
    return ObjectOutput(torch.zeros(1, SIDE, SIDE), measured, status_before=before, status=after)


def steady(box: Box) -> Motion:
    motion = Motion.start(box, 0.0)
    for i in range(1, 11):
        motion = motion.update(box, 0.1 * i)
    return motion


# ---- what enters memory


def test_the_reference_policy_writes_every_frame() -> None:
    assert POLICIES["reference"].keeps(output(GONE, TrackState.LOST), 1.1)
    assert POLICIES["reference"].keeps(output(replace(GOOD, predicted_iou=0.1)), 1.1)


@pytest.mark.parametrize("policy", [GUARDED, DISTRACTOR, MOTION])
def test_selective_policies_write_neither_absent_objects_nor_unreliable_masks(policy: MemoryPolicy) -> None:
    assert policy.keeps(output(GOOD), 1.1)
    assert not policy.keeps(output(GONE, TrackState.OCCLUDED), 1.1)
    assert not policy.keeps(output(GOOD, TrackState.LOST), 1.1)  # an unconfirmed return
    assert not policy.keeps(output(replace(GOOD, predicted_iou=0.2)), 1.1)


def test_the_motion_aware_policy_writes_no_frames_that_contradict_the_motion_model() -> None:
    here, there = GOOD, replace(GOOD, box=ELSEWHERE)
    assert MOTION.keeps(output(here, motion=steady(PLACE)), 1.1)
    assert not MOTION.keeps(output(there, motion=steady(PLACE)), 1.1)
    assert MOTION.keeps(output(there), 1.1)  # no prediction yet
    assert GUARDED.keeps(output(there, motion=steady(PLACE)), 1.1)


# ---- long-term entries

SPLIT = replace(GOOD, mask_disagreement=0.6)


def test_a_frame_with_a_rejected_distractor_is_long_term() -> None:
    assert DISTRACTOR.is_long_term(output(SPLIT), interval=5)
    assert not GUARDED.is_long_term(output(SPLIT), interval=5)


@pytest.mark.parametrize(
    ("measured", "interval"),
    [
        pytest.param(GOOD, 5, id="the candidates agree"),
        pytest.param(replace(SPLIT, predicted_iou=0.7), 5, id="the predicted IoU is low"),
        pytest.param(replace(SPLIT, area=0.06), 5, id="the object has another size than usual"),
        pytest.param(SPLIT, 4, id="the last long-term entry is too recent"),
    ],
)
def test_other_frames_are_not_long_term(measured: Measurement, interval: int) -> None:
    assert not DISTRACTOR.is_long_term(output(measured), interval)


def test_long_term_entries_remain_after_a_correction() -> None:
    assert GUARDED.long_term_slots(16) == 0
    # At most four entries fall among sixteen frames
    assert DISTRACTOR.long_term_slots(16) == DISTRACTOR.long_term + 4


# ---- the choice of the mask


def candidates(*boxes: Box, ious: tuple[float, ...]) -> MaskCandidates:
    """Three rectangular candidates; the first of four is for clear prompts and does not count."""
    logits = torch.full((1, 4, SIDE, SIDE), -1.0)
    for i, box in enumerate(boxes, start=1):
        x0, y0, x1, y1 = (round(edge * SIDE) for edge in (box.x0, box.y0, box.x1, box.y1))
        logits[0, i, y0:y1, x0:x1] = 1.0
    return MaskCandidates(logits, torch.tensor([[0.99, *ious]]), torch.zeros(1, 4, 8), torch.ones(1, 1))


DISTRACTOR_FIRST = candidates(ELSEWHERE, PLACE, PLACE, ious=(0.80, 0.75, 0.2))


def boxes(*given: Box | None) -> torch.Tensor:
    return torch.from_numpy(box_table(given))


def test_without_motion_the_highest_predicted_iou_is_chosen() -> None:
    assert GUARDED.choose(DISTRACTOR_FIRST, boxes(PLACE)).tolist() == [1]
    assert MOTION.choose(DISTRACTOR_FIRST, None).tolist() == [1]
    assert MOTION.choose(DISTRACTOR_FIRST, boxes(None)).tolist() == [1]


def test_motion_decides_between_similar_predicted_ious() -> None:
    assert MOTION.choose(DISTRACTOR_FIRST, boxes(PLACE)).tolist() == [2]


def test_a_much_higher_predicted_iou_is_chosen_against_the_motion() -> None:
    sure = candidates(ELSEWHERE, PLACE, PLACE, ious=(0.95, 0.4, 0.2))
    assert MOTION.choose(sure, boxes(PLACE)).tolist() == [1]


def test_every_object_has_its_own_prediction() -> None:
    both = MaskCandidates(*(torch.cat((part, part, part)) for part in DISTRACTOR_FIRST))
    assert MOTION.choose(both, boxes(PLACE, None, ELSEWHERE)).tolist() == [2, 1, 1]
